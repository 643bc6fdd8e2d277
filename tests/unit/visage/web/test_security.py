"""What the daemon must not do for a stranger, over real HTTP."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.visage.web.doubles import jpeg
from tests.unit.visage.web.serving import Running, running
from visage.config import Settings
from visage.web import WebParts, WebServer, WebSettings
from visage.web.auth import COOKIE
from visage.web.errors import BindRefused
from visage.web.guard import CONTENT_SECURITY_POLICY
from visage.web.live import LiveHub
from visage.web.records import SourceRecord
from visage.web.tokens import Role

SECRET = "hunter2secret"
JSON = {"content-type": "application/json"}

# Every route, its least role, and what to send. A route that is not here fails the test below.
ROUTES: dict[tuple[str, str], tuple[Role | None, dict[str, object]]] = {
    ("GET", "/healthz"): (None, {}),
    ("GET", "/readyz"): (None, {}),
    ("GET", "/metrics"): (Role.VIEWER, {}),
    ("GET", "/api/v1/session"): (Role.VIEWER, {}),
    ("POST", "/api/v1/session"): (None, {"json": {"token": "visage_x_y"}}),
    ("DELETE", "/api/v1/session"): (None, {}),
    ("POST", "/api/v1/session/invitation"): (Role.VIEWER, {}),
    ("GET", "/api/v1/sources"): (Role.VIEWER, {}),
    ("GET", "/api/v1/sources/{source_id}"): (Role.VIEWER, {}),
    ("POST", "/api/v1/sources"): (Role.OPERATOR, {"json": {"uri": "rtsp://camera.example/x"}}),
    ("POST", "/api/v1/sources/{source_id}/pause"): (Role.OPERATOR, {}),
    ("POST", "/api/v1/sources/{source_id}/resume"): (Role.OPERATOR, {}),
    ("DELETE", "/api/v1/sources/{source_id}"): (Role.OPERATOR, {}),
    ("GET", "/api/v1/people"): (Role.VIEWER, {}),
    ("POST", "/api/v1/people"): (Role.OPERATOR, {"data": {"name": "Ada"}, "files": {"pictures": ("a", jpeg())}}),
    ("GET", "/api/v1/people/{person_id}"): (Role.VIEWER, {}),
    ("GET", "/api/v1/people/{person_id}/portrait"): (Role.VIEWER, {}),
    ("PATCH", "/api/v1/people/{person_id}"): (Role.OPERATOR, {"json": {"name": "Ada"}}),
    ("POST", "/api/v1/people/{person_id}/merge"): (Role.OPERATOR, {"json": {"merged_id": "p2"}}),
    ("DELETE", "/api/v1/people/{person_id}"): (Role.ADMIN, {}),
    ("GET", "/api/v1/unknowns"): (Role.VIEWER, {}),
    ("GET", "/api/v1/unknowns/{unknown_id}/portrait"): (Role.VIEWER, {}),
    ("POST", "/api/v1/unknowns/{unknown_id}/name"): (Role.OPERATOR, {"json": {"name": "Ada"}}),
    ("GET", "/api/v1/sightings"): (Role.VIEWER, {}),
    ("POST", "/api/v1/search"): (Role.VIEWER, {"files": {"picture": ("a", jpeg())}}),
    ("GET", "/api/v1/events"): (Role.VIEWER, {}),
    ("GET", "/api/v1/events/recent"): (Role.VIEWER, {}),
    ("GET", "/api/v1/sources/{source_id}/snapshot.jpg"): (Role.VIEWER, {}),
    ("GET", "/api/v1/sources/{source_id}/live.mjpg"): (Role.VIEWER, {}),
    ("GET", "/api/v1/live"): (Role.VIEWER, {}),
    ("GET", "/api/v1/status"): (Role.VIEWER, {}),
    ("GET", "/api/v1/throughput"): (Role.VIEWER, {}),
    ("POST", "/api/v1/reload"): (Role.ADMIN, {}),
    ("GET", "/api/v1/audit"): (Role.ADMIN, {}),
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"")
    rules = {"hosts": ["camera.example"], "folders": [str(tmp_path / "clips")]}
    with running(tmp_path, add_source=rules, burst=10_000) as state:
        yield state


def status_of(client: httpx.Client, method: str, path: str, sent: dict[str, object]) -> int:
    """Only the head of the answer is read: some of them never end."""
    with client.stream(method, path, **sent) as answer:  # type: ignore[arg-type]
        return answer.status_code


def test_every_route_asks_for_its_role(site: Running) -> None:
    """For each route: nobody without a token, no lesser role, and the role itself is let in."""
    with site.client() as client:
        paths = client.get("/api/openapi.json").json()["paths"]
    documented = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert documented == ROUTES.keys()
    with (
        site.client(Role.VIEWER) as viewer,
        site.client(Role.OPERATOR) as operator,
        site.client(Role.ADMIN) as admin,
        site.client() as nobody,
    ):
        clients = {Role.VIEWER: viewer, Role.OPERATOR: operator, Role.ADMIN: admin}
        for (method, template), (least, sent) in ROUTES.items():
            # What is not there: a role that suffices gets 404, so that nothing is changed by the test.
            path = template.replace("{source_id}", "nobody").replace("{person_id}", "p0").replace("{unknown_id}", "u0")
            if least is None:
                continue
            assert status_of(nobody, method, path, sent) == 401, f"{method} {path} without a token"
            for role, client in clients.items():
                status = status_of(client, method, path, sent)
                assert (status == 403) == (role < least), f"{method} {path} as {role.label}: {status}"
                assert status != 401


def test_a_wrong_revoked_or_shortened_token_is_refused(site: Running) -> None:
    token = site.tokens.create("tablet", Role.VIEWER)
    with site.client() as client:
        for presented in ("x", "visage__", token[:-1], token + "x", token.upper(), f"visage_{'0' * 8}_{'a' * 43}"):
            answer = client.get("/api/v1/sources", headers={"authorization": f"Bearer {presented}"})
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert client.get("/api/v1/sources", headers={"authorization": f"Bearer {token}"}).status_code == 200
        half = json.dumps({"token": f"{token}\ud800"})  # of a surrogate pair: no bytes stand for it
        assert client.post("/api/v1/session", content=half, headers=JSON).status_code == 401
        site.tokens.revoke("tablet")
        assert client.get("/api/v1/sources", headers={"authorization": f"Bearer {token}"}).status_code == 401
        assert client.get("/api/v1/sources").status_code == 401  # the last one is gone: nobody comes in


def test_guessing_tokens_is_slowed_down(site: Running) -> None:
    site.tokens.create("somebody", Role.VIEWER)
    with site.client() as client:
        statuses = [
            client.get("/api/v1/sources", headers={"authorization": "Bearer visage_a_b"}).status_code for _ in range(12)
        ]
    assert statuses[:10] == [401] * 10
    assert statuses[10:] == [429] * 2


def test_wrong_tokens_hold_up_no_valid_one_at_the_same_address(tmp_path: Path) -> None:
    """As behind a proxy, where a display with an old token would lock everyone out: tokens, sessions and sign-ins."""
    with running(tmp_path, requests_per_second=0.5, burst=40) as site, site.client() as wrong:
        valid = site.tokens.create("tablet", Role.VIEWER)
        with site.client(Role.VIEWER) as tablet:
            answers = [wrong.get("/api/v1/sources", headers={"authorization": "Bearer visage_a_b"}) for _ in range(50)]
            assert {answer.status_code for answer in answers} == {401, 429}
            for answer in answers:
                assert (answer.status_code == 429) == ("retry-after" in answer.headers)
            assert 1 <= int(answers[15].headers["retry-after"]) <= 6
            assert [tablet.get("/api/v1/sources").status_code for _ in range(30)] == [200] * 30
        with site.client() as page:  # whose address has no request left
            assert page.post("/api/v1/session", json={"token": valid}).status_code == 200
            assert page.get("/api/v1/sources").status_code == 200


def test_tokens_are_kept_as_hashes_in_a_private_file(site: Running) -> None:
    token = site.tokens.create("tablet", Role.OPERATOR)
    secret = token.split("_", 2)[2]
    assert secret not in site.tokens.path.read_text()
    assert stat.S_IMODE(os.stat(site.tokens.path).st_mode) == 0o600


def test_a_session_cookie_stands_for_the_token_and_ends_with_it(site: Running) -> None:
    token = site.tokens.create("tablet", Role.VIEWER)
    site.tokens.create("other", Role.ADMIN)
    with site.client() as client:
        answer = client.post("/api/v1/session", json={"token": token})
        assert answer.json() == {"name": "tablet", "role": "viewer"}
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert token.split("_", 2)[2] not in str(answer.headers) + answer.text
        assert client.get("/api/v1/sources").status_code == 200
        kept = client.cookies[COOKIE]
        client.delete("/api/v1/session")
        assert client.get("/api/v1/sources", headers={"cookie": f"{COOKIE}={kept}"}).status_code == 401
        client.post("/api/v1/session", json={"token": token})
        site.tokens.revoke("tablet")
        assert client.get("/api/v1/sources").status_code == 401


def test_another_sites_page_is_refused(site: Running) -> None:
    with site.local() as client:
        for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
            assert client.post("/api/v1/reload", headers=headers).status_code == 403
        assert client.get("/api/v1/sources", headers={"sec-fetch-site": "cross-site"}).status_code == 403
        # Its name made to point here: without tokens, the host name is what gives it away.
        assert client.get("/api/v1/sources", headers={"host": "evil.example"}).status_code == 421
        assert client.post("/api/v1/reload", headers={"origin": site.url}).status_code == 204


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "[::1"}, 421),
        ({"host": ""}, 421),
        ({"host": "127.0.0.1", "origin": "http://[bad"}, 403),
        ({"host": "127.0.0.1", "origin": "null"}, 403),
    ],
)
def test_headers_that_are_nonsense_are_refused(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    with running(tmp_path) as site:
        answer = httpx.post(f"{site.url}/api/v1/reload", headers=headers)
        assert (answer.status_code, site.service.reloads) == (status, 0)


def test_no_answer_leaves_the_folder_of_the_page(site: Running, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(SECRET)
    depth = "../" * 12
    with site.client() as client:
        for path in (
            f"/{depth}{tmp_path}/secret.txt",
            f"/{depth.replace('/', '%2f')}{tmp_path}/secret.txt",
            f"/%2e%2e/%2e%2e/{tmp_path}/tokens.json",
            "/..%5c..%5capp.py",
            "/../app.py",
            "/%00",
            f"/{tmp_path}/secret.txt",
            f"/api/v1/people/{depth.replace('/', '%2f')}etc%2fpasswd/portrait",
            "/api/v1/sources/..%2f..%2fetc/snapshot.jpg",
        ):
            request = httpx.Request("GET", site.url)
            request.url = httpx.URL(site.url).copy_with(raw_path=path.encode())
            answer = client.send(request)
            assert answer.status_code in (400, 404), path
            assert SECRET not in answer.text
            assert "root:" not in answer.text


@pytest.mark.parametrize(
    "uri",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "clips/a.mp4",
        "http://169.254.169.254/latest/meta-data/",
        "http://camera.example/x",
        "rtsp://127.0.0.1:554/x",
        "rtsp://localhost/x",
        "rtsp://[::1]/x",
        "rtsp://[::ffff:127.0.0.1]/x",
        "rtsp://2130706433/x",
        "rtsp://0x7f.1/x",
        "rtsp://127.1/x",
        "rtsp://camera.example:22/x",
        "rtsp://camera.example@127.0.0.1/x",
        "rtsp://a@b@camera.example/x",
        "rtsp://127.0.0.1\\@camera.example/x",
        "rtsp://evil.example/camera.example",
        "rtsp://camera.example.evil.example/x",
        "rtsp://camera.example%2eevil.example/x",
        "rtsp://camera.example/x\r\nHost: y",
        "concat:/etc/passwd",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "data:text/plain,x",
        "rtsp:/etc/passwd",
        "tcp://camera.example:554",
        "pipe:0",
        "-",
        "rtsp://[::1",
        pytest.param("/\ud800.mp4", id="no file name"),
        pytest.param("rtsp://camera.example/\ud800", id="no address"),
    ],
)
def test_nothing_is_opened_that_no_rule_allows(site: Running, uri: str) -> None:
    with site.local() as client:
        sent = json.dumps({"uri": uri, "source_id": "new"})  # httpx's own would not send half a surrogate pair
        answer = client.post("/api/v1/sources", content=sent, headers={"content-type": "application/json"})
    assert answer.status_code == 403
    assert uri not in answer.text
    assert site.service.added == []


def test_a_file_below_an_allowed_folder_is_opened_and_a_link_out_of_it_is_not(site: Running, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    (clips / "link.mp4").symlink_to("/etc/passwd")
    with site.local() as client:
        for path in (f"{clips}/link.mp4", f"{clips}/../tokens.json", f"{clips}/absent.mp4", f"{clips}-other/a.mp4"):
            assert client.post("/api/v1/sources", json={"uri": path}).status_code == 403
        assert client.post("/api/v1/sources", json={"uri": f"{clips}/a.mp4"}).status_code == 201
    assert site.service.added[0].uri == str(clips / "a.mp4")


def test_no_answer_and_no_log_holds_a_camera_password(site: Running, tmp_path: Path) -> None:
    with site.local() as client:
        sent = {"uri": f"rtsp://admin:{SECRET}@camera.example/main?token={SECRET}", "source_id": "gate"}
        answers = [client.post("/api/v1/sources", json=sent), client.post("/api/v1/sources", json=sent)]
        answers.append(client.post("/api/v1/sources", json={**sent, "uri": f"rtsp://x:{SECRET}@elsewhere/"}))
        answers.append(client.post("/api/v1/sources", json={**sent, "source_id": f"{SECRET} "}))
        answers += [client.get(path) for path in ("/api/v1/sources", "/api/v1/sources/gate", "/api/v1/audit")]
    assert [answer.status_code for answer in answers] == [201, 409, 403, 422, 200, 200, 200]
    for answer in answers:
        assert SECRET not in answer.text
        assert SECRET not in str(answer.headers)
    assert SECRET not in (tmp_path / "audit.jsonl").read_text()


def test_one_client_can_not_take_everything(tmp_path: Path) -> None:
    with running(tmp_path, requests_per_second=0.5, burst=5) as site, site.local() as client:
        answers = [client.get("/api/v1/sources") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200


def test_large_bodies_are_not_read(tmp_path: Path) -> None:
    """With and without a declared length; and a small file of very many pixels."""
    with running(tmp_path, upload_bytes=10_000) as site, site.local() as client:
        assert client.post("/api/v1/search", files={"picture": ("a", b"x" * 20_000)}).status_code == 413
        begin = b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'
        pieces = (begin if number == 0 else b"x" * 1000 for number in range(20))
        head = {"content-type": "multipart/form-data; boundary=b"}
        assert client.post("/api/v1/search", content=pieces, headers=head).status_code == 413
        bomb = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
        answer = client.post("/api/v1/search", files={"picture": ("a", bomb)})
        assert answer.status_code == 422
        assert "60000x60000" in answer.json()["error"]


def test_every_answer_has_the_headers_that_keep_the_page_alone(site: Running) -> None:
    with site.client() as client:
        for path in ("/", "/api/v1/sources", "/api/v1/nothing", "/nothing"):
            headers = client.get(path).headers
            assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert "server" not in headers
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_others_are_not_let_in_without_tokens(tmp_path: Path) -> None:
    settings = WebSettings(host="0.0.0.0", port=0, token_file=tmp_path / "tokens.json")
    with running(tmp_path) as site, pytest.raises(BindRefused, match=r"visage token create") as refusal:
        WebServer(settings, WebParts(service=site.service, live=LiveHub(settings)))
    assert "\n" not in str(refusal.value)


def test_a_bug_tells_a_stranger_nothing(site: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[SourceRecord]:
        raise RuntimeError(f"rtsp://admin:{SECRET}@camera")

    monkeypatch.setattr(site.service, "readiness", broken)
    with site.local() as client:
        answer = client.get("/api/v1/status")
    assert answer.status_code == 500
    assert SECRET not in answer.text


def test_who_looked_and_forgot_is_in_the_audit_log(site: Running, tmp_path: Path) -> None:
    with site.client(Role.OPERATOR) as operator:
        ada = operator.post("/api/v1/people", data={"name": "Ada"}, files={"pictures": ("a", jpeg())}).json()
        operator.post("/api/v1/search", files={"picture": ("a", jpeg())})
        operator.delete(f"/api/v1/people/{ada['person_id']}")
    with site.client(Role.ADMIN) as admin:
        admin.delete(f"/api/v1/people/{ada['person_id']}")
        admin.delete("/api/v1/people/p0")
        for who in ("Ada", "Somebody%20Else"):  # by id only: a name must not come into a log
            assert admin.get(f"/api/v1/people/{who}").status_code == 404
            assert admin.delete(f"/api/v1/people/{who}").status_code == 404
            assert (
                admin.get("/api/v1/sightings", params={"person_id": who}).status_code == 422
            )  # its subject stays empty
    entries = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    told = [(entry["action"], entry["subject"], entry["outcome"]) for entry in entries]
    assert told == [
        ("person.add", "", "begun"),
        ("person.add", ada["person_id"], "done"),
        ("search", "", "begun"),
        ("search", "", "done"),
        ("person.forget", ada["person_id"], "forbidden"),
        ("person.forget", ada["person_id"], "begun"),
        ("person.forget", ada["person_id"], "done"),
        ("person.forget", "p0", "begun"),
        ("person.forget", "p0", "failed: NotFound"),
        *[("sightings.look", "", outcome) for outcome in ("begun", "failed: RequestValidationError")] * 2,
    ]
    assert "Ada" not in (tmp_path / "audit.jsonl").read_text()
    assert entries[0]["who"].endswith("(operator)")
    assert stat.S_IMODE(os.stat(tmp_path / "audit.jsonl").st_mode) == 0o600


def test_settings_of_the_analysis_do_not_reach_the_api(site: Running) -> None:
    """The paths of this machine are nobody's business."""
    with site.local() as client:
        text = client.get("/api/v1/status").text + client.get("/api/openapi.json").text
    assert str(Settings().model_dir) not in text
    assert str(site.tokens.path) not in text
