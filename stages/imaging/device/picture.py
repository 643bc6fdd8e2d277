"""A picture in device memory: NV12 or P010 as the decoder left it, in a leased buffer.

A chain of events orders its use without blocking a thread: `ready` follows the copy from the decoder; each consumer's
stream waits for the event before it, reads, and records the next; the buffer goes back after the last one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from stages.buffers import HOST_EVENT, Event, Lease, Stream
from stages.buffers.device import DeviceArray
from stages.frames import Picture
from stages.imaging.colour import Encoding, YuvSamples
from stages.imaging.orientation import Orientation

__all__ = ["DevicePicture", "SurfaceLayout", "await_last_uses", "mark_used"]


@dataclass(frozen=True, eq=False)
class SurfaceLayout:
    """How a picture lies in its buffer: rows of luma, then rows of interleaved U and V, all `pitch` apart.

    Compared by identity: a source's pictures share theirs, and what is derived from it is remembered for it.

    Attributes:
        width, height: luma samples, before rotation. Chroma has half of each, rounded up.
        pitch: bytes from a row to the next; at least `row_bytes`, and a multiple of 4: kernels read U and V together.
        samples: `colour.NV12` or `colour.P010`.
        encoding: matrix and range.
        orientation: how to turn the stored picture so that it is upright.
        chroma_row: the row at which U and V begin; 0: right after the luma. Decoders leave rows between, which are
            copied along: one block is copied at once.
    """

    width: int
    height: int
    pitch: int
    samples: YuvSamples
    encoding: Encoding
    orientation: Orientation
    chroma_row: int = 0

    def __post_init__(self) -> None:
        if not self.samples.is_semi_planar:
            raise ValueError(f"a surface has U and V interleaved, unlike {self.samples}")
        if self.pitch < self.row_bytes or self.pitch % 4:
            raise ValueError(f"pitch {self.pitch} is not a multiple of 4, or less than a row's {self.row_bytes} bytes")

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample: 1 for NV12, 2 for P010."""
        return self.samples.sample_bytes

    @property
    def row_bytes(self) -> int:
        """Bytes of a row that hold samples: an even number of them, for U and V come in pairs."""
        return (self.width + self.width % 2) * self.sample_bytes

    @cached_property
    def chroma_rows(self) -> int:
        """Number of rows of interleaved U and V."""
        return (self.height + 1) // 2

    @cached_property
    def chroma_offset(self) -> int:
        """Bytes from the first luma sample to the first U."""
        return self.pitch * (self.chroma_row or self.height)

    @cached_property
    def nbytes(self) -> int:
        """Bytes that a picture takes in its buffer, padding included."""
        return self.chroma_offset + self.pitch * self.chroma_rows

    @cached_property
    def upright_size(self) -> tuple[int, int]:
        """The (width, height) of the upright picture, in pixels."""
        return self.orientation.upright_size(self.width, self.height)

    @cached_property
    def upright_pixel_aspect(self) -> float:
        """Width of a pixel of the picture as it is seen over its height."""
        return self.orientation.upright_pixel_aspect


class DevicePicture:
    """One frame's pixels on the card. One owner at a time; not for two threads at once."""

    __slots__ = ("_buffer", "_last_use", "_lease", "_ready", "height", "layout", "width")

    def __init__(self, lease: Lease[DeviceArray], layout: SurfaceLayout, ready: Event) -> None:
        """
        Args:
            lease: of a buffer of at least `layout.nbytes` bytes; the picture gives it back.
            ready: follows the copy that fills it.
        """
        self._buffer = lease.buffer
        if self._buffer.nbytes < layout.nbytes:
            raise ValueError(f"a buffer of {self._buffer.nbytes} bytes can't hold a picture of {layout.nbytes}")
        self._lease = lease
        self._last_use = self._ready = ready
        self.layout = layout
        self.width, self.height = layout.upright_size

    def __repr__(self) -> str:
        state = "held" if self._lease.is_active else "released"
        return f"<DevicePicture {self.width}x{self.height}, {self.layout.samples.bits} bit, {state}>"

    @classmethod
    def of(cls, picture: Picture) -> DevicePicture:
        """The picture, if it is on a card. Raises TypeError for one in host memory."""
        if not isinstance(picture, cls):
            raise TypeError(f"{type(picture).__name__} is not on the card; use the imaging that belongs to it")
        return picture

    @property
    def pixel_aspect(self) -> float:
        """Width of a pixel over its height, upright."""
        return self.layout.upright_pixel_aspect

    @property
    def luma(self) -> int:
        """Device address of the first luma sample. Raises PoolClosed after `release`."""
        return self._lease.buffer.pointer

    @property
    def last_use(self) -> Event:
        """Before reading, let your stream wait for this: whoever wrote or read the picture last."""
        return self._last_use

    def used_until(self, event: Event) -> None:
        """After reading: the buffer may be overwritten once `event` has passed."""
        self._last_use = event

    def release(self) -> None:
        """Give the buffer back, to be overwritten once the last reader is through. Safe to call twice."""
        # One that was never read needs no wait: the next copy into it comes after this one on the same stream.
        self._lease.release(after=HOST_EVENT if self._last_use is self._ready else self._last_use)


def await_last_uses(pictures: Iterable[DevicePicture], stream: Stream) -> None:
    """Make the stream wait for the last use of each picture; to be called before reading them."""
    # Pictures that shared a batch share its event.
    for event in {picture.last_use for picture in pictures}:
        stream.wait(event)


def mark_used(pictures: Iterable[DevicePicture], stream: Stream) -> None:
    """Mark the pictures as in use until the stream has passed this point; to be called after reading them."""
    event = stream.record()
    for picture in pictures:
        picture.used_until(event)
