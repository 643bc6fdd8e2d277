"""Every format tells the same faces, whatever they are."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stages.frames import Faces, Frame, Observation
from stages.sink.csv import FORMULA, CsvTable
from stages.sink.hdf5 import EmbeddingsFile
from stages.sink.jsonl import JsonLinesTable
from stages.sink.parquet import ParquetTable
from stages.sink.rows import Table

DIMENSION = 3

pixels = st.floats(-4096, 16384, width=32)
embedded = st.floats(0.125, 1, width=32)  # all zero means not embedded
sources = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


class NoPicture:
    width = height = 1
    pixel_aspect = 1.0

    def release(self) -> None:
        """Nothing is held."""


@st.composite
def observations(draw: st.DrawFn) -> list[Observation]:
    counts = draw(st.lists(st.integers(0, 4), max_size=6))
    return [
        Observation(
            Frame("clip", index, draw(st.floats(0, 1e5)), NoPicture()),
            Faces(
                boxes_xyxy=draw(arrays(np.float32, (count, 4), elements=pixels)),
                scores=draw(arrays(np.float32, count, elements=st.floats(0, 1, width=32))),
                landmarks=draw(arrays(np.float32, (count, 5, 2), elements=pixels)),
                embeddings=draw(arrays(np.float32, (count, DIMENSION), elements=embedded)),
                track_ids=draw(arrays(np.int64, count, elements=st.integers(1, 2**31 - 1))),
                quality=draw(arrays(np.float32, count, elements=st.floats(0, 1, width=32))),
                propagated=draw(arrays(np.bool_, count)),
            ),
        )
        for index, count in enumerate(counts)
    ]


@settings(max_examples=50)
@given(observations(), sources)
def test_every_format_tells_the_same_faces(items: list[Observation], source: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables: list[Table] = [
            CsvTable(folder / "csv", with_source=True),
            ParquetTable(folder / "parquet", embedding_dimension=DIMENSION),
            JsonLinesTable(folder / "jsonl"),
            EmbeddingsFile(folder / "hdf5", dimension=DIMENSION),
        ]
        for table in tables:
            for item in items:
                table.append(item, source)
            table.seal()
            table.publish()
        with (folder / "csv").open(newline="", encoding="utf-8") as file:
            as_csv = list(csv.DictReader(file))
        as_parquet = pq.read_table(folder / "parquet").to_pylist()
        frames = [json.loads(line) for line in (folder / "jsonl").read_text().splitlines()]
        with h5py.File(folder / "hdf5") as hdf5:
            embeddings, frame_nums, face_nums = (hdf5[key][:] for key in ("embeddings", "frame_nums", "face_nums"))
            tracks_in_hdf5 = hdf5["track_ids"][:].tolist()

    expected = [(item.frame.index, number) for item in items for number in range(len(item.faces))]
    assert [(int(row["frame_num"]), int(row["face_num"])) for row in as_csv] == expected
    assert [(row["frame_num"], row["face_num"]) for row in as_parquet] == expected
    assert list(zip(frame_nums.tolist(), face_nums.tolist(), strict=True)) == expected
    assert [frame["frame_num"] for frame in frames] == [item.frame.index for item in items]
    assert {row["source"] for row in [*as_parquet, *frames]} <= {source}
    assert {row["source"] for row in as_csv} <= {f"'{source}" if source.startswith(FORMULA) else source}

    as_json = [face for frame in frames for face in frame["faces"]]
    faces = [(item, number) for item in items for number in range(len(item.faces))]
    for row, (item, number) in enumerate(faces):
        box, embedding = item.faces.boxes_xyxy[number], item.faces.embeddings
        assert embedding is not None
        for found in (
            as_csv[row],
            as_parquet[row],
            dict(zip(("x1", "y1", "x2", "y2"), as_json[row]["box"], strict=True)),
        ):
            np.testing.assert_allclose([float(found[key]) for key in ("x1", "y1", "x2", "y2")], box, atol=0.0051)
        for score in (as_csv[row]["confidence"], as_parquet[row]["confidence"], as_json[row]["confidence"]):
            np.testing.assert_allclose(float(score), item.faces.scores[number], atol=5.1e-7)
        assert "e" not in as_csv[row]["confidence"]
        np.testing.assert_allclose(float(as_csv[row]["timestamp"]), item.frame.pts_seconds, atol=5.1e-7)
        np.testing.assert_array_equal(embeddings[row], embedding[number])
        assert item.faces.track_ids is not None
        assert item.faces.quality is not None
        assert item.faces.propagated is not None
        track, is_propagated = int(item.faces.track_ids[number]), bool(item.faces.propagated[number])
        assert tracks_in_hdf5[row] == as_parquet[row]["track_id"] == as_json[row]["track_id"] == track
        assert int(as_csv[row]["track_id"]) == track
        assert as_parquet[row]["propagated"] == as_json[row]["propagated"] == is_propagated
        assert as_csv[row]["propagated"] == str(int(is_propagated))
        for found_quality in (as_csv[row]["quality"], as_parquet[row]["quality"], as_json[row]["quality"]):
            np.testing.assert_allclose(float(found_quality), item.faces.quality[number], atol=5.1e-5)
        np.testing.assert_array_equal(as_parquet[row]["embedding"], embedding[number])
        np.testing.assert_allclose(as_json[row]["embedding"], embedding[number], atol=5.1e-7)


ties = st.integers(-(2**20), 2**22).map(lambda number: np.float32(number / 32))  # exactly between two decimals, often
any_pixels = ties | st.floats(-1, 1, width=32) | st.floats(width=32)


@settings(max_examples=200, deadline=None)
@given(st.lists(any_pixels, min_size=4, max_size=400).filter(lambda found: len(found) % 4 == 0))
def test_columns_of_csv_are_the_bytes_of_pythons_formatting(values: list[np.float32]) -> None:
    """Whatever the numbers: halves, minus zero, infinities, larger than any picture."""
    boxes = np.array(values, np.float32).reshape(-1, 4)
    scores = np.abs(boxes[:, 0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faces.csv"
        table = CsvTable(path, is_part=True)
        with np.errstate(all="ignore"):
            table.append(Observation(Frame("clip", 7, 0.28, NoPicture()), Faces(boxes, scores)), "clip")
        table.seal()
        table.publish()
        found = path.read_text().splitlines()
    for number, (line, box, score) in enumerate(zip(found, boxes.tolist(), scores.tolist(), strict=True)):
        confidence = f"{score:.6f}".rstrip("0").rstrip(".")
        sides = ",".join(f"{side:.2f}" for side in box)
        assert line == f"7,{number},{sides},{confidence},0.28" + "," * 17
