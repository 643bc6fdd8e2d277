"""Whatever a caller sends: it is refused, or it leads where a rule allows."""

from __future__ import annotations

import string
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visage.config.web import AddRules
from visage.web.errors import AddressRefused
from visage.web.rules import check_address

RULES = AddRules(hosts=("camera.example", "*.home.example"), networks=("192.168.1.0/24",), ports=(554,))

PARTS = st.sampled_from(
    [
        *("rtsp://", "rtsp:", "http://", "//", "/", "@", ":", "%40", "\\", "?", "#", "[", "]", "..", ".", "%2e", " "),
        *("camera.example", "home.example", "a.home.example", "192.168.1.7", "127.0.0.1", "localhost", "::1", "0x7f.1"),
        *("user:pass", "554", "22", "2130706433", "::ffff:127.0.0.1", "169.254.169.254", "\x00", "\n", "ｃamera"),
    ]
)
ADDRESSES = st.one_of(
    st.text(alphabet=string.printable, max_size=40),
    st.lists(PARTS, max_size=7).map("".join),
    st.lists(PARTS, max_size=6).map(lambda parts: "rtsp://" + "".join(parts)),
)


@settings(max_examples=1000)
@given(ADDRESSES)
def test_only_what_a_rule_names_is_opened(address: str) -> None:
    try:
        opened = check_address(address, RULES)
    except AddressRefused:
        return
    parts = urlsplit(opened)
    host = (parts.hostname or "").rstrip(".")  # a whole name may end with the root's dot
    assert opened == address
    assert parts.scheme in ("rtsp", "rtsps")
    assert host == "camera.example" or host.endswith(".home.example") or host.startswith("192.168.1.")
    assert (parts.port or 554) == 554
    # Read as FFmpeg does: the host begins after the last @ before the first slash.
    authority = opened.split("://", 1)[1].split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
    assert authority.rsplit("@", 1)[-1].split(":", 1)[0].rstrip(".").lower() == host


@given(st.lists(st.sampled_from(["..", ".", "clips", "secret", "a.mp4", "link", "", "\x00", "~"]), max_size=6))
def test_no_path_leads_out_of_the_folders(parts: list[str]) -> None:
    folder = PLACE / "clips"
    try:
        opened = check_address(f"{folder}/{'/'.join(parts)}", AddRules(folders=(folder,)))
    except AddressRefused:
        return
    assert Path(opened).is_relative_to(folder)


PLACE = Path("/nonexistent")


@pytest.fixture(autouse=True, scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A folder with a file and a link out of it."""
    global PLACE  # noqa: PLW0603  # Hypothesis runs the test's body many times with one fixture
    PLACE = tmp_path_factory.mktemp("place").resolve()
    (PLACE / "clips").mkdir()
    (PLACE / "clips" / "a.mp4").touch()
    (PLACE / "clips" / "link").symlink_to(PLACE)
    (PLACE / "secret").touch()
