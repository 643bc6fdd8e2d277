"""`rotate: auto`: finds out how a file's pictures are turned from the faces in them, before the file is analysed.

Some pictures of the file are looked at in four turns. Every face that can be recognised in one of them says by its
landmarks how the picture lies; the one detector alone can't say it, since it lays upright landmarks over faces that are
upside down. Without enough faces of one mind the file is taken as it is. The networks run on the processors, as for
enrolment, and are loaded for the first such file.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from itertools import islice

from stages.contract import FrameSource, SkippingSource, Stage
from stages.embed.second_look import rolls_degrees
from stages.errors import SourceError
from stages.frames import Frame, Observation
from stages.sources import VideoInfo
from visage.assembly.plan import ModelPlan
from visage.config import Settings
from visage.config.sources import SourceSpec

__all__ = ["TurnFinder", "TurnedSource", "turned_source"]

MAX_PICTURES = 24
INTERVAL = 12
"""Of a film's first pictures every so many are looked at, until there are enough faces: ten seconds of it at most."""

ENOUGH_FACES = 5
"""Recognisable faces that end the search."""

MAJORITY = 0.7
"""Share of the recognisable faces that have to lie the same way."""


class TurnFinder:
    """Finds the turn of files. Calls are serialised; from any thread."""

    def __init__(self, settings: Settings) -> None:
        updates = {
            "device": "cpu",
            "backend": settings.backend if settings.backend in ("openvino", "onnxruntime") else "auto",
            "precision": "auto",
            "track": False,
            "propagate": False,
            "embed": "all",
            "frameskip": INTERVAL,
            "scan": False,
            "refine": None,
            "rotate": 0,
        }
        self._settings = settings.model_copy(update=updates)
        self._lock = threading.Lock()
        self._owned = contextlib.ExitStack()
        self._networks: _Networks | None = None

    def degrees(self, spec: SourceSpec, *, is_interrupted: Callable[[], bool] = lambda: False) -> int:
        """The clockwise turn after which most faces are upright: 0, 90, 180 or 270; 0 where nothing is sure.

        Raises ModelError, BackendError. What is wrong with the file is left for its analysis to say.
        """
        votes: Counter[int] = Counter()
        with self._lock, contextlib.suppress(SourceError), contextlib.closing(self._rolls(spec)) as rolls:
            for roll in rolls:
                # A mouth that points to the left, 90, is put below by a clockwise turn of 270.
                votes[-round(roll / 90) * 90 % 360] += 1
                if sum(votes.values()) >= ENOUGH_FACES or is_interrupted():
                    break
        if not votes:
            return 0
        turn, count = votes.most_common(1)[0]
        return turn if count >= MAJORITY * sum(votes.values()) else 0

    def close(self) -> None:
        """Close the networks. Safe to call more than once."""
        self._networks = None
        self._owned.close()

    def _rolls(self, spec: SourceSpec) -> Generator[float, None, None]:
        """Of each recognisable face the direction from the eyes to the mouth, see `rolls_degrees`."""
        networks = self._networks = self._networks or _Networks(self._settings, self._owned)
        with contextlib.closing(networks.open_source(spec)) as source:
            source.open()
            for frame in islice(source.frames(), MAX_PICTURES):
                try:
                    (seen,) = networks.embed.process(networks.detect.process([replace(frame, is_still=True)]))
                finally:
                    frame.release()
                faces = seen.faces
                if faces.landmarks is None or faces.embeddings is None:
                    return
                yield from rolls_degrees(faces.landmarks[faces.embeddings.any(axis=1)], frame.picture.pixel_aspect)


class TurnedSource:
    """A file that is opened once its turn is known.

    Implements `stages.contract.FrameSource`; owns the source within.
    """

    def __init__(
        self, find_turn: Callable[[Callable[[], bool]], int], open_turned: Callable[[int], FrameSource]
    ) -> None:
        """
        Args:
            find_turn: gives the degrees; is given what says that it should hurry.
            open_turned: makes the source that turns its pictures by the given degrees.
        """
        self._find_turn = find_turn
        self._open_turned = open_turned
        self._source: FrameSource | None = None
        self._is_interrupted = False

    def __repr__(self) -> str:
        return f"<TurnedSource {self._source or 'not yet open'}>"

    @property
    def frames_decoded(self) -> int:
        """See `FrameSource`; 0 before the source is open."""
        return 0 if self._source is None else self._source.frames_decoded

    @property
    def frames_skipped(self) -> int:
        """See `SkippingSource`; 0 before the source is open."""
        return self._source.frames_skipped if isinstance(self._source, SkippingSource) else 0

    @property
    def frames_dropped(self) -> int:
        """See `FrameSource`; 0 before the source is open."""
        return 0 if self._source is None else self._source.frames_dropped

    def open(self) -> VideoInfo:
        """Find the turn, then open the source. Raises SourceError, BackendError."""
        self._source = self._open_turned(self._find_turn(lambda: self._is_interrupted))
        if self._is_interrupted:
            self._source.interrupt()
        return self._source.open()

    def frames(self) -> Iterator[Frame]:
        """See `FrameSource`. Raises ValueError if the source is not open."""
        if self._source is None:
            raise ValueError("the source is not open")
        return self._source.frames()

    def interrupt(self) -> None:
        """See `FrameSource`. Safe from any thread, also before `open`, whose search for the turn it ends."""
        self._is_interrupted = True
        if self._source is not None:
            self._source.interrupt()

    def close(self) -> None:
        """See `FrameSource`. Closes the source within, if it was opened."""
        if self._source is not None:
            self._source.close()


def turned_source(
    settings: Settings,
    spec: SourceSpec,
    finder: TurnFinder,
    open_turned: Callable[[int], FrameSource],
    *,
    is_file: bool = True,
) -> FrameSource:
    """Return the source, turned as it or the settings require, not yet open.

    With `auto`, a source that is not a file is not turned.
    """
    turn = settings.rotate if spec.rotate is None else spec.rotate
    if turn != "auto":
        return open_turned(turn)
    if spec.is_live or not is_file:
        return open_turned(0)
    return TurnedSource(lambda is_interrupted: finder.degrees(spec, is_interrupted=is_interrupted), open_turned)


class _Networks:
    """What pictures are looked at with, until `owned` is closed."""

    def __init__(self, settings: Settings, owned: contextlib.ExitStack) -> None:
        from visage.assembly.host import HostPlatform  # noqa: PLC0415 - whose platform has a finder itself

        platform = HostPlatform(settings, ModelPlan.of(settings))
        owned.callback(platform.close)
        self.detect: Stage[Frame, Observation] = platform.detect_stage(release_pixels=False)
        owned.callback(self.detect.close)
        self.embed: Stage[Observation, Observation] = platform.embed_stage(release_pixels=False)
        owned.callback(self.embed.close)
        self.detect.open()
        self.embed.open()
        self._platform = platform

    def open_source(self, spec: SourceSpec) -> FrameSource:
        return self._platform.frame_source(spec.model_copy(update={"rotate": 0}), concurrent=1)
