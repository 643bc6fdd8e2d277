"""NVDEC against the software decoder: the codecs are exactly defined, so every sample must be the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import CudaStream
from stages.decode.nvdec import NvdecSource
from stages.decode.source_options import SourceOptions
from stages.decode.video import VideoSource
from stages.errors import SourceBroken
from stages.frames import Frame
from stages.imaging.device.admission import DeviceAdmission
from stages.imaging.device.picture import DevicePicture
from stages.imaging.host.admission import HostAdmission
from stages.imaging.host.picture import HostPicture
from stages.imaging.letterbox import DetectorInput
from stages.sources import VideoInfo
from tests.clips import picture, write_clip

CAPACITY = 4


class Downloader:
    """Reads device pictures back: (height, width) luma and (rows, columns, 2) chroma code values."""

    def __init__(self, device: CudaDevice, stream: CudaStream) -> None:
        self._device = device
        self._stream = stream
        self._pinned = device.allocate_pinned((1 << 24,))

    def read(self, shown: DevicePicture) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        layout = shown.layout
        self._stream.wait(shown.last_use)
        self._stream.download(shown._lease.buffer, self._pinned, layout.nbytes)
        self._stream.synchronize()
        rows = np.asarray(self._pinned.array[: layout.nbytes], np.uint8).reshape(-1, layout.pitch)
        samples = rows[:, : layout.row_bytes].copy().view(layout.samples.dtype) >> layout.samples.shift
        luma, chroma = samples[: layout.height, : layout.width], samples[layout.chroma_offset // layout.pitch :]
        return luma.astype(np.uint16), chroma.reshape(layout.chroma_rows, -1, 2).astype(np.uint16)

    def close(self) -> None:
        self._device.free_pinned(self._pinned)


@pytest.fixture
def downloader(device: CudaDevice, stream: CudaStream) -> Iterator[Downloader]:
    downloader = Downloader(device, stream)
    yield downloader
    downloader.close()


def host_samples(shown: HostPicture) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """The software decoder's planes, as `Downloader.read` gives them."""
    height, width = shown.frame.height, shown.frame.width
    dtype = np.uint8 if shown.frame.format.components[0].bits == 8 else np.uint16
    luma, cb, cr = (
        np.frombuffer(plane, dtype).reshape(plane.height, -1)  # type: ignore[call-overload]
        for plane in shown.frame.planes
    )
    columns = (width + 1) // 2
    chroma = np.stack([cb[:, :columns], cr[:, :columns]], axis=-1)
    return luma[:height, :width].astype(np.uint16), chroma.astype(np.uint16)


def on_card(device: CudaDevice, path: Path, **options: float) -> tuple[NvdecSource, DeviceAdmission]:
    admission = DeviceAdmission(device, capacity=CAPACITY)
    chosen = SourceOptions(**options)  # type: ignore[arg-type]
    return NvdecSource(device, source_id="clip", uri=str(path), admission=admission, options=chosen), admission


def on_host(path: Path, **options: float) -> VideoSource:
    admission = HostAdmission(DetectorInput(), capacity=CAPACITY)
    chosen = SourceOptions(**options)  # type: ignore[arg-type]
    return VideoSource(source_id="clip", uri=str(path), admission=admission, options=chosen)


def timeline(source: VideoSource) -> list[tuple[int, float]]:
    """(index, seconds) of all frames; each is released at once."""
    source.open()
    seen: list[tuple[int, float]] = []
    try:
        for frame in source.frames():
            seen.append((frame.index, frame.pts_seconds))
            frame.release()
    finally:
        source.close()
    return seen


CODECS = [
    ("libx264", "yuv420p", "mp4"),
    ("libx265", "yuv420p", "mp4"),
    ("libx265", "yuv420p10le", "mp4"),
    ("libvpx-vp9", "yuv420p", "webm"),
    ("libsvtav1", "yuv420p", "mp4"),
    ("libsvtav1", "yuv420p10le", "mkv"),
]


def assert_same_description(on_card: VideoInfo, on_host: VideoInfo) -> None:
    """Both describe the same video; each names its own decoder."""
    assert replace(on_card, decoder=on_host.decoder) == on_host
    assert on_card.decoder in (f"{on_host.decoder} on cuda", on_host.decoder)


