"""A token of one camera, in an address: its pictures, and nothing else."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from tests.unit.visage.web.serving import Running, running
from tests.unit.visage.web.test_security import ROUTES, status_of
from visage.cli.token import app
from visage.web.tokens import Role

SNAPSHOT = "/api/v1/sources/door/snapshot.jpg"


def make(site: Running, *options: str) -> str:
    """A token, from the command as users run it."""
    made = CliRunner().invoke(app, ["create", "display", *options, "--tokens", str(site.tokens.path)])
    assert made.exit_code == 0, made.output
    return made.output.strip()


def stream(client: httpx.Client, token: str) -> int:
    return status_of(client, "GET", f"/api/v1/sources/door/live.mjpg?token={token}", {})


def test_a_link_shows_one_cameras_pictures_until_it_is_revoked(tmp_path: Path) -> None:
    with running(tmp_path) as site, site.client() as display:
        token = make(site, "--source", "door")
        assert "pictures of door only" in CliRunner().invoke(app, ["list", "--tokens", str(site.tokens.path)]).output
        assert stream(display, token) == 200
        assert display.get(f"{SNAPSHOT}?token={token}x").status_code == 401
        assert display.get(f"/api/v1/sources/yard/snapshot.jpg?token={token}").status_code == 403
        site.tokens.revoke("display")
        assert display.get(f"{SNAPSHOT}?token={token}").status_code == 401


@pytest.mark.parametrize("way", ["address", "header", "session"])
def test_a_link_opens_nothing_else(tmp_path: Path, way: str) -> None:
    """By whichever way the token comes; the session it would begin is worth no more."""
    with running(tmp_path, burst=10_000) as site, site.client() as display:
        token = make(site, "--source", "door")
        if way == "header":
            display.headers["authorization"] = f"Bearer {token}"
        if way == "session":
            display.post("/api/v1/session", json={"token": token})
        for (method, template), (least, sent) in ROUTES.items():
            path = template.replace("{source_id}", "yard").replace("{person_id}", "p0").replace("{unknown_id}", "u0")
            if least is not None:
                asked = f"{path}?token={token}" if way == "address" else path
                assert status_of(display, method, asked, sent) == 403, f"{method} {path}"


def test_no_other_token_works_in_an_address(tmp_path: Path) -> None:
    with running(tmp_path) as site, site.client() as display:
        for token in (site.tokens.create("tablet", Role.ADMIN), site.server.local.token):
            assert stream(display, token) == 401
        refused = CliRunner().invoke(
            app, ["create", "x", "--source", "door", "--role", "admin", "--tokens", str(site.tokens.path)]
        )
        assert refused.exit_code == 2
