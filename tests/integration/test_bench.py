"""`visage bench` on a tiny clip: everything runs, in its processes, and the figures hang together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.media import Media
from visage.bench.child import MeasurementFailed, measure
from visage.bench.clip import Clip, ClipRecipe, make_clip
from visage.bench.record import SCHEMA
from visage.cli.main import main
from visage.config import Settings
from visage.models import ModelStore

TINY = ClipRecipe(width=480, height=270, frames=24, bit_rate=1_000_000)


@pytest.fixture(scope="module")
def clip(media: Media, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / TINY.file_name
    make_clip(path, TINY, media.path)
    return path


def settings_of(models: ModelStore) -> Settings:
    return Settings(model_dir=models.model_dir)


@pytest.mark.slow
@pytest.mark.timeout(300)  # 85 s on two cores without bf16, alone
def test_a_bench_measures_everything_and_writes_a_record(
    clip: Path, models: ModelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("yunet", "sface"):
        models.prepared(name)
    target = tmp_path / "bench.json"
    options = ["--rounds", "1", "--frames", "18", "--long", "--model-dir", str(models.model_dir)]
    with pytest.raises(SystemExit) as ended:
        main(["bench", str(clip), *options, "--json", str(target)])
    assert ended.value.code == 0
    record = json.loads(target.read_text())
    assert record["schema"] == SCHEMA
    assert record["clip"]["frames"] == 18
    assert record["clip"]["faces_per_frame"] == pytest.approx(3, abs=0.5)
    assert set(record["stages"]) == {"decode", "admit", "detect", "align", "embed", "sink"}
    assert record["efficiency"] == pytest.approx(record["pipeline_fps"] / record["limit_fps"])
    assert record["peak_rss_bytes"] > 50 << 20
    faces = {name: record["rounds"][name][0]["faces"] for name in ("sequential", "sequential_threaded", "pipeline")}
    assert faces["pipeline"] == pytest.approx(3 * 18, rel=0.2)
    assert len(set(faces.values())) == 1
    table = capsys.readouterr().out
    assert "pipeline / the cores' limit" in table
    assert "4 films to one table" in table
    for run, films in zip(record["commands"], (1, 4), strict=True):
        assert (run["films"], run["frames"]) == (films, films * 4 * 18)
        parts = (run["first_row_seconds"], run["between_seconds"], run["tail_seconds"])
        assert min(parts) > 0
        assert sum(parts) == pytest.approx(run["seconds"])
        assert run["fps"] < run["between_fps"]
    assert "peak memory, 20 times longer / once" in table

    with pytest.raises(SystemExit) as refused:
        main(["bench", str(clip), "--compare", str(clip)])
    assert refused.value.code == 2


def test_a_measurement_that_fails_says_which_and_why(models: ModelStore, clip: Path, tmp_path: Path) -> None:
    gone = Clip(tmp_path / "gone.mp4", 24, 480, 270, 24.0, "h264", 0)
    with pytest.raises(MeasurementFailed, match=r"'pipeline' failed: SourceNotFound: .*gone\.mp4 does not exist"):
        measure("pipeline", settings_of(models), gone)
