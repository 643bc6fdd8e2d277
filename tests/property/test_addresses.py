"""Whatever a password or a parameter holds, it is not in what is shown of an address."""

from __future__ import annotations

import re
import string
from urllib.parse import quote

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from stages.addresses import ADDRESS, host_and_port, is_address, redact_credentials, with_lower_scheme
from visage.config.sources import redact_text

MARK = "HUSH"
"""Stands in every secret, and nowhere else."""

SCHEMES = st.sampled_from(["rtsp", "RTSP", "rtsps", "http", "https", "srt", "udp"])
HOSTS = st.sampled_from(["cam", "cam.example", "192.168.1.7", "[fe80::1]"])
PORTS = st.sampled_from(["", ":554", ":8080"])
PATHS = st.sampled_from(["", "/", "/live/1", "/a/b.m3u8?channel=1", "/cam/realmonitor?channel=1&subtype=0"])
NAMES = st.sampled_from(["password", "pwd", "token", "api_key", "auth", "sig", "jwt", "access_token", "secret", "pin"])
VISIBLE = string.ascii_letters + string.digits + string.punctuation


@st.composite
def passwords(draw: st.DrawFn) -> str:
    """Any visible characters around the mark."""
    return draw(st.text(VISIBLE, max_size=8)) + MARK + draw(st.text(VISIBLE, max_size=8))


@settings(max_examples=400)
@example("rtsp", "ada", f"{MARK}@/{MARK}", "cam", "", "/live")
@example("rtsp", "ada", f"p@{MARK}/?#{MARK}@x/{MARK}", "[fe80::1]", ":554", "/live")
@example("rtsp", "ada", f"12/{MARK}", "cam", "", "")
@example("rtsp", "", f"@?{MARK}", "cam", "", "/a/b.m3u8?channel=1")
@example("http", "[", f"]/{MARK}", "cam", "", "")
@given(SCHEMES, st.text(string.ascii_letters, max_size=4), passwords(), HOSTS, PORTS, PATHS)
def test_a_password_never_shows(scheme: str, user: str, password: str, host: str, port: str, path: str) -> None:
    address = f"{scheme}://{user}:{password}@{host}{port}{path}"
    shown = redact_credentials(address)
    assert MARK not in shown
    assert MARK not in redact_text(f"can't open {address} (timed out), again in 3 s")
    assert redact_credentials(shown) == shown


@given(SCHEMES, HOSTS, PORTS, NAMES, passwords(), st.sampled_from(["/live?x=1&", "/live?", "/live/"]))
def test_a_secret_parameter_never_shows(scheme: str, host: str, port: str, name: str, secret: str, begins: str) -> None:
    shown = redact_credentials(f"{scheme}://{host}{port}{begins}{name}={quote(secret, safe='')}")
    assert MARK not in shown
    assert f"{name}=" in shown, "which parameter it was may show"


@given(SCHEMES, HOSTS, PORTS, PATHS)
def test_an_address_without_secrets_is_shown_as_it_is(scheme: str, host: str, port: str, path: str) -> None:
    address = f"{scheme}://{host}{port}{path}"
    assert redact_credentials(address).lower() == address.lower()
    assert redact_text(f"see {address} now").lower() == f"see {address} now".lower()


@given(st.text(max_size=30))
def test_any_text_can_be_shown_and_a_path_is_shown_as_it_is(text: str) -> None:
    shown = redact_credentials(text)
    assert is_address(text) == (ADDRESS.match(text) is not None)
    if not is_address(text):
        assert shown == text == with_lower_scheme(text)


@given(SCHEMES, st.text(string.ascii_letters, min_size=1, max_size=4), passwords(), HOSTS, PORTS)
def test_a_password_changes_nothing_of_where_an_address_leads(
    scheme: str, user: str, password: str, host: str, port: str
) -> None:
    # A number before a slash could as well be a port, and what follows an @ and a slash the path: FFmpeg reads both so.
    assume(not password[:1].isdigit() and not re.search(r"@.*[/?#]", password))
    found, number = host_and_port(f"{scheme}://{user}:{password}@{host}{port}/live")
    assert found == host.strip("[]")
    assert number == (int(port[1:]) if port else None)
