"""Every format says the same as the results: frames exactly, boxes to half a pixel. Read by its own parser."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st
from pympi.Elan import Eaf

from tests.unit.visage.export.stored import HEIGHT, WIDTH, Shown, store
from visage.evaluation.film_truth import read_films
from visage.export import FORMATS, export_results
from visage.export.rate import exact_rate, timecode

RATES = [Fraction(24), Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001), Fraction(50)]
ADA, BOB = "Ada & <Lovelace>", "Bob"
SHOWN = [Shown(10, 59, ADA), Shown(40, 99, BOB), Shown(60, 80, ADA), Shown(300, 300), Shown(400, 449, ADA)]
FRAMES_OF = {ADA: [(10, 80), (400, 449)], BOB: [(40, 99)], "Track 4": [(300, 300)]}
"""First and last frame of each appearance."""


def exported(tmp_path: Path, format_name: str, rate: Fraction = Fraction(25), *, step: int = 1) -> str:
    folder = store(tmp_path / "out", SHOWN, rate=rate, step=step)
    (path,) = export_results(folder, format_name, tmp_path / "exported")
    assert path.name == f"Die Brücke & co{FORMATS[format_name].suffix}"
    return path.read_text(encoding="utf-8")


def on_screen(frame: int) -> list[str]:
    return sorted(name for name, spans in FRAMES_OF.items() if any(first <= frame <= last for first, last in spans))


@pytest.mark.parametrize("rate", RATES)
def test_rounded_rates_are_recognised(rate: Fraction) -> None:
    assert exact_rate(round(float(rate), 3)) == rate


def test_an_odd_rate_stays_what_it_is() -> None:
    assert exact_rate(12.5) == Fraction(25, 2)
    assert float(exact_rate(23.7)) == pytest.approx(23.7, abs=1e-3)


@given(st.integers(0, 400_000), st.sampled_from(RATES))
def test_timecodes_are_those_of_editing_programs(frame: int, rate: Fraction) -> None:
    base = round(rate)
    drops = rate.denominator == 1001 and base % 30 == 0
    time = otio.opentime.RationalTime(frame, float(rate))
    # Its own conversion takes 23.976 for a rate of its own, which counts like 24.
    expected = otio.opentime.to_timecode(time, float(rate) if drops else base, drop_frame=drops)
    assert timecode(frame, rate) == expected


@pytest.mark.parametrize(("format_name", "read"), [("vtt", webvtt.from_buffer), ("srt", webvtt.from_buffer)])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(24000, 1001)])
def test_subtitles_say_who_is_on_screen(tmp_path: Path, format_name: str, read: object, rate: Fraction) -> None:
    text = exported(tmp_path, format_name, rate)
    parsed = webvtt.from_buffer(io.StringIO(text), format=format_name)
    spans = [(cue.start_in_seconds, cue.end_in_seconds, cue) for cue in parsed]
    for frame in range(0, 1000, 5):
        middle = float((frame + Fraction(1, 2)) / rate)
        shown = [cue.text.split("\n") for start, end, cue in parsed_spans(spans) if start <= middle < end]
        names = sorted(unescaped(name) for names in shown for name in names)
        assert names == on_screen(frame), frame


def parsed_spans(spans: list[tuple[float, float, webvtt.Caption]]) -> list[tuple[float, float, webvtt.Caption]]:
    """With milliseconds, which the parser's own seconds leave out."""
    return [(clock(cue.start), clock(cue.end), cue) for _, _, cue in spans]


def clock(text: str) -> float:
    hours, minutes, seconds = text.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def test_elan_has_a_tier_for_each_person(tmp_path: Path) -> None:
    exported(tmp_path, "elan")
    eaf = Eaf(str(next((tmp_path / "exported").glob("*.eaf"))))
    assert set(eaf.get_tier_names()) == set(FRAMES_OF)
    for name, spans in FRAMES_OF.items():
        found = [item[:3] for item in eaf.get_annotation_data_for_tier(name)]
        assert sorted(found) == [(40 * first, 40 * (last + 1), f"{first}-{last}") for first, last in spans]
    assert eaf.media_descriptors[0]["MEDIA_URL"] == "films/Die Brücke & co.mkv"


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001)])
def test_timelines_are_frame_exact(tmp_path: Path, rate: Fraction) -> None:
    timeline = otio.adapters.read_from_string(exported(tmp_path, "otio", rate), "otio_json")
    found = {}
    for track in timeline.tracks:
        clips = list(track.find_clips())
        ranges = [(clip.source_range, clip.trimmed_range_in_parent()) for clip in clips]
        assert all(clip.media_reference.target_url.endswith("co.mkv") for clip in clips)
        assert all(source == place for source, place in ranges)
        found[track.name] = [(int(r.start_time.value), int(r.end_time_inclusive().value)) for r, _ in ranges]
    assert found == FRAMES_OF


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001)])
def test_edit_lists_are_frame_exact(tmp_path: Path, rate: Fraction) -> None:
    timeline = otio.adapters.read_from_string(exported(tmp_path, "edl", rate), "cmx_3600", rate=float(rate))
    clips = list(timeline.tracks[0].find_clips())
    found = sorted((round(c.source_range.start_time.value), round(c.source_range.duration.value)) for c in clips)
    assert found == sorted((first, last + 1 - first) for spans in FRAMES_OF.values() for first, last in spans)


