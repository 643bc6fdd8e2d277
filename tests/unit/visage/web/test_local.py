"""The local token: who has it, and what others get from this machine's own address."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from tests.unit.visage.web.serving import running
from visage.cli.main import app
from visage.web.errors import LocalAccessError
from visage.web.local import LocalAccess, LocalToken
from visage.web.sessions import INVITATION_SECONDS, Sessions
from visage.web.tokens import Role


def test_without_a_credential_loopback_gets_health_and_the_page_alone(tmp_path: Path) -> None:
    with running(tmp_path) as site, site.client() as client:
        for path in ("/healthz", "/readyz", "/", "/js/main.js"):
            assert client.get(path).status_code == 200
        for path in ("/metrics", "/api/v1/session", "/api/v1/sources", "/api/v1/people"):
            answer = client.get(path)
            assert answer.status_code == 401
            assert "visage open" in answer.json()["error"]
        assert client.delete("/api/v1/people/p1").status_code == 401


def test_the_token_lies_in_a_file_of_its_owner_and_stays_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "local.json"
    first = LocalAccess(file).publish("http://127.0.0.1:1/")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = LocalAccess(file)
    assert again.publish("http://127.0.0.1:2/").token == first.token
    assert LocalToken.read(file) == LocalToken("http://127.0.0.1:2/", first.token)
    assert again.find(first.token) == again.token
    assert again.token.role is Role.ADMIN
    assert again.find(first.token[:-1]) is None
    assert again.find("visage_local_") is None
    assert again.find("\ud800") is None


@pytest.mark.parametrize("damage", ["others may read it", "cut", "no token", "short"])
def test_a_token_that_others_may_know_is_made_anew(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "local.json"
    first = LocalAccess(file).publish("http://127.0.0.1:1/")
    if damage == "others may read it":
        file.chmod(0o640)
    else:
        file.write_text({"cut": '{"url', "no token": "[]", "short": '{"token": "visage_local_x"}'}[damage])
    again = LocalAccess(file)
    assert again.publish("http://127.0.0.1:1/").token != first.token
    assert again.find(first.token) is None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_link_of_visage_open_signs_in_once(tmp_path: Path) -> None:
    """Made by the command as users run it; the token itself is not in the link."""
    with running(tmp_path) as site:
        made = CliRunner().invoke(app, ["open", "--state-dir", str(tmp_path), "--no-browser"])
        link = made.output.strip()
        assert link.startswith(f"{site.server.url}#sign-in=")
        assert site.server.local.token not in link
        code = link.partition("#sign-in=")[2]
        with site.client() as page:
            assert page.post("/api/v1/session", json={"token": code}).json() == {"name": "local", "role": "admin"}
            assert page.get("/api/v1/audit").status_code == 200
        with site.client() as late:
            assert late.post("/api/v1/session", json={"token": code}).status_code == 401
            assert late.get("/api/v1/sources").status_code == 401


def test_a_link_gives_no_more_than_its_maker_has_and_ends_with_its_token(tmp_path: Path) -> None:
    with running(tmp_path) as site:
        token = site.tokens.create("tablet", Role.VIEWER)
        with httpx.Client(base_url=site.url, headers={"authorization": f"Bearer {token}"}) as tablet:
            codes = [tablet.post("/api/v1/session/invitation").json()["code"] for _ in range(2)]
        with site.client() as phone:
            assert phone.post("/api/v1/session", json={"token": codes[0]}).json()["role"] == "viewer"
            site.tokens.revoke("tablet")
            assert phone.get("/api/v1/sources").status_code == 401
            assert phone.post("/api/v1/session", json={"token": codes[1]}).status_code == 401


def test_an_invitation_expires_and_is_bounded_in_number() -> None:
    now = [0.0]
    sessions = Sessions(clock=lambda: now[0])
    first, second = sessions.invite("a"), sessions.invite("b")
    now[0] = INVITATION_SECONDS
    assert sessions.accept(second) is None
    codes = [sessions.invite(str(number)) for number in range(100)]
    assert [sessions.accept(first), sessions.accept(codes[0]), sessions.accept(codes[-1])] == [None, None, "99"]


def test_visage_open_says_why_it_can_not(tmp_path: Path) -> None:
    absent = CliRunner().invoke(app, ["open", "--state-dir", str(tmp_path), "--no-browser"])
    assert isinstance(absent.exception, LocalAccessError)
    assert "is the daemon running?" in str(absent.exception)
    LocalAccess(tmp_path / "local.json").publish("http://127.0.0.1:9/")
    gone = CliRunner().invoke(app, ["open", "--state-dir", str(tmp_path), "--no-browser"])
    assert "is it running?" in str(gone.exception)
    assert "visage_local_" not in str(gone.exception)
