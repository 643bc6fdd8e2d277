"""The real gallery and networks behind the API: people enrolled, found, named, merged and forgotten over HTTP."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import httpx
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from stages.tracks.summary import TrackSummary
from tests.media import Media
from tests.unit.visage.web.doubles import MemoryService, jpeg
from tests.unit.visage.web.serving import local_headers, serving
from visage.config import Settings
from visage.models import ModelStore
from visage.people import FaceReader, Gallery, SightingRecorder, open_gallery
from visage.web import WebParts, WebServer, WebSettings
from visage.web.gallery_people import GalleryPeople
from visage.web.live import LiveHub

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reader(models: ModelStore) -> Iterator[FaceReader]:
    with FaceReader(Settings(model_dir=models.model_dir, threads=2)) as reader:
        yield reader


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with open_gallery(tmp_path / "gallery") as gallery:
        gallery.keeps_crops = True
        yield gallery


@pytest.fixture
def client(gallery: Gallery, reader: FaceReader, tmp_path: Path) -> Iterator[httpx.Client]:
    settings = WebSettings(port=0, token_file=tmp_path / "tokens", audit_file=tmp_path / "audit")
    people = GalleryPeople(gallery, lambda: reader)
    server = WebServer(settings, WebParts(service=MemoryService(), live=LiveHub(settings), people=people))
    with serving(server), httpx.Client(base_url=server.url, headers=local_headers(server), timeout=30) as client:
        yield client


def photograph(media: Media, name: str) -> tuple[str, bytes]:
    return name, media.path(name).read_bytes()


def see(gallery: Gallery, reader: FaceReader, path: Path, *, times: int = 4) -> None:
    """Sightings of whom a photograph shows, as the pipeline records them."""
    face = reader.read(path)[0]
    recorder = SightingRecorder(gallery)
    for number in range(times):
        track = TrackSummary(
            source_id="door",
            track_id=number + 1,
            first_frame=0,
            last_frame=100,
            start_seconds=0.0,
            end_seconds=10.0,
            frames=101,
            best_frame=5,
            best_seconds=0.5,
            best_box_xyxy=face.box_xyxy,
            best_landmarks=None,
            best_quality=0.9,
            embedding=face.embedding,
            embeddings=3,
            started_at=time.time() - 100 * number,
        )
        assert recorder.record(track, uri="rtsp://camera", crop=face.crop)
    recorder.close()


def test_a_person_is_enrolled_found_and_forgotten(
    client: httpx.Client, gallery: Gallery, reader: FaceReader, media: Media
) -> None:
    enrolled = client.post(
        "/api/v1/people", data={"name": "Ada"}, files={"pictures": photograph(media, "obama.jpg")}
    ).json()
    assert enrolled["has_portrait"]
    path = f"/api/v1/people/{enrolled['person_id']}"
    portrait = client.get(f"{path}/portrait")
    assert cv2.imdecode(np.frombuffer(portrait.content, np.uint8), cv2.IMREAD_COLOR) is not None
    see(gallery, reader, media.path("obama3.jpg"))
    other = photograph(media, "obama2.jpg")
    (best, *_) = client.post("/api/v1/search", files={"picture": other}).json()
    assert best["sighting"]["name"] == "Ada"
    assert best["similarity"] > gallery.threshold
    assert client.get("/api/v1/sightings", params={"person_id": enrolled["person_id"], "source": "d*"}).json()
    assert client.delete(path).json() == {"pictures": 1, "sightings": 4, "vectors": 5, "crops": 5}
    assert client.post("/api/v1/search", files={"picture": other}).json() == []
    assert client.get(path).status_code == 404


def test_a_refused_picture_leaves_no_person(client: httpx.Client, media: Media) -> None:
    twice = [("pictures", photograph(media, "obama.jpg"))] * 2
    answer = client.post("/api/v1/people", data={"name": "Ada"}, files=twice)
    assert answer.status_code == 422
    assert "has this picture already" in answer.json()["error"]
    assert client.get("/api/v1/people").json() == []


def test_an_unknown_is_named_and_two_people_are_merged(
    client: httpx.Client, gallery: Gallery, reader: FaceReader, media: Media
) -> None:
    see(gallery, reader, media.path("biden.jpg"))
    (unknown,) = client.get("/api/v1/unknowns").json()
    assert (unknown["sightings"], unknown["sources"], unknown["has_portrait"]) == (4, ["door"], True)
    named = client.post(f"/api/v1/unknowns/{unknown['unknown_id']}/name", json={"name": "Alan"}).json()
    assert (named["name"], named["sightings"]) == ("Alan", 4)
    other = client.post(
        "/api/v1/people", data={"name": "A."}, files={"pictures": photograph(media, "biden.jpg")}
    ).json()
    path = f"/api/v1/people/{named['person_id']}"
    assert client.patch(path, json={"name": "A."}).status_code == 409
    assert client.post(f"{path}/merge", json={"merged_id": named["person_id"]}).status_code == 409
    assert client.post(f"{path}/merge", json={"merged_id": other["person_id"]}).json()["name"] == "Alan"
    assert [person["name"] for person in client.get("/api/v1/people").json()] == ["Alan"]


def test_a_phone_s_photograph_is_enrolled_and_one_that_unfolds_is_refused(client: httpx.Client, media: Media) -> None:
    pillow_heif.register_heif_opener()
    heic, large = io.BytesIO(), io.BytesIO()
    with Image.open(media.path("obama.jpg")) as image:
        image.save(heic, "HEIF", tile_size=512)
    Image.new("L", (9000, 9000)).save(large, "TIFF", compression="tiff_lzw")
    enrolled = client.post("/api/v1/people", data={"name": "Ada"}, files={"pictures": ("a.heic", heic.getvalue())})
    assert enrolled.json()["pictures"] == 1
    answer = client.post("/api/v1/search", files={"picture": ("x.tif", large.getvalue())})
    assert (answer.status_code, "9000x9000; at most 50 megapixels" in answer.text) == (422, True)
    assert client.post("/api/v1/search", files={"picture": photograph(media, "obama2.jpg")}).status_code == 200


def test_a_picture_that_shows_nobody_or_several_is_refused_with_what_to_do(client: httpx.Client, media: Media) -> None:
    several = media.path("multi_face.jpg").read_bytes()
    cases = [
        (jpeg(200, 200), "no face found"),
        (several, "5 faces found; crop the picture"),
        (several[:3000], "picture"),
    ]
    for data, words in cases:
        answer = client.post("/api/v1/search", files={"picture": ("x.jpg", data)})
        assert answer.status_code == 422, answer.text
        assert words in answer.json()["error"]
        assert "/proc" not in answer.text
    assert client.get("/api/v1/people").json() == []


@pytest.mark.parametrize("number", ["99", "9" * 30])
def test_nobody_is_not_found(client: httpx.Client, number: str) -> None:
    """Also by a number that no database could hold."""
    person = f"/api/v1/people/p{number}"
    for method, path in (("GET", ""), ("GET", "/portrait"), ("DELETE", "")):
        assert client.request(method, person + path).status_code == 404
    assert client.patch(person, json={"name": "x"}).status_code == 404
    assert client.post(f"{person}/merge", json={"merged_id": f"p{number}1"}).status_code == 404
    assert client.post(f"/api/v1/unknowns/u{number}/name", json={"name": "x"}).status_code == 404
    assert client.get(f"/api/v1/unknowns/u{number}/portrait").status_code == 404
    assert client.get("/api/v1/sightings", params={"person_id": f"p{number}"}).status_code == 404