@pytest.mark.parametrize(("codec", "pix_fmt", "suffix"), CODECS)
def test_every_sample_is_the_software_decoder_s(
    codec: str, pix_fmt: str, suffix: str, device: CudaDevice, downloader: Downloader, tmp_path: Path
) -> None:
    images = [picture(number, 640, 360) for number in range(20)]
    path = write_clip(tmp_path / f"clip.{suffix}", images=images, codec=codec, pix_fmt=pix_fmt)
    source, admission = on_card(device, path)
    reference = on_host(path)
    assert_same_description(source.open(), reference.open())
    count = 0
    for found, expected in zip(source.frames(), reference.frames(), strict=True):
        assert (found.index, found.pts_seconds) == (expected.index, expected.pts_seconds)
        assert isinstance(found.picture, DevicePicture)
        assert isinstance(expected.picture, HostPicture)
        assert found.picture.layout.encoding == expected.picture.encoding
        for samples, wanted in zip(downloader.read(found.picture), host_samples(expected.picture), strict=True):
            np.testing.assert_array_equal(samples, wanted)
        found.release()
        expected.release()
        count += 1
    if codec == "libsvtav1" and admission.frames_uploaded == count:
        pytest.skip("the NVDEC of this card takes no AV1: it was decoded on the CPU, every sample the same")
    assert (count, admission.frames_copied, admission.frames_uploaded) == (20, 20, 0)
    source.close()
    reference.close()


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [("libx264", "yuv422p"), ("libx264", "yuv444p"), ("libx264", "yuv420p10le"), ("ffv1", "yuv420p")],
)
def test_what_nvdec_can_t_decode_is_decoded_on_the_cpu_and_said_once(
    codec: str, pix_fmt: str, device: CudaDevice, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "clip.mkv", frames=8, codec=codec, pix_fmt=pix_fmt)
    told: list[str] = []
    admission = DeviceAdmission(device, capacity=CAPACITY, on_upload=told.append)
    source = NvdecSource(device, source_id="clip", uri=str(path), admission=admission)
    assert timeline(source) == timeline(on_host(path))
    # Newer cards decode 10-bit and 4:2:2 H.264, too; 4:4:4 surfaces are uploaded all the same.
    assert admission.frames_copied + admission.frames_uploaded == 8
    if admission.frames_uploaded:
        assert len(told) == 1
    if codec == "ffv1":
        assert told == ["yuv420p"]


def test_uploaded_samples_are_the_software_decoder_s(
    device: CudaDevice, downloader: Downloader, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "clip.mkv", frames=4, codec="ffv1")
    source, reference = on_card(device, path)[0], on_host(path)
    source.open()
    reference.open()
    for found, expected in zip(source.frames(), reference.frames(), strict=True):
        assert isinstance(found.picture, DevicePicture)
        assert isinstance(expected.picture, HostPicture)
        for samples, wanted in zip(downloader.read(found.picture), host_samples(expected.picture), strict=True):
            np.testing.assert_array_equal(samples, wanted)
        found.release()
        expected.release()
    source.close()
    reference.close()


@pytest.mark.parametrize(
    "options",
    [
        {"frameskip": 5},
        {"start_seconds": 1.1},
        {"end_seconds": 0.9},
        {"frameskip": 3, "start_seconds": 0.4, "end_seconds": 1.5},
    ],
)
def test_selection_and_numbering_are_the_software_source_s(
    options: dict[str, float], device: CudaDevice, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "clip.mp4", options={"bf": "3", "g": "12"})
    found = timeline(on_card(device, path, **options)[0])
    assert found == timeline(on_host(path, **options))
    assert found


@pytest.mark.parametrize(
    ("rotation", "pixel_aspect"), [(90, Fraction(1)), (180, Fraction(1)), (270, Fraction(4, 3)), (0, Fraction(16, 11))]
)
def test_description_and_orientation_are_the_software_source_s(
    rotation: int, pixel_aspect: Fraction, device: CudaDevice, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=3, rotation_degrees=rotation, pixel_aspect=pixel_aspect)
    source, reference = on_card(device, path)[0], on_host(path)
    assert_same_description(source.open(), reference.open())
    found, expected = next(source.frames()), next(reference.frames())
    assert isinstance(found.picture, DevicePicture)
    assert isinstance(expected.picture, HostPicture)
    assert found.picture.layout.orientation == expected.picture.orientation
    assert (found.picture.width, found.picture.height) == (expected.picture.width, expected.picture.height)
    found.release()
    expected.release()
    source.close()
    reference.close()


