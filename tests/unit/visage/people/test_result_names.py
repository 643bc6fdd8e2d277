"""A name that was given after a run reaches every table of results, and nothing else in them changes."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from stages.errors import SourceError
from stages.frames import Faces, Frame, Identity, Observation
from stages.sink.destination import destination_for
from stages.sink.metadata import RunDescription
from stages.sink.source_sinks import SourceSinks
from tests.unit.stages.sink.scenes import PlainPicture, ended, video
from tests.unit.visage.people.scenes import gallery, near, person
from visage.people import SightingRecorder
from visage.people.gallery import Gallery
from visage.people.result_names import apply_names
from visage.people.sink import SightingSink

RUN = RunDescription(detector="yunet", embedder="sface", embedding_dimension=128, tracks=True)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Gallery]:
    with gallery(tmp_path / "people") as opened:
        yield opened


def analyse(opened: Gallery, path: Path, *sources: str) -> None:
    """Runs over films of two strangers; as in a run, the first pictures of a track have no name yet."""
    destination = destination_for(path, RUN, source_ids=list(sources))
    job = destination.begin()
    with contextlib.closing(SightingRecorder(opened)) as recorder:
        for number, source in enumerate(sources):
            info = video(source, uri=str(path.parent / f"{source}.mp4"))
            sinks = [*job.sinks_for(info), SightingSink(recorder), *destination.shared_sinks(info)]
            film = SourceSinks()
            film.open(partial(iter, sinks), info)
            for index in range(26):
                stranger = None if index < 5 else Identity(None, "unknown", -1.0, 0.2)
                faces = Faces(
                    boxes_xyxy=np.array([[1, 2, 30, 40], [100, 2, 130, 40]], np.float32),
                    scores=np.ones(2, np.float32),
                    embeddings=np.stack([near(person(1), index), near(person(2), index)]),
                    track_ids=np.array([1, 2], np.int64),
                    quality=np.ones(2, np.float32),
                    propagated=np.zeros(2, np.bool_),
                    identities=(stranger, stranger),
                )
                at = 100.0 * (number + 1) + index / 1000
                film.write(Observation(Frame(source, index, index / 25, PlainPicture(), captured_at=at), faces))
            film.close(ended(source))
    destination.close()


def people(path: Path) -> list[tuple[str, str]]:
    """(track, person) of every row."""
    with path.open(encoding="utf-8-sig") as file:
        return [(row["track_id"], row["person"]) for row in csv.DictReader(file)]


def test_every_table_of_a_folder_has_the_names_of_today(opened: Gallery, tmp_path: Path) -> None:
    out = tmp_path / "out"
    analyse(opened, out, "film")
    before = (out / "detections.csv").read_text()
    unknowns = {name for _, name in people(out / "detections.csv")}
    assert unknowns == {"", "unknown"}
    opened.name_unknown("Unknown 1", "=Ada")
    applied = apply_names(opened, out)
    assert (applied.tables, applied.rows, applied.unmatched) == (3, 2 * 26 + 2 + 2, 0)
    assert set(people(out / "detections.csv")) == {("1", "'=Ada"), ("2", "Unknown 2")}
    assert people(out / "tracks.csv") == [("1", "'=Ada"), ("2", "Unknown 2")]
    tracks = pq.read_table(out / "tracks.parquet")
    assert tracks.column("person").to_pylist() == ["=Ada", "Unknown 2"]
    assert len(tracks.column("embedding")[0].as_py()) == 128
    # All the other columns are as they were, to the letter.
    after = (out / "detections.csv").read_text()
    assert [line.split(",")[:-2] for line in after.splitlines()] == [
        line.split(",")[:-2] for line in before.splitlines()
    ]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["detections.csv", "embeddings.hdf5", "metadata.json", "tracks.csv", "tracks.parquet"]
    )
    opened.rename("=Ada", "Eve")
    assert apply_names(opened, out).rows == 26 + 1 + 1
    assert apply_names(opened, out).rows == 0


def test_folders_of_several_sources(opened: Gallery, tmp_path: Path) -> None:
    analyse(opened, tmp_path / "out", "film", "clip")
    assert apply_names(opened, tmp_path / "out").tables == 6
    for name in ("film", "clip"):
        assert {who for _, who in people(tmp_path / "out" / name / "tracks.csv")} == {"Unknown 1", "Unknown 2"}


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_one_table_of_all_sources(suffix: str, opened: Gallery, tmp_path: Path) -> None:
    table = tmp_path / f"faces{suffix}"
    analyse(opened, table, "film", "clip")
    opened.name_unknown("Unknown 2", "Bob")
    assert apply_names(opened, table).rows == 2 * 2 * 26
    if suffix == ".csv":
        names = {who for _, who in people(table)}
    elif suffix == ".parquet":
        names = set(pq.read_table(table).column("person").to_pylist())
    else:
        names = {face["person"] for line in table.read_text().splitlines() for face in json.loads(line)["faces"]}
    assert names == {"Unknown 1", "Bob"}


def test_what_another_gallery_saw_stays_as_it_is(opened: Gallery, tmp_path: Path) -> None:
    with gallery(tmp_path / "others") as others:
        analyse(others, tmp_path / "out", "film")
    before = (tmp_path / "out" / "detections.csv").read_bytes()
    applied = apply_names(opened, tmp_path / "out")
    assert (applied.rows, applied.unmatched) == (0, 2 * 26 + 2 + 2)
    assert (tmp_path / "out" / "detections.csv").read_bytes() == before


def test_a_folder_without_results_is_refused(opened: Gallery, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no results"):
        apply_names(opened, tmp_path)
