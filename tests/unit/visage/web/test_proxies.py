"""A reverse proxy in front of the daemon: real nginx with the configurations that people write."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.servers.nginx import nginx_in_front, nginx_missing
from tests.unit.visage.web.doubles import jpeg
from tests.unit.visage.web.serving import running
from tests.unit.visage.web.test_security import ROUTES, status_of
from visage.web import WebSettings
from visage.web.auth import COOKIE
from visage.web.ports import PeopleFilter
from visage.web.tokens import Role

MISSING = nginx_missing()

needs_nginx = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
HEADERS = (
    "proxy_set_header Host $host:$server_port; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    "proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Forwarded-Prefix /faces;"
)


@needs_nginx
def test_a_bare_proxy_makes_nobody_an_admin(tmp_path: Path) -> None:
    """It sends Host: 127.0.0.1:PORT from 127.0.0.1, with no word of who asks; there are no tokens."""
    with running(tmp_path, burst=10_000) as site:
        with site.local() as local:
            sent = {"data": {"name": "Ada"}, "files": {"pictures": ("a", jpeg())}}
            ada = local.post("/api/v1/people", **sent).json()["person_id"]  # type: ignore[arg-type]
        with (
            nginx_in_front(tmp_path / "nginx", f"location / {{ proxy_pass {site.url}; }}") as url,
            httpx.Client(base_url=url) as stranger,
        ):
            assert stranger.delete(f"/api/v1/people/{ada}").status_code == 401
            for (method, template), (least, sent) in ROUTES.items():
                path = template.replace("{source_id}", "door").replace("{person_id}", ada).replace("{unknown_id}", "u1")
                if least is not None:
                    assert status_of(stranger, method, path, sent) == 401, f"{method} {path}"
            assert stranger.get("/healthz").text == "ok\n"
            assert "visage open" in stranger.get("/js/session.js").text
        assert [person.person_id for person in site.people.people(PeopleFilter()).people] == [ada]


@needs_nginx
def test_a_page_behind_a_bare_proxy_signs_in_with_a_token(tmp_path: Path) -> None:
    """The proxy's Host is not the browser's: what the browser says of the site counts then."""
    with running(tmp_path) as site:
        token = site.tokens.create("tablet", Role.ADMIN)
        with (
            nginx_in_front(tmp_path / "nginx", f"location / {{ proxy_pass {site.url}; }}") as url,
            httpx.Client(base_url=url, headers={"origin": url, "sec-fetch-site": "same-origin"}) as page,
        ):
            assert page.post("/api/v1/session", json={"token": token}).status_code == 200
            assert page.post("/api/v1/reload").status_code == 204
            assert page.post("/api/v1/reload", headers={"sec-fetch-site": "cross-site"}).status_code == 403


@needs_nginx
@pytest.mark.parametrize("target", ["", "/"], ids=["passes the prefix on", "cuts the prefix off"])
def test_the_page_works_below_a_path(tmp_path: Path, target: str) -> None:
    """Every file that the page names is there, whichever way the proxy is written; so are its API and its cookie."""
    with running(tmp_path, root_path="/visage") as site:
        origin = site.server.url.removesuffix("/visage/")
        locations = f"location /visage/ {{ proxy_pass {origin}{target}; }}"
        with nginx_in_front(tmp_path / "nginx", locations) as url, httpx.Client(base_url=url) as page:
            index = page.get("/visage/")
            assert index.status_code == 200
            for name in ("css/theme.css", "js/main.js", "icon.svg"):
                assert f'"{name}"' in index.text
                assert page.get(f"/visage/{name}").status_code == 200
            signed_in = page.post("/visage/api/v1/session", json={"token": site.server.local.token})
            assert signed_in.status_code == 200
            assert "path=/visage/;" in signed_in.headers["set-cookie"].lower()
            assert page.get("/visage/api/v1/sources").status_code == 200
            assert page.get("/visage/nothing").status_code == 404


@needs_nginx
def test_a_trusted_proxy_names_the_client_and_the_prefix(tmp_path: Path) -> None:
    """Behind it every client has a rate of its own, and what a stranger wrote into the headers means nothing."""
    with running(tmp_path, trusted_proxies=["127.0.0.1"]) as site:
        token = site.tokens.create("tablet", Role.ADMIN)
        locations = f"location /faces/ {{ proxy_pass {site.url}/; {HEADERS} }}"
        with nginx_in_front(tmp_path / "nginx", locations) as url, httpx.Client(base_url=f"{url}/faces") as page:
            answer = page.post("/api/v1/session", json={"token": token}, headers={"x-forwarded-for": "203.0.113.7"})
            cookie = answer.headers["set-cookie"].lower()
            assert "path=/faces/;" in cookie
            assert "secure" in cookie
        (entry,) = (json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines())
    # nginx appended 127.0.0.1, a proxy of ours, to what the caller wrote.
    assert entry["client"] == "203.0.113.7"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        ([], "203.0.113.7", "127.0.0.1"),
        (["10.0.0.0/8"], "203.0.113.7", "127.0.0.1"),
        (["127.0.0.1"], "203.0.113.7", "203.0.113.7"),
        (["127.0.0.1"], "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        (["127.0.0.1", "10.0.0.0/8"], "198.51.100.1, 203.0.113.7, 10.0.0.4", "203.0.113.7"),
        (["127.0.0.1"], "nonsense", "127.0.0.1"),
        (["127.0.0.1"], "203.0.113.7, nonsense", "127.0.0.1"),
    ],
)
def test_only_what_a_trusted_proxy_wrote_is_believed(
    tmp_path: Path, proxies: list[str], forwarded: str, client: str
) -> None:
    headers = {"x-forwarded-for": forwarded, "x-forwarded-proto": "https", "x-forwarded-prefix": "/x"}
    with running(tmp_path, trusted_proxies=proxies) as site, site.local() as local:
        answer = local.post("/api/v1/session", json={"token": site.server.local.token}, headers=headers)
        is_trusted = "127.0.0.1" in proxies
        assert (f"{COOKIE}=" in answer.headers["set-cookie"], answer.status_code) == (True, 200)
        assert ("secure" in answer.headers["set-cookie"].lower()) == is_trusted
        assert ("path=/x/;" in answer.headers["set-cookie"].lower()) == is_trusted
        (entry,) = (json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines())
    assert entry["client"] == client


@pytest.mark.parametrize("prefix", ["/", "visage", "/visage/", "//evil.example", "/a/../b", "/a b", "/a\n"])
def test_a_root_path_is_a_plain_path(prefix: str) -> None:
    with pytest.raises(ValueError, match="root_path"):
        WebSettings(root_path=prefix)