def test_an_interlaced_frame_shows_its_first_field_alone(
    device: CudaDevice, downloader: Downloader, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=2, is_interlaced=True)
    source, reference = on_card(device, path)[0], on_host(path)
    source.open()
    reference.open()
    found, expected = next(source.frames()), next(reference.frames())
    assert isinstance(found.picture, DevicePicture)
    assert isinstance(expected.picture, HostPicture)
    for samples, stored in zip(downloader.read(found.picture), host_samples(expected.picture), strict=True):
        np.testing.assert_array_equal(samples[::2], stored[::2])
        np.testing.assert_array_equal(samples[1::2], stored[::2][: len(stored) // 2])
    found.release()
    expected.release()
    source.close()
    reference.close()


def test_a_file_cut_short_breaks_where_the_software_source_does(device: CudaDevice, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=96, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    broken: list[int] = []
    for source in (on_card(device, path)[0], on_host(path)):
        with pytest.raises(SourceBroken) as caught:
            timeline(source)
        broken.append(caught.value.frame_index)
    assert broken[0] == broken[1] > 0


def test_the_steady_state_allocates_nothing_and_moves_nothing_over_the_bus(device: CudaDevice, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=60)
    source, _ = on_card(device, path)
    source.open()
    frames = source.frames()
    next(frames).release()
    before = device.statistics()
    for frame in frames:
        frame.release()
    assert device.statistics() == before
    source.close()


def test_more_frames_than_ffmpeg_has_surfaces_can_be_held(device: CudaDevice, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=48)
    admission = DeviceAdmission(device, capacity=48)
    source = NvdecSource(device, source_id="clip", uri=str(path), admission=admission)
    source.open()
    held: list[Frame] = list(source.frames())
    assert len(held) == 48
    assert admission.statistics().leased == 48
    for frame in held:
        frame.release()
    source.close()


def test_interrupt_ends_a_source_that_waits_for_a_buffer(device: CudaDevice, tmp_path: Path) -> None:
    """The consumer holds all buffers; the decode thread waits for one; somebody stops the source."""
    source, admission = on_card(device, write_clip(tmp_path / "clip.mp4", frames=24))
    source.open()
    held: list[Frame] = []
    has_all = threading.Event()

    def decode() -> None:
        for frame in source.frames():
            held.append(frame)
            if len(held) == CAPACITY:
                has_all.set()

    thread = threading.Thread(target=decode)
    thread.start()
    assert has_all.wait(30)
    source.interrupt()
    thread.join(30)
    assert not thread.is_alive()
    assert len(held) == CAPACITY
    for frame in held:
        frame.release()
    source.close()
    assert admission.statistics().leased == 0


def test_frames_may_outlive_their_source_and_end_on_a_thread_that_never_used_the_card(
    device: CudaDevice, tmp_path: Path
) -> None:
    before = device.statistics().bytes_allocated
    source, _ = on_card(device, write_clip(tmp_path / "clip.mp4", frames=CAPACITY))
    source.open()
    held = list(source.frames())
    stopper = threading.Thread(target=source.close)
    stopper.start()
    stopper.join(30)
    assert device.statistics().bytes_allocated > before
    errors: list[Exception] = []

    def release() -> None:
        try:
            for frame in held:
                frame.release()
        except Exception as error:
            errors.append(error)

    releaser = threading.Thread(target=release)
    releaser.start()
    releaser.join(30)
    assert not errors
    assert device.statistics().bytes_allocated == before


def test_sources_opened_at_once_all_deliver(device: CudaDevice, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=24)
    sources = [on_card(device, path)[0] for _ in range(10)]
    seen: list[list[tuple[int, float]]] = []
    threads = [threading.Thread(target=lambda own=source: seen.append(timeline(own))) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [[index for index, _ in one] for one in seen] == [list(range(24))] * 10
