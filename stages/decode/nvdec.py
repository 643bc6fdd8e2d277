"""Decoding on the card: FFmpeg's own demuxing and numbering, with NVDEC behind the codec.

What NVDEC decodes (H.264, HEVC, VP9, AV1 and older codecs, 8 and 10 bit, within the card's limits) stays on the card.
FFmpeg decodes everything else on the CPU, by itself and also in the middle of a stream, and `DeviceAdmission` uploads
it; its `on_upload` says so once.
"""

from __future__ import annotations

import threading

from av.codec.hwaccel import HWAccel

from stages.buffers.cuda import CudaDevice
from stages.decode.demux import InputOptions
from stages.decode.video import VideoSource
from stages.errors import NotAVideo, SourceUnreadable
from stages.imaging.device.admission import DeviceAdmission
from stages.sources import VideoInfo

__all__ = ["NvdecSource"]

# On an H200, opening 14 files at once took longer in all than a few at a time: FFmpeg and the driver take turns.
_OPENINGS = threading.BoundedSemaphore(3)
# A server that does not answer must not keep other sources from opening.
_OPENING_WAIT_SECONDS = 5.0


class NvdecSource(VideoSource):
    """A `VideoSource` whose pictures are on a card."""

    def __init__(
        self,
        device: CudaDevice,
        *,
        source_id: str,
        uri: str,
        admission: DeviceAdmission,
        frameskip: int = 1,
        delivers_all: bool = False,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        is_live: bool = False,
        input_options: InputOptions | None = None,
        turn_degrees: int = 0,
    ) -> None:
        """See `VideoSource`. `device` was made before anything else used the card: its context's flags are FFmpeg's."""
        super().__init__(
            source_id=source_id,
            uri=uri,
            admission=admission,
            frameskip=frameskip,
            delivers_all=delivers_all,
            start_seconds=start_seconds,
            end_seconds=end_seconds,
            is_live=is_live,
            input_options=input_options,
            turn_degrees=turn_degrees,
            # With one, NVDEC stands still while this source's thread waits for the interpreter: 16 videos in four
            # processes on an H100 came to 0.89 of what the decoders do alone with one, to 0.93 with two.
            decoder_threads=2,
            hwaccel=HWAccel("cuda", device=str(device.ordinal), allow_software_fallback=True, is_hw_owned=True),
        )

    def open(self) -> VideoInfo:
        """See `VideoSource.open`. What can't be opened for NVDEC is opened for the CPU."""
        may_open = _OPENINGS.acquire(timeout=_OPENING_WAIT_SECONDS)
        try:
            try:
                return super().open()
            except (NotAVideo, SourceUnreadable) as error:
                # FFmpeg has no software behind its own AV1 decoder, which is taken for the card's sake, and a card may
                # have no session left. A server that can't be reached is not asked twice.
                if self._is_live and isinstance(error, SourceUnreadable):
                    raise
                self._hwaccel = None
                return super().open()
        finally:
            if may_open:
                _OPENINGS.release()
