"""What a rendering did, for those who have to prove it: hashes, who confirmed what, versions; signed on request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import av

from visage import __version__
from visage.redaction.errors import ReportRefused
from visage.redaction.plan import Plan
from visage.redaction.planner import file_sha256
from visage.redaction.signature import SigningKey, check_signature
from visage.storage.atomic_write import atomic_write

__all__ = ["REPORT_SUFFIX", "Rendered", "check_report", "report_path", "write_report"]

FORMAT = "visage-redaction-report"
REPORT_SUFFIX = ".report.json"
REPORT_MODE = 0o644
MAX_REPORT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written.

    Attributes:
        frames: pictures in the output.
        covered: of them, those with a region covered.
        whole: of them, those covered whole.
        damaged: first and last frames of what was covered whole because the film is damaged.
        damage: why the film is not whole, or None.
    """

    frames: int
    covered: int
    whole: int
    damaged: tuple[tuple[int, int], ...]
    damage: str | None
    encoder: str
    sound: str
    has_metadata: bool


def report_path(video: Path) -> Path:
    """Return where a video's report is."""
    return video.with_name(video.name + REPORT_SUFFIX)


def write_report(plan: Plan, plan_path: Path, video: Path, done: Rendered, key: SigningKey | None) -> Path:
    """Write the report beside the video, whole or not at all; returns its path. Raises OSError."""
    report: dict[str, Any] = {
        "format": FORMAT,
        "version": 1,
        "rendered_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "input": {"name": Path(plan.source.path).name, "sha256": plan.source.sha256, "bytes": plan.source.bytes},
        "plan": {"name": plan_path.name, "sha256": file_sha256(plan_path), "made": plan.made},
        "output": {"name": video.name, "sha256": file_sha256(video), "bytes": video.stat().st_size},
        "style": plan.style.model_dump(mode="json"),
        "frames": {"written": done.frames, "covered": done.covered, "covered_whole": done.whole},
        "tracks": {
            "covered": sum(not track.keep for track in plan.tracks),
            "kept": [track.id for track in plan.tracks if track.keep],
            "drawn": [track.id for track in plan.tracks if track.origin == "reviewer"],
        },
        "uncertain": [
            {
                "id": one.id,
                "first": one.first,
                "last": one.last,
                "reasons": one.reasons,
                "confirmed_by": one.confirmed_by,
                "confirmed_at": one.confirmed_at,
            }
            for one in plan.uncertain
        ],
        "changes": [change.model_dump() for change in plan.changes],
        "damaged": {"frames": [list(span) for span in done.damaged], "reason": done.damage},
        "encoder": done.encoder,
        "sound": done.sound,
        "metadata": "copied" if done.has_metadata else "stripped",
        "versions": {
            "visage": __version__,
            "av": av.__version__,
            **{name: ".".join(map(str, version)) for name, version in av.library_versions.items()},
        },
    }
    path = report_path(video)
    content = report if key is None else key.signed(report)
    atomic_write(path, json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n", mode=REPORT_MODE)
    return path


def check_report(
    path: Path, *, public_key: str | None, source: Path | None = None, plan: Path | None = None
) -> Iterator[str]:
    """Yield a line for everything that was found true.

    Args:
        public_key: that it has to be signed with, in Base64; None for any.
        source, plan: the film and the plan; files of their names beside the report if None, where they are there.

    Raises:
        ReportRefused: something is not as the report says; OSError.
    """
    report = _read(path)
    signed_with = check_signature(report)
    if public_key is not None and signed_with != public_key:
        raise ReportRefused(f"{path}: signed with another key than the one given")
    yield f"signed with {signed_with}" + ("" if public_key else "; give --public-key to check whose key that is")
    places = {"output": path.with_name(path.name.removesuffix(REPORT_SUFFIX)), "plan": plan, "input": source}
    for part, given in places.items():
        told = report[part]
        file = given or path.with_name(told["name"])
        if not file.is_file():
            if part == "output" or given is not None:
                raise ReportRefused(f"{file}: not there; the report {path} is of it")
            yield f"{part} {told['name']}: not there, not checked"
        elif file_sha256(file) != told["sha256"]:
            raise ReportRefused(f"{file}: not the {part} that the report {path} is of")
        else:
            yield f"{part} {file.name}: {told['sha256']}"


def _read(path: Path) -> Mapping[str, Any]:
    if path.stat().st_size > MAX_REPORT_BYTES:
        raise ReportRefused(f"{path}: too large for a report; name the file that ends in {REPORT_SUFFIX}")
    try:
        report: Any = json.loads(path.read_bytes())
        if report["format"] != FORMAT or not all(
            isinstance(report[part]["name"], str) and isinstance(report[part]["sha256"], str)
            for part in ("input", "plan", "output")
        ):
            raise ValueError
    except (ValueError, KeyError, TypeError) as error:
        raise ReportRefused(f"{path}: not a report; name the file that ends in {REPORT_SUFFIX}") from error
    return dict(report)
