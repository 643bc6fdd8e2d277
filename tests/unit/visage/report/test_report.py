"""The page as a file: everything inlined, nothing loaded, names escaped, bars where the sightings are."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unit.visage.people.scenes import add, gallery, near, person, track
from visage.people import SightingRecorder
from visage.report import write_report
from visage.report.report import Report, _colour

ADA, EVE = person(1), person(2)


def test_the_page_tells_who_when_and_with_whom(tmp_path: Path) -> None:
    with gallery(tmp_path / "people") as opened:
        opened.keeps_crops = True
        add(opened, "Ada <b>", ADA)
        recorder = SightingRecorder(opened)
        recorder.record(track(near(ADA, 1), 1, start=0.0, seconds=10.0), uri="/videos/a b.mp4")
        recorder.record(track(near(EVE, 1), 2, start=5.0, seconds=15.0), uri="/videos/a b.mp4")
        recorder.record(track(near(person(9), 1), 3, seconds=0.2), uri="/videos/a b.mp4")
        recorder.close()
        told = Report.of(opened)
        page = write_report(opened, tmp_path / "out").read_text()
    assert [(one.name, one.seconds) for one in told.people] == [("Ada <b>", 10.0)]
    assert [one.name for one in told.unknowns] == ["Unknown 1"]
    assert told.together == [("Unknown 1", "Ada <b>", 5.0)]
    assert told.briefly == 1
    ada = next(lane for lane in told.timelines[0].lanes if lane.name == "Ada <b>")
    assert (ada.bars[0].left, ada.bars[0].width) == (0.0, 50.0)
    assert "Ada &lt;b&gt;" in page
    assert "<b>" not in page
    assert "file:///videos/a%20b.mp4#t=5.0" in page
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?!data:|file:///videos/)', page) == []


def test_the_axis_ends_where_the_film_does_and_times_stand_in_a_table(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "metadata.json").write_text(json.dumps({"filepath": str(film), "duration": 100.0}))
    with gallery(tmp_path / "people") as opened:
        add(opened, "Ada", ADA)
        recorder = SightingRecorder(opened)
        recorder.record(track(near(ADA, 1), 1, start=10.0, seconds=15.0), uri=str(film))
        recorder.close()
        page = write_report(opened, tmp_path / "out").read_text()
    assert "left: 10.00%; width: 15.00%" in page
    assert "<span>1:40.0</span>" in page
    assert f'<td>Ada</td><td><a href="file://{film}#t=10.0">0:10.0</a></td><td>0:25.0</td>' in page


def test_no_two_people_have_one_colour() -> None:
    assert len({_colour(place) for place in range(300)}) == 300


def test_many_films_are_several_pages(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with gallery(tmp_path / "people") as opened:
        recorder = SightingRecorder(opened)
        for number in range(45):
            recorder.record(track(near(ADA, number), 1, seconds=9.0), uri=f"/videos/{number:02}.mp4")
        recorder.close()
        pages = [write_report(opened, out), out / "report-2.html", out / "report-3.html"]
        texts = [page.read_text() for page in pages]
        assert [text.count('<section class="timeline">') for text in texts] == [20, 20, 5]
        assert [text.count("<h2>People</h2>") for text in texts] == [1, 0, 0]
        assert 'href="report-3.html"' in texts[0]
        assert 'href="report.html"' in texts[2]
        opened.prune(older_than_seconds=0)
        write_report(opened, out)
    assert [path.name for path in out.iterdir()] == ["report.html"]


def test_an_empty_gallery_has_a_page_too(tmp_path: Path) -> None:
    with gallery(tmp_path / "people") as opened:
        assert "No named person was seen" in write_report(opened, tmp_path / "out").read_text()


def test_many_people_have_small_portraits_and_a_cut_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, large = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8))
    monkeypatch.setattr("visage.report.report.MAX_SIGHTINGS", 3)
    with gallery(tmp_path / "people") as opened:
        opened.keeps_crops = True
        recorder = SightingRecorder(opened)
        for number in range(4):
            recorder.record(track(ADA, number + 1), uri="/a.mp4", crop=large.tobytes())
        recorder.close()
        page = write_report(opened, tmp_path / "out").read_text()
    (first, *_) = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(first), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (128, 128, 3)
    assert "Only the newest sightings" in page
