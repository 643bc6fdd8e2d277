"""What a stage is: something that turns a batch into a batch, in order, on one thread.

A stage is opened, used and closed by one thread. It keeps no reference to what it returned. If `process` or
`end_source` raises, the stage is broken and its owner closes it: what can go wrong with one source alone goes wrong in
its `FrameSource`. No frame is lost with it: see `Stage.process`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from stages.frames import Frame
from stages.sources import VideoInfo

__all__ = ["FrameSource", "Hook", "SkippingSource", "Stage"]

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class Stage(Protocol[In_contra, Out_co]):
    """One step in the processing of frames. All methods are called on one thread."""

    @property
    def name(self) -> str:
        """The stage's name in threads, metrics and errors, such as "detect"."""

    def open(self) -> None:
        """Acquire what the stage needs (compiled networks, streams), on the thread that will call `process`.

        Raises BackendError.
        """

    def process(self, batch: Sequence[In_contra]) -> Sequence[Out_co]:
        """Handle a batch that may mix sources. One result an item, in the batch's order.

        Returning hands the batch's frames over to the results; the stage may have released their pixels, if it is the
        last that needs them. If it raises, the frames stay the caller's, who releases all of them: releasing twice is
        harmless, so the stage need not say how far it came.
        """

    def end_source(self, source_id: str) -> None:
        """Forget a source that has ended. A stage holds no results back: it has returned all of the source's."""

    def close(self) -> None:
        """Release everything. Called once, also after a failure of `open` or `process`."""


class FrameSource(Protocol):
    """Where frames come from: a file, a still, a camera. Used by one thread, except for `interrupt`."""

    @property
    def frames_decoded(self) -> int:
        """Number of frames that have left the decoder so far, detected or not. Safe from any thread."""

    @property
    def frames_dropped(self) -> int:
        """Number of these frames for which no buffer was free; 0 for a source that waits. Safe from any thread."""

    def open(self) -> VideoInfo:
        """Connect and decode up to the first frame. Raises SourceError."""

    def frames(self) -> Iterator[Frame]:
        """The frames to look at, in order; the caller owns each. Raises SourceBroken where the source breaks."""

    def interrupt(self) -> None:
        """Make `frames` end soon, as if the source ended here. Safe from any thread."""

    def close(self) -> None:
        """Close the decoder, the file and the pool.

        Frames still held elsewhere stay valid until their owner releases them.
        """


@runtime_checkable
class SkippingSource(Protocol):
    """A frame source that may leave most of its frames undecoded, when it is scanned."""

    @property
    def frames_skipped(self) -> int:
        """Number of `FrameSource.frames_decoded` that were passed without being decoded. Safe from any thread."""


class Hook(Protocol):
    """Watches a stage; the runtime calls it on the stage's thread, so it must return quickly."""

    def on_batch(self, stage: str, size: int, seconds: float) -> None:
        """Called after each batch with the number of items and the seconds it took."""
