"""What a scan leaves can be read again from its tables, and nothing else is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from stages.frames import Faces, Frame, Identity, Observation
from stages.sink.folder import FolderSink
from stages.sink.metadata import RunDescription
from stages.sink.source_sinks import SourceSinks
from stages.sources import SourceEnded, VideoInfo
from tests.unit.stages.sink.scenes import PlainPicture
from visage.scanning import Findings, FindingsSink, read_findings

INFO = VideoInfo(source_id="film", uri="film.mp4", width=64, height=48, fps=25.0, frame_count=1000)


def look(index: int, track_id: int | None) -> Observation:
    frame = Frame("film", index, index / 25, PlainPicture(), connection=index)
    if track_id is None:
        return Observation(frame, Faces.none())
    embedding = np.zeros((1, 4), np.float32)
    embedding[0, track_id % 4] = 1
    faces = Faces(
        boxes_xyxy=np.array([[1, 2, 3, 4]], np.float32),
        scores=np.array([0.9], np.float32),
        landmarks=np.zeros((1, 5, 2), np.float32),
        embeddings=embedding,
        track_ids=np.array([track_id]),
        quality=np.array([0.5], np.float32),
        propagated=np.array([False]),
        identities=(Identity("p1", "Ada", 0.75, index / 25),),
    )
    return Observation(frame, faces, ended_tracks=(track_id - 1,))


def scan(folder: Path, run: RunDescription) -> Findings:
    findings = Findings()
    sinks = SourceSinks()
    sinks.open(lambda: [FolderSink(folder, run), FindingsSink(findings)], INFO)
    for observation in (look(0, 1), look(250, None), look(500, 2)):
        sinks.write(observation)
    sinks.close(SourceEnded("film", 1000, frames_skipped=997))
    return findings


def run_of(*, is_scan: bool, **more: object) -> RunDescription:
    return RunDescription("yunet", "sface", 4, tracks=True, is_scan=is_scan, **more)  # type: ignore[arg-type]


def test_findings_read_from_the_tables_are_those_that_were_collected(tmp_path: Path) -> None:
    collected = scan(tmp_path / "out", run_of(is_scan=True))
    read = read_findings(tmp_path / "out")
    assert read is not None
    assert (read.looks, read.fps) == (collected.looks, collected.fps) == ([0, 250, 500], 25.0)
    for one, other in zip(read.faces, collected.faces, strict=True):
        assert (one.first_frame, one.last_frame, one.name) == (other.first_frame, other.last_frame, other.name)
        assert one.similarity == 0.75
        np.testing.assert_array_equal(one.embedding, other.embedding)
    assert [face.first_frame for face in read.faces] == [0, 500]


def test_metadata_says_how_much_was_decoded_and_where_it_is_exact(tmp_path: Path) -> None:
    scan(tmp_path / "out", run_of(is_scan=True, spans={"film": ((200, 300), (900, 10**12))}))
    metadata = json.loads((tmp_path / "out" / "metadata.json").read_text())
    assert metadata["scan"] == {
        "share_decoded": 0.003,
        "exact_frames": [[200, 300], [900, 999]],
        "looks": "0 500",
    }
    assert metadata["framecount"] == 1000


def test_results_of_whole_runs_and_broken_ones_are_no_findings(tmp_path: Path) -> None:
    scan(tmp_path / "out", run_of(is_scan=False))
    assert json.loads((tmp_path / "out" / "metadata.json").read_text())["scan"] is None
    assert read_findings(tmp_path / "out") is None
    assert read_findings(tmp_path / "nowhere") is None
    scan(tmp_path / "cut", run_of(is_scan=True))
    (tmp_path / "cut" / "tracks.parquet").write_bytes(b"PAR1")
    assert read_findings(tmp_path / "cut") is None
