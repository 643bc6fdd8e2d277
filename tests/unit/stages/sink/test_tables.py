"""What the tables hold, read back with the libraries that people read them with."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.errors import OutputFailed
from stages.frames import Identity, Observation
from stages.sink.csv import CsvTable
from stages.sink.hdf5 import BLOCK_ROWS, CHUNK_ROWS, EmbeddingsFile
from stages.sink.jsonl import JsonLinesTable
from stages.sink.parquet import ROW_GROUP_ROWS, ParquetTable
from stages.sink.rows import Table
from tests.unit.stages.sink.scenes import DIMENSION, observation

CPP_COLUMNS = "frame_num,face_num,x1,y1,x2,y2,confidence"

TABLES: dict[str, Callable[[Path], Table]] = {
    "csv": CsvTable,
    "parquet": lambda path: ParquetTable(path, embedding_dimension=DIMENSION),
    "jsonl": JsonLinesTable,
    "hdf5": lambda path: EmbeddingsFile(path, dimension=DIMENSION),
}


def commit(table: Table) -> None:
    table.seal()
    table.publish()


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_csv_begins_with_the_columns_of_the_cpp_visage(tmp_path: Path) -> None:
    table = CsvTable(tmp_path / "a.csv")
    commit(table)
    (header,) = (tmp_path / "a.csv").read_text().splitlines()
    assert header.startswith(CPP_COLUMNS + ",timestamp,right_eye_x,right_eye_y,left_eye_x,")
    tail = ",right_mouth_x,right_mouth_y,left_mouth_x,left_mouth_y,track_id,quality,propagated"
    assert header.endswith(tail + ",sharpness,pose,person,similarity")


@pytest.mark.parametrize("name", ["=1+1", "+49", "-Max", "@SUM(A1)", '=HYPERLINK("http://x","y")'])
def test_no_name_runs_as_a_formula(tmp_path: Path, name: str) -> None:
    """A spreadsheet's own rule: what begins with an apostrophe is text."""
    seen = observation(0, 1)
    named = seen.with_faces(replace(seen.faces, identities=(Identity("p1", name, 0.9, 0.0),)))
    table = CsvTable(tmp_path / "a.csv", with_source=True)
    table.append(named, f"{name}.mp4")
    commit(table)
    (row,) = csv_rows(tmp_path / "a.csv")
    assert (row["person"], row["source"]) == (f"'{name}", f"'{name}.mp4")


def test_a_table_for_excel_begins_with_a_mark(tmp_path: Path) -> None:
    commit(CsvTable(tmp_path / "a.csv", with_mark=True))
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbfframe_num,")


@pytest.mark.smoke
def test_csv_rows_in_frame_order_best_face_first(tmp_path: Path) -> None:
    table = CsvTable(tmp_path / "a.csv")
    table.append(observation(0, 0), "")
    table.append(observation(3, 2), "")
    commit(table)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert (
        lines[1] == "3,0,30.00,31.00,50.25,60.13,0.9,0.12,3.00,4.00,5.00,6.00,7.00,8.00,9.00,10.00,11.00,12.00,,,,,,,"
    )
    assert lines[2].startswith("3,1,31.00,32.00,51.25,61.13,0.8,0.12,13.00,")
    assert len(lines) == 3


def test_csv_leaves_landmarks_empty_where_the_detector_has_none(tmp_path: Path) -> None:
    table = CsvTable(tmp_path / "a.csv")
    table.append(observation(1, 1, with_landmarks=False), "")
    commit(table)
    (row,) = csv_rows(tmp_path / "a.csv")
    assert row["timestamp"] == "0.04"
    assert row["right_eye_x"] == row["left_mouth_y"] == ""
    assert None not in row


def test_csv_quotes_sources(tmp_path: Path) -> None:
    sources = ['a,b "c".mp4', "köln.mp4", "line\nbreak.mp4"]
    table = CsvTable(tmp_path / "a.csv", with_source=True)
    for index, source in enumerate(sources):
        table.append(observation(index), source)
    commit(table)
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["source"] for row in rows] == sources
    assert [row["frame_num"] for row in rows] == ["0", "1", "2"]


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_byte_of_a_name_that_is_no_utf8_is_spelled_out(tmp_path: Path, kind: str) -> None:
    table = CsvTable(tmp_path / "a", with_source=True) if kind == "csv" else TABLES[kind](tmp_path / "a")
    table.append(observation(0), os.fsdecode(b"k\xc3\xb6ln/caf\xe9.mp4"))
    table.append(observation(0), "other.mp4")
    commit(table)
    if kind == "parquet":
        sources = pq.read_table(tmp_path / "a")["source"].to_pylist()
    elif kind == "csv":
        sources = [row["source"] for row in csv_rows(tmp_path / "a")]
    else:
        sources = [json.loads(line)["source"] for line in (tmp_path / "a").read_text().splitlines()]
    assert sources == [r"köln/caf\xe9.mp4", "other.mp4"]


