"""A measurement in a process of its own: peak memory, thread pools and caches start clean.

    python -m visage.bench.child  <job as JSON on standard input  >result as JSON on standard output

The parent's side is `measure`. A child that fails says why in the last line of its standard error.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from visage.bench.clip import Clip
from visage.bench.measurement import Meter, Pass, StageCost, StageCosts
from visage.config import Settings
from visage.runtime.errors import RuntimeFailure

__all__ = ["MeasurementFailed", "measure", "measure_costs", "run_child"]


MEASUREMENT_SECONDS = 3600
"""Longest for one measurement: the slowest network over the bench's own clip takes minutes."""


class MeasurementFailed(RuntimeFailure):
    """Raised where a measurement could not be made; the message names it and says why."""


def measure(kind: str, settings: Settings, clip: Clip) -> Pass:
    """Make one pass: "decode", "one thread", "all cores" or "pipeline". Raises MeasurementFailed."""
    return Pass(**_call(kind, settings, clip))


def measure_costs(settings: Settings, clip: Clip) -> StageCosts:
    """Measure each stage alone. Raises MeasurementFailed."""
    result = _call("stages", settings, clip)
    stages = {name: StageCost(**cost) for name, cost in result.pop("stages").items()}
    return StageCosts(stages=stages, **result)


def run_child(title: str, arguments: Sequence[str], job: Mapping[str, object]) -> str:
    """Run this Python with a job on its standard input; return what it printed.

    Raises MeasurementFailed, which names the measurement by its title, also after `MEASUREMENT_SECONDS`.
    """
    try:
        child = subprocess.run(
            [sys.executable, *arguments],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            check=False,
            timeout=MEASUREMENT_SECONDS,
        )
    except subprocess.TimeoutExpired as exc:
        raise MeasurementFailed(
            f"the measurement {title!r} took longer than {MEASUREMENT_SECONDS} s: use fewer --frames"
        ) from exc
    if child.returncode != 0:
        lines = child.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"it ended with code {child.returncode}"
        raise MeasurementFailed(f"the measurement {title!r} failed: {reason}")
    return child.stdout


def _call(kind: str, settings: Settings, clip: Clip) -> dict[str, Any]:
    job = {
        "kind": kind,
        "clip": str(clip.path),
        "frames": clip.frames,
        "settings": settings.model_dump(mode="json"),
        "started_at": time.monotonic(),
    }
    child = run_child(kind, ["-m", __name__], job)
    result: dict[str, Any] = json.loads(child.splitlines()[-1])  # libraries may have printed before
    return result


def _do(job: dict[str, Any]) -> Pass | StageCosts:
    from visage.bench.loops import decode_alone, loop_on_all_cores, loop_on_one_thread  # noqa: PLC0415
    from visage.bench.pipelines import run_pipeline  # noqa: PLC0415
    from visage.bench.stages import measure_stages  # noqa: PLC0415

    settings = Settings(**job["settings"])
    clip, frames, kind = Path(job["clip"]), job["frames"], job["kind"]
    meter = Meter(frames, process_started_at=job["started_at"])
    passes: dict[str, Callable[[Settings, Path, Meter, Path], Pass]] = {
        "one thread": loop_on_one_thread,
        "all cores": loop_on_all_cores,
        "pipeline": run_pipeline,
    }
    with tempfile.TemporaryDirectory(prefix="visage-bench-") as scratch:
        output = Path(scratch) / "out"
        if kind == "stages":
            return measure_stages(settings, clip, frames, output)
        if kind == "decode":
            return decode_alone(settings, clip, meter)
        return passes[kind](settings, clip, meter, output)


def main() -> None:
    """Run one measurement in the child process: the job as JSON on standard input, the result on standard output."""
    try:
        result = _do(json.load(sys.stdin))
    except Exception as error:  # the process's edge
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
    sys.stdout.write(json.dumps(asdict(result)) + "\n")


if __name__ == "__main__":
    main()
