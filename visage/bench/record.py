"""The benchmark's JSON: what ran where, and how fast. Two records of one schema can be compared."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from visage import __version__
from visage.bench.clip import Clip
from visage.bench.command import command_record
from visage.bench.suite import Results
from visage.config import Settings
from visage.models import ModelStore, detector_spec, embedder_spec
from visage.observe.machine import describe_machine

__all__ = ["SCHEMA", "Target", "make_record", "rates", "read_record", "targets"]

SCHEMA = 1
"""Changes when a key changes its meaning or goes."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that a release must reach, on two cores and 1080p H.264."""

    title: str
    value: float
    goal: float
    is_upper_bound: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the value has reached the goal, or stays below it where it is an upper bound."""
        return self.value <= self.goal if self.is_upper_bound else self.value >= self.goal

    def __str__(self) -> str:
        sign = "<=" if self.is_upper_bound else ">="
        return f"{self.value:.2f} ({sign} {self.goal:g})"


def make_record(settings: Settings, clip: Clip, results: Results) -> Record:
    """Return all results as values that JSON can hold. Rates are medians, in frames a second, of the `rounds`."""
    machine = describe_machine()
    stages = results.stages()
    cpu_seconds = sum(cost.cpu_seconds_per_frame for cost in stages.values() if cost.part_of is None)
    limit_fps = settings.cpu_threads / cpu_seconds
    pipelines = results.runs["pipeline"]
    pipeline_fps = results.fps("pipeline") or 0.0
    long = results.runs.get("long")
    return {
        "schema": SCHEMA,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "system": machine.system,
            "cpu": machine.cpu,
            "cpu_features": list(machine.cpu_features),
            "cores": machine.cores,
            "usable_cores": machine.usable_cores,
            "memory_bytes": machine.memory_bytes,
        },
        "versions": {"python": machine.python, "visage": __version__, **machine.libraries},
        "models": {"backend": results.costs[0].backend, **_models(settings)},
        "settings": settings.model_dump(mode="json", exclude={"model_dir"}),
        "clip": {
            "name": clip.path.name,
            "sha256": _sha256(clip.path),
            "width": clip.width,
            "height": clip.height,
            "frames": clip.frames,
            "fps": clip.fps,
            "codec": clip.codec,
            "size_bytes": clip.size_bytes,
            "faces_per_frame": results.costs[0].faces_per_frame,
        },
        "cores_used": settings.cpu_threads,
        "cpu_seconds_per_frame": cpu_seconds,
        "limit_fps": limit_fps,
        "decode_fps": results.fps("decode"),
        "sequential_fps": results.fps("sequential"),
        "sequential_threaded_fps": results.fps("sequential_threaded"),
        "sequential_copies_fps": results.copies_fps[0],
        "pipeline_fps": pipeline_fps,
        "detection_fps": results.fps("detection") if settings.embed else pipeline_fps,
        "skipping_fps": results.fps("skipping"),
        "skipping_decode_fps": results.fps("skipping_decode"),
        "efficiency": pipeline_fps / limit_fps,
        "first_row_seconds": statistics.median(run.first_row_seconds for run in pipelines),
        "peak_rss_bytes": statistics.median(run.peak_rss_bytes for run in pipelines),
        "long_peak_rss_bytes": long[0].peak_rss_bytes if long else None,
        "commands": [command_record(replace(run, limit_fps=limit_fps)) for run in results.commands],
        "stages": {name: asdict(cost) for name, cost in stages.items()},
        "rounds": {name: [asdict(run) for run in runs] for name, runs in results.runs.items()},
    }


def targets(record: Record) -> list[Target]:
    """Return the ratios that a release must reach, computed from a record."""
    found = [
        Target("pipeline / the cores' limit", record["efficiency"], 0.85),
        Target("pipeline / loop on one thread", record["pipeline_fps"] / record["sequential_fps"], 1.6),
        Target("pipeline / loop on all cores", record["pipeline_fps"] / record["sequential_threaded_fps"], 1.15),
        Target("every 24th frame / decoding alone", record["skipping_fps"] / record["skipping_decode_fps"], 0.9),
        Target("seconds to the first row", record["first_row_seconds"], 2.0, is_upper_bound=True),
    ]
    if record["long_peak_rss_bytes"] is not None:
        growth = record["long_peak_rss_bytes"] / record["peak_rss_bytes"]
        found.append(Target("peak memory, 20 times longer / once", growth, 1.05, is_upper_bound=True))
    return found


def rates(record: Record) -> dict[str, float]:
    """Return the figures by which two records are compared: frames a second, bytes and seconds."""
    found = {name: value for name, value in record.items() if name.endswith(("_fps", "_bytes", "_seconds"))}
    found["efficiency"] = record["efficiency"]
    for run in record.get("commands", []):
        found |= {f"{run['title']}, {key}": run[key] for key in ("fps", "first_row_seconds", "tail_seconds")}
    found |= {f"{name} CPU s/frame": stage["cpu_seconds_per_frame"] for name, stage in record["stages"].items()}
    return {name: value for name, value in found.items() if value}


def read_record(path: Path) -> Record:
    """Read an earlier benchmark. Raises OSError, and ValueError if it is not one that can be compared."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON; give a file that visage bench --json wrote") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise ValueError(f"{path} is not a benchmark of this version (schema {SCHEMA}); run that one again")
    return record


def _models(settings: Settings) -> Mapping[str, Mapping[str, str]]:
    store = ModelStore(settings.model_dir)
    specs = [
        detector_spec(settings.detector, settings.model_dir),
        *([embedder_spec(settings.embedder, settings.model_dir)] if settings.embed else []),
    ]
    return {spec.task: {"name": spec.name, "sha256": _sha256(store.fetch(spec.name))} for spec in specs}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