@pytest.mark.smoke
def test_parquet_holds_every_column_with_its_type(tmp_path: Path) -> None:
    table = ParquetTable(tmp_path / "a.parquet", embedding_dimension=DIMENSION)
    table.append(observation(2, 2), "one")
    table.append(observation(3, 0), "one")
    table.append(observation(5, 1, with_landmarks=False), "two")
    commit(table)
    read = pq.read_table(tmp_path / "a.parquet")
    assert read.schema.field("frame_num").type == pa.int64()
    assert read.schema.field("embedding").type == pa.list_(pa.float32(), DIMENSION)
    assert read["source"].to_pylist() == ["one", "one", "two"]
    assert read["frame_num"].to_pylist() == [2, 2, 5]
    assert read["face_num"].to_pylist() == [0, 1, 0]
    assert read["x1"].to_pylist() == [20.0, 21.0, 50.0]
    assert read["timestamp"].to_pylist() == [2 / 25, 2 / 25, 5 / 25]
    assert read["nose_x"].to_pylist() == [6.0, 16.0, None]
    assert read["embedding"].to_pylist()[2] == [5.5] * DIMENSION


def test_parquet_without_embeddings_has_no_such_column(tmp_path: Path) -> None:
    table = ParquetTable(tmp_path / "a.parquet", embedding_dimension=None)
    table.append(observation(0, dimension=None), "one")
    commit(table)
    assert "embedding" not in pq.read_schema(tmp_path / "a.parquet").names


def test_parquet_row_groups_are_bounded(tmp_path: Path) -> None:
    table = ParquetTable(tmp_path / "a.parquet", embedding_dimension=DIMENSION)
    for index in range(2 * ROW_GROUP_ROWS // 64 + 1):
        table.append(observation(index, 64), "one")
    commit(table)
    file = pq.ParquetFile(tmp_path / "a.parquet")
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert sizes == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 64]


@pytest.mark.smoke
def test_jsonl_has_a_line_for_every_frame_looked_at(tmp_path: Path) -> None:
    table = JsonLinesTable(tmp_path / "a.jsonl")
    table.append(observation(0, 0), "köln.mp4")
    table.append(observation(24, 2), "köln.mp4")
    table.append(observation(48, 1, with_landmarks=False, dimension=None), "köln.mp4")
    commit(table)
    empty, two, bare = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    assert empty == {"source": "köln.mp4", "frame_num": 0, "timestamp": 0.0, "faces": []}
    assert two["timestamp"] == 0.96
    assert two["faces"][0]["box"] == [240.0, 241.0, 260.25, 270.13]
    assert [face["confidence"] for face in two["faces"]] == [0.9, 0.8]
    assert two["faces"][1]["landmarks"][0] == [34.0, 35.0]
    assert two["faces"][1]["embedding"] == [24.5] * DIMENSION
    assert set(bare["faces"][0]) == {"box", "confidence"}


