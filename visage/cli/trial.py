"""A few frames of a face, shipped as `trial.mp4`, analysed with everything that a run does with a video.

They go through a process of their own, which may hang in a driver or be ended by a processor's missing instruction.
The clip is cut from a photograph of the White House, public domain.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visage.config.settings import Settings

__all__ = ["CLIP", "FRAMES", "TrialFailed", "try_clip"]

CLIP = Path(__file__).with_name("trial.mp4")
FRAMES = 5
TIMEOUT_SECONDS = 120
GPU_TIMEOUT_SECONDS = 900
"""With a card, networks may be built into engines first, once."""


class TrialFailed(Exception):
    """Raised when the frames could not be analysed; the text is one line for the user."""


def try_clip(settings: Settings, *, has_models: bool, has_gpu: bool, clip: Path = CLIP) -> None:
    """Decode the clip and, with models, find and embed its face. Raises TrialFailed."""
    limit = GPU_TIMEOUT_SECONDS if has_gpu else TIMEOUT_SECONDS
    # Every frame with its own embedding; the user's gallery is left alone.
    plain = settings.model_copy(update={"gallery": None, "embed": "all", "track": False, "frameskip": 1})
    command = [sys.executable, "-m", __name__, str(clip), "faces" if has_models else "frames"]
    try:
        done = subprocess.run(
            command,
            input=plain.model_dump_json(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TrialFailed(f"a clip of {FRAMES} frames was not analysed within {limit} s") from None
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise TrialFailed(f"the process that analysed a clip of {FRAMES} frames was killed by {name}")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"]
        raise TrialFailed(lines[-1].removeprefix("visage: error: "))


def _decode(clip: str) -> None:
    from stages.decode.decoder import Selection, StreamDecoder  # noqa: PLC0415
    from stages.decode.demux import Demuxer  # noqa: PLC0415

    with contextlib.closing(Demuxer(clip)) as demuxer:
        decoded = sum(1 for _ in StreamDecoder(demuxer, Selection(), threads=1).frames())
    _check("decoded", decoded)


def _find_and_embed(clip: str, settings: Settings) -> None:
    from visage.analysis import analyze  # noqa: PLC0415

    frames = list(analyze(clip, settings))
    _check("decoded", len(frames))
    _check("showed a face", sum(bool(frame.faces) for frame in frames))
    _check("gave an embedding", sum(any(face.embedding is not None for face in frame.faces) for frame in frames))


def _check(what: str, count: int) -> None:
    if count != FRAMES:
        raise TrialFailed(f"{count} of {FRAMES} frames of the clip {what}")


def _main(clip: str, what: str) -> int:
    from visage.cli.reporting import report  # noqa: PLC0415
    from visage.config.settings import Settings  # noqa: PLC0415

    try:
        if what == "frames":
            _decode(clip)
        else:
            _find_and_embed(clip, Settings.model_validate_json(sys.stdin.read()))
    except TrialFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except Exception as error:  # the process's edge
        report(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
