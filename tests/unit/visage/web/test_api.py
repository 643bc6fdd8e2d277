"""The API's routes over real HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.visage.web.doubles import NOON, jpeg
from tests.unit.visage.web.serving import Running, running
from visage.web.ports import Readiness


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Running]:
    rules = {"hosts": ["camera.example"], "networks": ["192.168.1.0/24"]}
    with running(tmp_path, add_source=rules) as state:
        yield state


@pytest.fixture
def client(site: Running) -> Iterator[httpx.Client]:
    with site.local() as client:
        yield client


@pytest.mark.smoke
def test_health_and_readiness_follow_the_service(site: Running, client: httpx.Client) -> None:
    assert client.get("/readyz").status_code == 200
    site.service.ready = Readiness(False, "the detector is being built")
    assert client.get("/readyz").status_code == 503
    assert client.get("/readyz").json() == {"ready": False}
    assert client.get("/api/v1/status").json()["reason"] == "the detector is being built"


def test_a_source_is_added_paused_resumed_and_removed(site: Running, client: httpx.Client) -> None:
    answer = client.post("/api/v1/sources", json={"uri": "rtsp://u:secret@camera.example/main"})
    assert answer.status_code == 201
    assert answer.json()["source_id"] == "camera.example-main"
    assert site.service.added[0].uri == "rtsp://u:secret@camera.example/main"
    assert site.service.added[0].is_live
    path = "/api/v1/sources/camera.example-main"
    assert client.post(f"{path}/pause").json()["state"] == "paused"
    assert client.get(path).json()["state"] == "paused"
    assert client.post(f"{path}/resume").json()["state"] == "running"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert [source["source_id"] for source in client.get("/api/v1/sources").json()] == ["door"]


def test_a_password_in_a_path_is_no_part_of_a_name(client: httpx.Client) -> None:
    uri = "rtsp://camera.example/user=ada&password=s3cret&channel=1"
    answer = client.post("/api/v1/sources", json={"uri": uri})
    assert answer.json()["source_id"] == "camera.example-user_ada_password_channel_1"
    assert "s3cret" not in answer.text


def test_a_taken_name_is_a_conflict(client: httpx.Client) -> None:
    answer = client.post("/api/v1/sources", json={"uri": "rtsp://192.168.1.9/x", "source_id": "door"})
    assert answer.status_code == 409
    assert "door" in answer.json()["error"]


def test_what_is_not_there_is_not_found(client: httpx.Client) -> None:
    for method, path in [
        ("POST", "/api/v1/sources/nobody/pause"),
        ("DELETE", "/api/v1/sources/nobody"),
        ("GET", "/api/v1/people/nobody"),
        ("GET", "/api/v1/people/nobody/portrait"),
        ("DELETE", "/api/v1/people/nobody"),
        ("GET", "/api/v1/sources/nobody/snapshot.jpg"),
        ("GET", "/api/v1/sources/nobody/live.mjpg"),
        ("GET", "/api/v1/nothing"),
    ]:
        answer = client.request(method, path)
        assert (answer.status_code, list(answer.json())) == (404, ["error"]), path


@pytest.mark.smoke
def test_people_are_enrolled_renamed_merged_and_forgotten(client: httpx.Client) -> None:
    files = [("pictures", ("one.jpg", jpeg(shade=90))), ("pictures", ("two.jpg", jpeg(shade=95)))]
    ada = client.post("/api/v1/people", data={"name": "Ada"}, files=files)
    assert ada.status_code == 201
    assert ada.json()["pictures"] == 2
    other = client.post("/api/v1/people", data={"name": "A. L."}, files=files[:1]).json()
    path = f"/api/v1/people/{ada.json()['person_id']}"
    assert client.patch(path, json={"name": "A. L."}).status_code == 409
    assert client.patch(path, json={"name": "Ada Lovelace"}).json()["name"] == "Ada Lovelace"
    assert client.post(f"{path}/merge", json={"merged_id": other["person_id"]}).json()["pictures"] == 3
    assert [person["name"] for person in client.get("/api/v1/people").json()] == ["Ada Lovelace"]
    assert client.delete(path).json() == {"pictures": 3, "sightings": 0}
    assert client.get("/api/v1/people").json() == []


def test_a_picture_without_a_face_is_refused_with_the_reason(client: httpx.Client) -> None:
    for data, words in [(jpeg(shade=0), "no face"), (b"GIF89a...", "not a JPEG, PNG, WebP")]:
        answer = client.post("/api/v1/people", data={"name": "Ada"}, files=[("pictures", ("x", data))])
        assert answer.status_code == 422
        assert words in answer.json()["error"]


def test_an_unknown_gets_a_name(site: Running, client: httpx.Client) -> None:
    site.people.see("Unknown 17", "door", 90, unknown=True)
    site.people.keep_portrait("Unknown 17", jpeg(shade=90))
    unknown = client.get("/api/v1/unknowns").json()[0]
    assert (unknown["label"], unknown["sightings"], unknown["sources"]) == ("Unknown 17", 1, ["door"])
    portrait = client.get(f"/api/v1/unknowns/{unknown['unknown_id']}/portrait")
    assert portrait.headers["content-type"] == "image/jpeg"
    named = client.post(f"/api/v1/unknowns/{unknown['unknown_id']}/name", json={"name": "Grace"})
    assert named.json()["name"] == "Grace"
    assert client.get("/api/v1/unknowns").json() == []


def test_sightings_are_filtered_and_searched(site: Running, client: httpx.Client) -> None:
    site.people.see("Ada", "door", 90, minutes_ago=5)
    site.people.see("Grace", "yard", 200, minutes_ago=1)
    names = [sighting["name"] for sighting in client.get("/api/v1/sightings").json()]
    assert names == ["Grace", "Ada"]
    assert [row["name"] for row in client.get("/api/v1/sightings", params={"source": "d*"}).json()] == ["Ada"]
    answer = client.post("/api/v1/search", files={"picture": ("face.jpg", jpeg(shade=90))}, params={"limit": 1})
    assert [match["sighting"]["name"] for match in answer.json()] == ["Ada"]
    assert answer.json()[0]["similarity"] > 0.99


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00", "9999-12-31T23:59:59+00:00", "yesterday"])
def test_a_time_off_the_calendar_is_refused(client: httpx.Client, moment: str) -> None:
    answer = client.get("/api/v1/sightings", params={"since": moment})
    assert (answer.status_code, answer.json()["error"].partition(":")[0]) == (422, "since")


@pytest.mark.parametrize("name", ["", " Ada", "A\0da", "A\nda", "\x1b[31mAda"])
def test_a_name_is_one_line_of_text(client: httpx.Client, name: str) -> None:
    assert client.patch("/api/v1/people/p1", json={"name": name}).status_code == 422


def test_without_a_gallery_people_are_unavailable_and_the_rest_works(tmp_path: Path) -> None:
    with running(tmp_path, with_people=False) as site, site.local() as client:
        assert client.get("/api/v1/people").status_code == 503
        assert "gallery" in client.get("/api/v1/people").json()["error"]
        assert client.get("/api/v1/status").json()["has_gallery"] is False


def test_events_are_remembered(site: Running, client: httpx.Client) -> None:
    for number in range(3):
        site.service.happen(f"e{number}", "track_started", NOON, "door", {"track": {"id": number}})
    recent = client.get("/api/v1/events/recent", params={"limit": 2}).json()
    assert [event["id"] for event in recent] == ["e2", "e1"]
    assert recent[0]["track"] == {"id": 2}


@pytest.mark.smoke
def test_the_api_is_documented_with_examples(client: httpx.Client) -> None:
    document = client.get("/api/openapi.json").json()
    paths = document["paths"]
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert {"/api/v1/sources", "/api/v1/people", "/api/v1/search", "/api/v1/events"} <= paths.keys()
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path} has no description"
            assert operation.get("tags"), f"{method} {path} belongs nowhere"
    without = [
        name
        for name, schema in document["components"]["schemas"].items()
        if "Record" in name and "example" not in json.dumps(schema)
    ]
    assert not without


def test_reload_reaches_the_service(site: Running, client: httpx.Client) -> None:
    assert client.post("/api/v1/reload").status_code == 204
    assert site.service.reloads == 1


@pytest.mark.parametrize("name", [".", "..", ".door", "..."])
def test_a_source_is_not_named_by_a_path(client: httpx.Client, name: str) -> None:
    """Browsers and proxies take such a part out of an address, so that the source could not be reached."""
    sent = {"uri": "rtsp://camera.example/main", "source_id": name}
    assert client.post("/api/v1/sources", json=sent).status_code == 422


def test_an_id_has_one_spelling(client: httpx.Client) -> None:
    person = client.post("/api/v1/people", data={"name": "Ada"}, files={"pictures": ("a", jpeg())}).json()["person_id"]
    alias = f"p000{person[1:]}"
    assert client.get(f"/api/v1/people/{person}").status_code == 200
    assert client.get(f"/api/v1/people/{alias}").status_code == 404
    assert client.delete(f"/api/v1/people/{alias}").status_code == 404
    assert client.get("/api/v1/sightings", params={"person_id": alias}).status_code == 422
    assert client.post(f"/api/v1/people/{person}/merge", json={"merged_id": alias}).status_code == 422
    assert alias not in client.get("/api/v1/audit").text


def test_a_scheme_is_opened_in_lower_case(site: Running, client: httpx.Client) -> None:
    sent = {"uri": "RTSP://User:pAss@camera.example/Main", "source_id": "gate"}
    assert client.post("/api/v1/sources", json=sent).status_code == 201
    assert site.service.added[-1].uri == "rtsp://User:pAss@camera.example/Main"


def test_generated_clients_can_upload_and_call_operations_by_name(client: httpx.Client) -> None:
    """They know files by `format: binary`, and make names of operation ids and of the bodies' titles."""
    document = client.get("/api/openapi.json").json()
    paths = {path: described for path, described in document["paths"].items() if path.startswith("/api/")}
    operations = [operation for described in paths.values() for operation in described.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    assert [name for name in ids if "api" in name or not re.fullmatch("[a-z_]+", name)] == []
    assert {"list_people", "add_person", "search_faces", "person_portrait", "snapshot"} <= set(ids)
    schemas = document["components"]["schemas"]
    assert schemas["Body_add_person"]["properties"]["pictures"]["items"]["format"] == "binary"
    assert schemas["Body_search_faces"]["properties"]["picture"]["format"] == "binary"
    refusals = {
        str(operation["responses"]["422"]["content"]) for operation in operations if "422" in operation["responses"]
    }
    assert refusals == {str({"application/json": {"schema": {"$ref": "#/components/schemas/ErrorRecord"}}})}
