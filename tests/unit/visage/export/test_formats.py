"""Every format, opened by a parser that is not ours: frame numbers come back exactly, boxes within half a pixel."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from stages.errors import OutputExists, SourceError
from tests.unit.visage.export.scenes import ADA, BOB, FRAMES, RATES, boxes_of, frame_times, results
from visage.evaluation.film_truth import read_films
from visage.export import FORMATS, export

opentimelineio = pytest.importorskip("opentimelineio", reason="the extra `export` is not installed")

Frames = dict[str, list[list[int]]]
EXPECTED: Frames = {"Ada & <Co>": [[1790, 3009]], "Bob": [[1810, 1850]]}
"""First and last frame of each appearance."""

Boxes = Mapping[tuple[int, int], tuple[float, ...]]
"""Left, top, right, bottom by track and frame."""


@pytest.fixture(params=RATES)
def rate(request: pytest.FixtureRequest) -> Fraction:
    return RATES[request.param]


def written(folder: Path, name: str) -> Path:
    (path,) = export(folder, name)
    return path


def assert_boxes(found: Boxes) -> None:
    expected = {(track, frame): box for frame in sorted({*ADA, *BOB}) for track, box in boxes_of(frame).items()}
    assert found.keys() == expected.keys()
    for key, box in expected.items():
        assert found[key] == pytest.approx(box, abs=0.5)


def spans(times: list[tuple[str, float, float]], rate: Fraction) -> Frames:
    """First and last frames from names and seconds, as a reader that knows the rate works them out."""
    found: Frames = {}
    for name, start, end in times:
        found.setdefault(name, []).append([round(start * rate), round(end * rate) - 1])
    return found


def test_elan_opens_in_pympi(tmp_path: Path, rate: Fraction) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed")
    document = elan.Eaf(str(written(results(tmp_path / "out", rate), "elan")))
    found = [
        (tier, start / 1000, end / 1000)
        for tier in document.get_tier_names()
        for start, end, *_ in document.get_annotation_data_for_tier(tier)
    ]
    assert spans(found, rate) == EXPECTED


def test_elan_keeps_the_frames_of_a_variable_rate(tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is not installed")
    times = frame_times(RATES["25"], is_variable=True)
    document = elan.Eaf(str(written(results(tmp_path / "out", RATES["25"], times=times), "elan")))
    ((start, _, value),) = document.get_annotation_data_for_tier("Bob")
    assert value == "1810-1850"
    assert start == pytest.approx(times[1810] * 1000, abs=1)


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def captions(path: Path) -> list[tuple[float, float, str]]:
    """Start and end in seconds, to thousandths, and the text as it stands in the file."""
    webvtt = pytest.importorskip("webvtt", reason="webvtt-py is not installed")
    cues = webvtt.from_srt(str(path)) if path.suffix == ".srt" else webvtt.read(str(path))
    return [(seconds(cue.start), seconds(cue.end), cue.raw_text) for cue in cues]


@pytest.mark.parametrize(("name", "ada"), [("webvtt", "Ada &amp; &lt;Co&gt;"), ("srt", "Ada & <Co>")])
def test_captions_say_who_is_on_screen(tmp_path: Path, rate: Fraction, name: str, ada: str) -> None:
    found = captions(written(results(tmp_path / "out", rate), name))
    expected = [(ada, 1790, 1810), (f"{ada}, Bob", 1810, 1851), (ada, 1851, 3010)]
    assert [(text, round(start * rate), round(end * rate)) for start, end, text in found] == expected


def test_otio_holds_a_track_for_each_person(tmp_path: Path, rate: Fraction) -> None:
    timeline = opentimelineio.adapters.read_from_file(str(written(results(tmp_path / "out", rate), "otio")))
    found: Frames = {}
    for track in timeline.tracks:
        for clip in track.find_clips():
            span = clip.trimmed_range_in_parent()
            assert span.start_time.value == clip.source_range.start_time.value, "a clip lies where it lies in the film"
            first = int(clip.source_range.start_time.value)
            found.setdefault(track.name, []).append([first, first + int(clip.duration().value) - 1])
    assert found == EXPECTED


def test_edl_opens_in_opentimelineios_adapter(tmp_path: Path, rate: Fraction) -> None:
    pytest.importorskip("otio_cmx3600_adapter", reason="otio-cmx3600-adapter is not installed")
    path = written(results(tmp_path / "out", rate), "edl")
    assert ("FCM: DROP FRAME" in path.read_text()) == (rate == RATES["29.97"])
    timeline = opentimelineio.adapters.read_from_file(str(path), "cmx_3600", rate=float(rate))
    found: Frames = {}
    for clip in timeline.find_clips():
        first = int(clip.source_range.start_time.value)
        found.setdefault(clip.name, []).append([first, first + int(clip.duration().value) - 1])
    assert found == EXPECTED


def test_fcpxml_counts_in_exact_fractions(tmp_path: Path, rate: Fraction) -> None:
    root = ElementTree.parse(written(results(tmp_path / "out", rate), "fcpxml")).getroot()
    found: Frames = {}
    at = Fraction(0)
    for clip in root.iter("asset-clip"):
        start, duration, offset = (Fraction(clip.attrib[key][:-1]) for key in ("start", "duration", "offset"))
        assert offset == at
        at += duration
        found.setdefault(clip.attrib["name"], []).append([int(start * rate), int((start + duration) * rate) - 1])
        assert (start * rate).denominator == (duration * rate).denominator == 1
    assert found == EXPECTED


@pytest.mark.parametrize("name", ["web-annotation", "iiif"])
def test_annotations_have_media_fragments(tmp_path: Path, rate: Fraction, name: str) -> None:
    record = json.loads(written(results(tmp_path / "out", rate), name).read_text())
    page = record if name == "web-annotation" else record["items"][0]["annotations"][0]
    found = []
    for item in page["items"]:
        assert item["type"] == "Annotation"
        start, end = item["target"].partition("#t=")[2].split(",")
        found.append((item["body"]["value"].partition(" (frames")[0], float(start), float(end)))
    assert spans(found, rate) == EXPECTED


def test_cvat_keeps_frames_boxes_and_gaps(tmp_path: Path, rate: Fraction) -> None:
    root = ElementTree.parse(written(results(tmp_path / "out", rate), "cvat")).getroot()
    boxes = [(int(track.attrib["id"]), box) for track in root.iter("track") for box in track.iter("box")]
    sides = ("xtl", "ytl", "xbr", "ybr")
    assert_boxes(
        {
            (track, int(box.attrib["frame"])): tuple(float(box.attrib[side]) for side in sides)
            for track, box in boxes
            if box.attrib["outside"] == "0"
        }
    )
    assert [(track, int(box.attrib["frame"])) for track, box in boxes if box.attrib["outside"] == "1"] == [
        (1, 1830),
        (1, 3010),
        (2, 1851),
    ]


def test_cvat_is_read_as_truth(tmp_path: Path, rate: Fraction) -> None:
    """The way back: what was corrected in CVAT judges the next run."""
    (tmp_path / "film.mkv").touch()
    export(results(tmp_path / "out", rate), "cvat", tmp_path / "film.xml")
    (truth,) = read_films(tmp_path)
    assert [frame for frame, faces in truth.frames.items() if "Bob" in faces.persons] == BOB
    assert [frame for frame, faces in truth.frames.items() if "Ada & <Co>" in faces.persons] == ADA
    assert len(truth.frames) == FRAMES


def test_mot_is_read_as_truth(tmp_path: Path, rate: Fraction) -> None:
    (tmp_path / "film.mkv").touch()
    export(results(tmp_path / "out", rate), "mot", tmp_path / "film.txt")
    (truth,) = read_films(tmp_path)
    assert_boxes(
        {
            (int(person.partition(":")[2]), frame): tuple(box)
            for frame, faces in truth.frames.items()
            for person, box in zip(faces.persons, faces.boxes_xyxy.tolist(), strict=True)
        }
    )


def test_label_studio_counts_frames_from_one_in_percent(tmp_path: Path, rate: Fraction) -> None:
    (task,) = json.loads(written(results(tmp_path / "out", rate), "label-studio").read_text())
    found: dict[tuple[int, int], tuple[float, ...]] = {}
    ends = []
    for region in task["predictions"][0]["result"]:
        for key in region["value"]["sequence"]:
            left, top = key["x"] * 19.2, key["y"] * 10.8
            track = int(region["id"].removeprefix("track"))
            found[track, key["frame"] - 1] = (left, top, left + key["width"] * 19.2, top + key["height"] * 10.8)
            ends += [] if key["enabled"] else [(track, key["frame"] - 1)]
    assert_boxes(found)
    assert ends == [(1, 1829), (1, 3009), (2, 1850)]


def test_coco_opens_in_pycocotools(tmp_path: Path, rate: Fraction) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    dataset = coco.COCO(str(written(results(tmp_path / "out", rate), "coco")))
    found = {}
    for one in dataset.loadAnns(dataset.getAnnIds()):
        x, y, width, height = one["bbox"]
        found[one["track_id"], one["image_id"]] = (x, y, x + width, y + height)
    assert_boxes(found)


def test_duckdb_holds_films_tracks_and_faces(tmp_path: Path, rate: Fraction) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    path = written(results(tmp_path / "out", rate), "duckdb")
    with duckdb.connect(str(path), read_only=True) as database:
        rows = database.execute("SELECT track_id, frame_num, x1, y1, x2, y2 FROM faces").fetchall()
        assert_boxes({(track, frame): tuple(box) for track, frame, *box in rows})
        (film,) = database.execute("SELECT fps_numerator, fps_denominator, frames FROM films").fetchall()
        assert film == (rate.numerator, rate.denominator, FRAMES)
        assert database.execute("SELECT count(*) FROM tracks").fetchall() == [(2,)]


def test_the_sidecar_follows_its_schema(tmp_path: Path, rate: Fraction) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema_file = Path(__file__).parents[4] / "visage/export/sidecar.schema.json"
    schema: dict[str, Any] = json.loads(schema_file.read_text())
    record = json.loads(written(results(tmp_path / "out", rate), "sidecar").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(record, schema)
    assert [person["name"] for person in record["people"]] == ["Ada & <Co>", "Bob"]
    frames = [(moment["frames"], moment["people"]) for moment in record["moments"]]
    assert frames == [([1790, 1809], [0]), ([1810, 1850], [0, 1]), ([1851, 3009], [0])]
    for moment in record["moments"]:
        assert [round(moment["start"] * rate), round(moment["end"] * rate) - 1] == moment["frames"]


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_replaces_nothing_unasked(tmp_path: Path, name: str) -> None:
    folder = results(tmp_path / "out", RATES["25"])
    path = written(folder, name)
    before = path.read_bytes()
    with pytest.raises(OutputExists, match="--force"):
        export(folder, name)
    assert path.read_bytes() == before
    assert export(folder, name, force=True) == [path]
    assert not list(folder.glob("*.part"))
    assert not list(folder.glob(".export-*"))


def test_one_person_alone(tmp_path: Path) -> None:
    folder = results(tmp_path / "out", RATES["25"])
    (path,) = export(folder, "mot", tmp_path / "bob.txt", people=["Bob"])
    with path.open() as file:
        rows = list(csv.reader(file))
    assert [int(row[0]) - 1 for row in rows] == BOB
    assert {row[1] for row in rows} == {"2"}
    with pytest.raises(SourceError, match=r"Carol is not in this film; in it: Ada & <Co>, Bob"):
        export(folder, "mot", tmp_path / "carol.txt", people=["Carol"])


def test_wrong_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no results; give a folder"):
        export(tmp_path, "elan")
    with pytest.raises(ValueError, match="no format betamax; choose one of elan"):
        export(tmp_path, "betamax")
    broken = results(tmp_path / "broken", RATES["25"], interrupted=True)
    with pytest.raises(SourceError, match=r"did not reach the film's end.*--partial"):
        export(broken, "elan")
    assert export(broken, "elan", partial=True)
    untracked = results(tmp_path / "untracked", RATES["25"], tracked=False)
    with pytest.raises(SourceError, match="without tracks"):
        export(untracked, "elan")
    assert [path.name for path in export(untracked, "coco")] == ["köln.coco.json"]
    (tmp_path / "broken" / "detections.csv").unlink()
    with pytest.raises(SourceError, match=r"detections.csv is missing"):
        export(broken, "coco", partial=True)


def test_a_folder_of_films_gives_a_file_for_each(tmp_path: Path) -> None:
    for name in ("one", "two"):
        results(tmp_path / "out" / name, RATES["25"], source=f"/films/{name}.mkv")
    paths = export(tmp_path / "out", "webvtt", tmp_path / "captions")
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["captions/one.vtt", "captions/two.vtt"]
    assert all(path.is_file() for path in paths)
