"""`metadata.json`: what the video is, how it was analysed, and how that ended.

The first nine keys are those of the C++ Visage, in its order. The file is the last of a folder's outputs to appear, so
its presence says that the others are whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from stages.errors import SourceBroken
from stages.sink.rows import spelled
from stages.sources import SourceEnded, VideoInfo
from stages.tracks.log import TrackStatistics

__all__ = ["RunDescription", "SourceCounts", "metadata_json"]


@dataclass(frozen=True, slots=True)
class RunDescription:
    """How a run analyses its sources.

    Attributes:
        detector: catalogue name.
        embedder: catalogue name, or None where only faces are detected.
        embedding_dimension: length of an embedding, or None likewise.
        frameskip: every Nth frame is looked at; "auto" where the tracks decide.
        tracks: faces have tracks.
        is_whole: sources are read from their start to their end.
        is_scan: only some of their frames are looked at: key frames, and every frame of these spans.
        spans: of each source, by id: ranges of frame indices, both ends inclusive.
        versions: of the libraries that shape the result.
        settings: everything else the run was told; fit for JSON, free of credentials.
    """

    detector: str
    embedder: str | None = None
    embedding_dimension: int | None = None
    frameskip: int | str = 1
    tracks: bool = False
    is_whole: bool = True
    is_scan: bool = False
    spans: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class SourceCounts:
    """What a sink has been given of one source so far.

    Attributes:
        looks: of a scan, the indices of the frames it looked at outside of its spans.
    """

    started: datetime
    frames: int = 0
    faces: int = 0
    frames_looked_at: int = 0
    tracks: TrackStatistics | None = None
    looks: list[int] = field(default_factory=list)


def metadata_json(
    info: VideoInfo, run: RunDescription, counts: SourceCounts, ended: SourceEnded, finished: datetime
) -> str:
    """Return the content of `metadata.json`; times in UTC."""
    is_complete = ended.error is None and not ended.interrupted
    # A container's count may be an estimate, from its duration; who has read all of it knows.
    frame_count = None if is_complete and run.is_whole else info.frame_count
    record = {
        "filepath": spelled(info.uri),
        "width": info.width,
        "height": info.height,
        "fps": None if info.fps is None else round(info.fps, 3),
        "detector": run.detector,
        "embedder": run.embedder,
        "framecount": ended.frames_decoded if frame_count is None else frame_count,
        "frameskip": run.frameskip,
        "codec": info.codec,
        "duration": info.duration_seconds,
        "rotation": info.rotation_degrees,
        "pixel_aspect": info.pixel_aspect,
        "decoder": info.decoder,
        "frames_decoded": ended.frames_decoded,
        "frames_looked_at": counts.frames_looked_at,
        "frames_followed": counts.frames - counts.frames_looked_at,
        "scan": _scan(info, run, counts, ended) if run.is_scan else None,
        "faces": counts.faces,
        "tracks": _tracks(counts.tracks),
        "complete": is_complete,
        "interrupted": ended.interrupted,
        "error": _error(ended.error),
        "started": counts.started.isoformat(timespec="seconds"),
        "finished": finished.isoformat(timespec="seconds"),
        "versions": dict(run.versions),
        "settings": dict(run.settings),
    }
    return json.dumps(record, indent=2) + "\n"


def _scan(info: VideoInfo, run: RunDescription, counts: SourceCounts, ended: SourceEnded) -> dict[str, object]:
    """How much was decoded, where every frame was, and which frames were looked at elsewhere, as text for brevity."""
    last = max(ended.frames_decoded - 1, 0)
    passed = ended.frames_decoded
    return {
        "share_decoded": round(1 - ended.frames_skipped / passed, 4) if passed else 0.0,
        "exact_frames": [[first, min(end, last)] for first, end in run.spans.get(info.source_id, ()) if first <= last],
        "looks": " ".join(map(str, counts.looks)),
    }


def _tracks(tracks: TrackStatistics | None) -> dict[str, object] | None:
    if tracks is None:
        return None
    return {
        "count": tracks.tracks,
        "mean_seconds": round(tracks.mean_seconds, 3),
        "suspected_switches": tracks.suspected_switches,
    }


def _error(error: Exception | None) -> dict[str, object] | None:
    if error is None:
        return None
    where = {"frame_num": error.frame_index, "timestamp": error.pts_seconds} if isinstance(error, SourceBroken) else {}
    return {"message": str(error), **where}
