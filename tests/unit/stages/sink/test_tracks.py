from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stages.frames import Identity
from stages.sink.folder import FolderSink
from stages.sink.tracks import ROW_GROUP_ROWS, TracksCsv, TracksParquet
from stages.tracks.summary import TrackSummary
from tests.unit.stages.sink.scenes import DIMENSION, RUN, ended, observation, opened, video


def track(number: int, *, embedded: bool = True) -> TrackSummary:
    return TrackSummary(
        source_id="clip",
        track_id=number,
        first_frame=10,
        last_frame=20,
        start_seconds=0.4,
        end_seconds=0.8,
        frames=11,
        best_frame=15,
        best_seconds=0.6,
        best_box_xyxy=np.array([1, 2, 3, 4.5], np.float32),
        best_landmarks=None,
        best_quality=0.75,
        embedding=np.full(DIMENSION, 0.5, np.float32) if embedded else None,
        embeddings=3 if embedded else 0,
    )


def test_csv_has_a_line_a_track(tmp_path: Path) -> None:
    table = TracksCsv(tmp_path / "tracks.csv")
    table.append(track(1))
    table.seal()
    table.publish()
    header, line = (tmp_path / "tracks.csv").read_text().splitlines()
    assert header.startswith("track_id,start,end,first_frame,last_frame,frames,best_frame")
    assert line == "1,0.400,0.800,10,20,11,15,0.600,1.00,2.00,3.00,4.50,0.7500,3,,"


def test_both_tables_say_who_a_track_is(tmp_path: Path) -> None:
    people = [Identity("p1", "=Ada, Countess", 0.81234, 0.2), Identity(None, "unknown", 0.2, 0.0), None]
    tables = (
        TracksCsv(tmp_path / "tracks.csv"),
        TracksParquet(tmp_path / "tracks.parquet", embedding_dimension=DIMENSION),
    )
    for table in tables:
        for number, identity in enumerate(people):
            table.append(replace(track(number + 1), identity=identity))
        table.seal()
        table.publish()
    with (tmp_path / "tracks.csv").open(newline="") as file:
        rows = [(row["person"], row["similarity"]) for row in csv.DictReader(file)]
    assert rows == [("'=Ada, Countess", "0.8123"), ("unknown", "0.2000"), ("", "")]
    read = pq.read_table(tmp_path / "tracks.parquet")
    assert read["person"].to_pylist() == ["=Ada, Countess", "unknown", None]
    assert read["similarity"].null_count == 1


def test_parquet_holds_the_embedding_and_nothing_where_there_is_none(tmp_path: Path) -> None:
    table = TracksParquet(tmp_path / "tracks.parquet", embedding_dimension=DIMENSION)
    for number in range(ROW_GROUP_ROWS + 1):
        table.append(track(number + 1, embedded=number > 0))
    table.seal()
    table.publish()
    read = pq.read_table(tmp_path / "tracks.parquet")
    assert read["track_id"].to_pylist() == list(range(1, ROW_GROUP_ROWS + 2))
    assert read["embedding"].to_pylist()[:2] == [None, [0.5] * DIMENSION]
    assert pq.ParquetFile(tmp_path / "tracks.parquet").num_row_groups == 2


def test_a_folder_tells_its_tracks_and_counts_what_was_looked_at(tmp_path: Path) -> None:
    sink = opened(FolderSink(tmp_path / "out", replace(RUN, tracks=True)), video())
    for index in range(4):
        seen = observation(index)
        faces = replace(
            seen.faces,
            track_ids=np.array([1 if index < 2 else 2]),
            quality=np.array([0.5], np.float32),
            propagated=np.array([index % 2 == 1]),
        )
        sink.write(replace(seen, faces=faces, detected=index % 2 == 0, ended_tracks=(1,) if index == 2 else ()))
    sink.close(ended(frames=4))
    with (tmp_path / "out" / "tracks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["track_id"], row["first_frame"], row["last_frame"], row["frames"]) for row in rows] == [
        ("1", "0", "1", "2"),
        ("2", "2", "3", "2"),
    ]
    assert pq.read_table(tmp_path / "out" / "tracks.parquet").num_rows == 2
    metadata = json.loads((tmp_path / "out" / "metadata.json").read_text())
    assert (metadata["frames_looked_at"], metadata["frames_followed"]) == (2, 2)
    assert metadata["tracks"] == {"count": 2, "mean_seconds": 0.04, "suspected_switches": 0}


def test_without_tracking_there_are_no_such_files_and_old_ones_go(tmp_path: Path) -> None:
    (tmp_path / "tracks.csv").write_text("old")
    sink = FolderSink(tmp_path, RUN, force=True)
    sink.open(video())
    sink.write(observation(0))
    sink.close(ended())
    assert {path.name for path in tmp_path.iterdir()} == {"detections.csv", "embeddings.hdf5", "metadata.json"}
