"""The benchmark's JSON, its targets, its comparison."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from visage.bench.record import SCHEMA, rates, read_record, targets
from visage.bench.table import print_comparison, print_record


def a_record(**changes: Any) -> dict[str, Any]:
    stage = {"cpu_seconds_per_frame": 0.01, "items_per_second": 100.0, "unit": "frames", "part_of": None}
    run = {"cpu_seconds_per_frame": 0.02, "others_cores": 0.0}
    return {
        "schema": SCHEMA,
        "machine": {"cpu": "A Processor"},
        "versions": {"visage": "1"},
        "models": {"backend": "openvino cpu bf16"},
        "settings": {"threads": 2},
        "clip": {"name": "c.mp4", "width": 64, "height": 48, "codec": "h264", "frames": 9, "faces_per_frame": 3.0},
        "cores_used": 2,
        "cpu_seconds_per_frame": 0.02,
        "limit_fps": 100.0,
        "decode_fps": 200.0,
        "sequential_fps": 50.0,
        "sequential_threaded_fps": 80.0,
        "sequential_copies_fps": 95.0,
        "pipeline_fps": 90.0,
        "detection_fps": 150.0,
        "skipping_fps": 300.0,
        "skipping_decode_fps": 200.0,
        "efficiency": 0.9,
        "first_row_seconds": 1.0,
        "peak_rss_bytes": 400 << 20,
        "long_peak_rss_bytes": None,
        "stages": {"decode": stage, "embed": stage, "align": {**stage, "part_of": "embed"}},
        "rounds": {"pipeline": [run]},
        **changes,
    }


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=100)


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, {"pipeline / loop on all cores"}),
        ({"sequential_threaded_fps": 70.0}, set()),
        ({"first_row_seconds": 2.5, "sequential_threaded_fps": 70.0}, {"seconds to the first row"}),
        (
            {"long_peak_rss_bytes": 450 << 20, "sequential_threaded_fps": 70.0},
            {"peak memory, 20 times longer / once"},
        ),
        ({"long_peak_rss_bytes": 410 << 20, "sequential_threaded_fps": 70.0}, set()),
    ],
)
def test_targets_that_are_missed_are_named(changes: dict[str, Any], missed: set[str]) -> None:
    assert {target.title for target in targets(a_record(**changes)) if not target.is_met} == missed


def test_the_table_has_stages_passes_and_ratios(console: Console) -> None:
    print_record(console, a_record())
    text = printed(console)
    assert "align (in embed)" in text
    assert "0.90 (>= 0.85)" in text
    assert "1.80 (>= 1.6)" in text
    assert "400 MiB" in text
    assert "\x1b" not in text


def test_a_comparison_gives_new_over_old_and_says_what_else_differs(console: Console) -> None:
    print_comparison(console, a_record(pipeline_fps=99.0, versions={"visage": "2"}), a_record())
    text = printed(console)
    assert any(line.split() == ["pipeline_fps", "90", "99", "1.100"] for line in text.splitlines())
    assert "not the same versions: visage" in text
    assert "not the same machine" not in text


def test_what_was_not_measured_is_not_compared() -> None:
    assert "long_peak_rss_bytes" not in rates(a_record())


@pytest.mark.parametrize("text", ["not JSON", "[]", json.dumps({"schema": SCHEMA + 1})])
def test_another_file_is_refused_with_a_reason(tmp_path: Path, text: str) -> None:
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"old\.json is not"):
        read_record(path)


def test_a_written_record_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(a_record()))
    assert read_record(path) == a_record()