@pytest.mark.parametrize("rate", RATES)
def test_final_cut_times_are_whole_frames(tmp_path: Path, rate: Fraction) -> None:
    root = ET.fromstring(exported(tmp_path, "fcpxml", rate))
    offset, found = Fraction(0), []
    for clip in root.iter("asset-clip"):
        start, length, place = (seconds(clip.attrib[name]) * rate for name in ("start", "duration", "offset"))
        assert place == offset
        offset += length
        found.append((clip.attrib["name"], int(start), int(start + length) - 1))
        assert start.denominator == length.denominator == 1
    assert sorted(found) == sorted((name, *span) for name, spans in FRAMES_OF.items() for span in spans)


def seconds(text: str) -> Fraction:
    return Fraction(text.removesuffix("s"))


@pytest.mark.parametrize(("format_name", "suffix"), [("cvat", ".xml"), ("mot", ".txt")])
def test_annotations_come_back_as_truth(tmp_path: Path, format_name: str, suffix: str) -> None:
    """What an annotator corrects is read by `visage eval video`: as yet nothing has been corrected."""
    text = exported(tmp_path, format_name)
    truth = tmp_path / "truth"
    truth.mkdir()
    (truth / "film.mp4").touch()
    (truth / f"film{suffix}").write_text(text)
    (film,) = read_films(truth)
    for frame in range(500):
        present = [one for one in SHOWN if one.first <= frame <= one.last]
        found = film.frames[frame].boxes_xyxy.tolist() if frame in film.frames else []
        assert sorted(found) == pytest.approx(sorted(list(one.box(frame)) for one in present), abs=0.5)
        if format_name == "cvat" and found:
            persons = [name.rpartition("/")[2] for name in film.frames[frame].persons]
            assert {ADA, BOB}.intersection(persons) == {one.person for one in present if one.person}


def test_tracks_of_every_nth_frame_are_not_switched_off_between(tmp_path: Path) -> None:
    root = ET.fromstring(exported(tmp_path, "cvat", step=10))
    first = root.find("track")
    assert first is not None
    assert [(box.attrib["frame"], box.attrib["outside"]) for box in first] == [
        *((str(frame), "0") for frame in (10, 20, 30, 40, 50)),
        ("51", "1"),
    ]


def test_label_studio_has_percent_and_counts_from_one(tmp_path: Path) -> None:
    (task,) = json.loads(exported(tmp_path, "label-studio"))
    results = task["predictions"][0]["result"]
    assert task["data"] == {"video": "films/Die Brücke & co.mkv"}
    assert [result["meta"]["text"] for result in results] == [[one.person or "Track 4"] for one in SHOWN]
    for one, result in zip(SHOWN, results, strict=True):
        shown = [item for item in result["value"]["sequence"] if item["enabled"]]
        assert [item["frame"] for item in shown] == list(range(one.first + 1, one.last + 2))
        for item in shown:
            left, top = item["x"] * WIDTH / 100, item["y"] * HEIGHT / 100
            right, bottom = left + item["width"] * WIDTH / 100, top + item["height"] * HEIGHT / 100
            assert [left, top, right, bottom] == pytest.approx(one.box(item["frame"] - 1), abs=0.5)


def test_coco_has_an_image_for_each_frame_with_faces(tmp_path: Path) -> None:
    record = json.loads(exported(tmp_path, "coco"))
    frames = {image["id"]: image["frame_num"] for image in record["images"]}
    assert sorted(frames.values()) == [frame for frame in range(1000) if on_screen(frame)]
    found = [(frames[one["image_id"]], one["track_id"], one["person"], one["bbox"]) for one in record["annotations"]]
    assert len(found) == sum(one.last + 1 - one.first for one in SHOWN)
    for frame, track, person, (left, top, width, height) in found:
        one = SHOWN[track - 1]
        assert person == (one.person or "Track 4")
        assert [left, top, left + width, top + height] == pytest.approx(one.box(frame), abs=0.01)


@pytest.mark.parametrize("format_name", ["web-annotation", "iiif"])
def test_web_annotations_have_a_time_and_a_box(tmp_path: Path, format_name: str) -> None:
    record = json.loads(exported(tmp_path, format_name))
    if format_name == "iiif":
        (canvas,) = record["items"]
        assert (canvas["width"], canvas["height"], canvas["duration"]) == (WIDTH, HEIGHT, 40.0)
        (record,) = canvas["annotations"]
        assert {item["target"]["source"] for item in record["items"]} == {canvas["id"]}
    values = [(item["body"]["value"], item["target"]["selector"]["value"]) for item in record["items"]]
    assert values[0] == (ADA, "t=0.400,2.400&xywh=100,50,80,100")
    assert [name for name, _ in values] == [ADA, BOB, ADA, "Track 4", ADA]


def test_the_sidecar_says_who_is_on_screen(tmp_path: Path) -> None:
    record = json.loads(exported(tmp_path, "sidecar"))
    assert record["film"]["frame_rate"] == [25, 1]
    spans = {person["name"]: person["on_screen"] for person in record["people"]}
    assert spans == {name: [[f / 25, (l + 1) / 25] for f, l in frames] for name, frames in FRAMES_OF.items()}
    assert {person["name"]: person["is_named"] for person in record["people"]} == {
        ADA: True,
        BOB: True,
        "Track 4": False,
    }