@pytest.mark.parametrize("count", [1, 3, 255, BLOCK_ROWS + 1])
def test_hdf5_takes_about_the_place_of_its_rows(tmp_path: Path, count: int) -> None:
    """HDF5 stores whole chunks; with chunks of 1,024 rows one face took half a megabyte."""
    table = EmbeddingsFile(tmp_path / "a.hdf5", dimension=128)
    seen = observation(0, count)
    embeddings = np.ones((count, 128), np.float32)
    table.append(seen.with_faces(replace(seen.faces, embeddings=embeddings)), "")
    commit(table)
    rows = -(-count // CHUNK_ROWS) * CHUNK_ROWS if count > CHUNK_ROWS else count
    assert (tmp_path / "a.hdf5").stat().st_size < rows * (128 + 3) * 4 + 16_384
    with h5py.File(tmp_path / "a.hdf5", "a") as file:  # readers that append go on as before
        file["embeddings"].resize(count + 1, axis=0)
        np.testing.assert_array_equal(file["embeddings"][:count], embeddings)


@pytest.mark.smoke
def test_hdf5_rows_match_the_detections_across_blocks(tmp_path: Path) -> None:
    table = EmbeddingsFile(tmp_path / "a.hdf5", dimension=DIMENSION)
    counts = [0, 3, BLOCK_ROWS + 5, 2 * BLOCK_ROWS, 1]
    for index, count in enumerate(counts):
        table.append(observation(index, count), "")
    commit(table)
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert set(file) == {"embeddings", "frame_nums", "face_nums", "track_ids"}
        assert file["embeddings"].dtype == np.float32
        assert file["frame_nums"].dtype == file["face_nums"].dtype == np.int32
        np.testing.assert_array_equal(file["frame_nums"][:], np.repeat(np.arange(len(counts)), counts))
        np.testing.assert_array_equal(file["face_nums"][:], np.concatenate([np.arange(count) for count in counts]))
        np.testing.assert_array_equal(file["embeddings"][:, 0], file["frame_nums"][:] + np.float32(0.5))


def followed() -> Observation:
    """Two faces of tracks 7 and 9; the second was followed here and not embedded."""
    seen = observation(3, 2)
    embeddings = np.zeros((2, DIMENSION), np.float32)
    embeddings[0] = 0.5
    faces = replace(
        seen.faces,
        embeddings=embeddings,
        track_ids=np.array([7, 9]),
        quality=np.array([0.75, 0.5], np.float32),
        propagated=np.array([False, True]),
        sharpness=np.array([0.875, 0.25], np.float32),
        pose=np.array([1.0, 0.125], np.float32),
    )
    return replace(seen, faces=faces, detected=False)


def test_tracks_have_columns_of_their_own_at_the_end(tmp_path: Path) -> None:
    for name, make in TABLES.items():
        table = make(tmp_path / name)
        table.append(followed(), "clip")
        commit(table)
    lines = (tmp_path / "csv").read_text().splitlines()
    assert lines[1].endswith(",7,0.7500,0,0.8750,1.0000,,")
    assert lines[2].endswith(",9,0.5000,1,0.2500,0.1250,,")
    first, second = pq.read_table(tmp_path / "parquet").to_pylist()
    assert (first["track_id"], first["quality"], first["propagated"]) == (7, 0.75, False)
    assert (second["track_id"], second["propagated"], second["embedding"]) == (9, True, None)
    assert [(row["sharpness"], row["pose"]) for row in (first, second)] == [(0.875, 1.0), (0.25, 0.125)]
    frame = json.loads((tmp_path / "jsonl").read_text())
    assert frame["looked_at"] is False
    assert [face["track_id"] for face in frame["faces"]] == [7, 9]
    assert [(face["sharpness"], face["pose"]) for face in frame["faces"]] == [(0.875, 1.0), (0.25, 0.125)]
    assert ["embedding" in face for face in frame["faces"]] == [True, False]
    with h5py.File(tmp_path / "hdf5") as file:
        assert (file["face_nums"][:].tolist(), file["track_ids"][:].tolist()) == ([0], [7])


def test_without_a_face_every_table_is_there_and_empty(tmp_path: Path) -> None:
    for name, make in TABLES.items():
        commit(make(tmp_path / name))
    assert csv_rows(tmp_path / "csv") == []
    assert pq.read_table(tmp_path / "parquet").num_rows == 0
    assert (tmp_path / "jsonl").read_text() == ""
    with h5py.File(tmp_path / "hdf5") as file:
        assert file["embeddings"].shape == (0, DIMENSION)
        assert file["frame_nums"].shape == file["face_nums"].shape == (0,)


@pytest.mark.parametrize("name", ["parquet", "hdf5"])
def test_missing_embeddings_are_a_mistake_where_they_are_due(tmp_path: Path, name: str) -> None:
    table = TABLES[name](tmp_path / name)
    with pytest.raises(ValueError, match="embeddings"):
        table.append(observation(0, 1, dimension=None), "")
    table.discard()


def fill(table: Table) -> None:
    for index in range(4000):
        table.append(observation(index, 4), "clip")
    table.seal()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Stands in for a full disk: write(2) fails in the same place, with EFBIG for ENOSPC."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [100, 100_000])
@pytest.mark.parametrize("name", TABLES)
def test_where_there_is_no_room_the_error_names_the_file_and_nothing_is_left(
    tmp_path: Path, name: str, size: int
) -> None:
    with file_size_limit(size):
        table = TABLES[name](tmp_path / name)
        with pytest.raises(OutputFailed, match=rf"{name}: .*write elsewhere"):
            fill(table)
        table.discard()
    assert not list(tmp_path.iterdir())
