"""Decoding on the card: FFmpeg's own demuxing and numbering, with NVDEC behind the codec.

What NVDEC decodes (H.264, HEVC, VP9, AV1 and older codecs, 8 and 10 bit, within the card's limits) stays on the card.
FFmpeg decodes everything else on the CPU, by itself and also in the middle of a stream, and `DeviceAdmission` uploads
it; its `on_upload` says so once.
"""

from __future__ import annotations

import threading

from av.codec.hwaccel import HWAccel

from stages.buffers.cuda import CudaDevice
from stages.decode.source_options import SourceOptions
from stages.decode.video import VideoSource
from stages.imaging.device.admission import DeviceAdmission
from stages.sources import VideoInfo

__all__ = ["NvdecSource"]

# On an H200, opening 14 files at once took longer in all than a few at a time: FFmpeg and the driver take turns.
_OPENINGS = threading.BoundedSemaphore(3)
# A server that does not answer must not keep other sources from opening.
_OPENING_WAIT_SECONDS = 5.0


class NvdecSource(VideoSource):
    """A `VideoSource` with pictures in device memory."""

    def __init__(
        self,
        device: CudaDevice,
        *,
        source_id: str,
        uri: str,
        admission: DeviceAdmission,
        options: SourceOptions | None = None,
    ) -> None:
        """See `VideoSource`. `device` was made before anything else used the card: its context's flags are FFmpeg's."""
        super().__init__(
            source_id=source_id,
            uri=uri,
            admission=admission,
            options=options,
            # With one, NVDEC stands still while this source's thread waits for the interpreter: 16 videos in four
            # processes on an H100 came to 0.89 of what the decoders do alone with one, to 0.93 with two.
            decoder_threads=2,
            hwaccel=HWAccel("cuda", device=str(device.ordinal), allow_software_fallback=True, is_hw_owned=True),
        )

    def open(self) -> VideoInfo:
        """Open the video, at most three at once unless one hangs for 5 seconds. Raises SourceError."""
        may_open = _OPENINGS.acquire(timeout=_OPENING_WAIT_SECONDS)
        try:
            return super().open()
        finally:
            if may_open:
                _OPENINGS.release()
