"""VideoSource on small clips whose frames carry their numbers."""

from __future__ import annotations

import os
import threading
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import psutil
import pytest

from stages.decode.demux import without_credentials
from stages.decode.video import VideoSource
from stages.errors import NotAVideo, SourceBroken, SourceError, SourceNotFound, SourceUnreadable
from stages.frames import Frame
from stages.imaging.admission import HostAdmission
from stages.imaging.host import HostImaging
from stages.imaging.letterbox import DetectorInput
from stages.sources import VideoInfo
from tests.clips import picture, read_number, write_clip

needs_field_order = pytest.mark.skipif(
    not hasattr(av.VideoCodecContext, "field_order"),
    reason="PyAV before 18 does not tell the field order: pictures are counted, not numbered by their packets",
)

FRAMES = 60

QUIET_HEVC = {"x265-params": "log-level=none"}

CLIPS: dict[str, dict[str, object]] = {
    "h264.mp4": {},
    "h264.mkv": {},
    "h264.ts": {},
    "h264.avi": {},
    "raw.h264": {},
    "short-gops.mp4": {"options": {"g": "12", "bf": "3"}},
    "interlaced.ts": {"is_interlaced": True, "options": {"x264-params": "interlaced=1"}},
    "turned.mp4": {"rotation_degrees": 90},
    "hevc.mkv": {"codec": "libx265", "options": QUIET_HEVC},
    "hevc10.mp4": {"codec": "libx265", "options": QUIET_HEVC, "pix_fmt": "yuv420p10le"},
    "vp8.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "10"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"bf": "2"}},
    "mjpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "color_range": 2},
    "422.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "jumps.mp4": {"pts": [k + 40 * (k >= 20) + k % 2 for k in range(0, 2 * FRAMES, 2)]},
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, properties in CLIPS.items():
        write_clip(folder / name, frames=FRAMES, **properties)  # type: ignore[arg-type]
    return folder


def source(path: Path | str, *, capacity: int = 2, **properties: object) -> VideoSource:
    admission = HostAdmission(DetectorInput(160), capacity=capacity)
    return VideoSource(source_id="clip", uri=str(path), admission=admission, **properties)  # type: ignore[arg-type]


def seen(opened: VideoSource) -> list[tuple[int, int, float]]:
    """(index, number in the picture, time) of every frame."""
    imaging = HostImaging(max_batch=1)
    found = []
    for frame in opened.frames():
        found.append((frame.index, read_number(imaging.to_bgr(frame.picture)), frame.pts_seconds))
        frame.release()
    return found


def take_all(opened: VideoSource, indices: list[int]) -> None:
    """Note every frame's index, also if the source breaks then."""
    for frame in opened.frames():
        indices.append(frame.index)
        frame.release()


def run(path: Path, **properties: object) -> tuple[VideoInfo, list[tuple[int, int, float]], int]:
    opened = source(path, **properties)  # type: ignore[arg-type]
    try:
        info = opened.open()
        return info, seen(opened), opened.frames_decoded
    finally:
        opened.close()


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("decoder_threads", [1, 3])
@pytest.mark.parametrize("frameskip", [1, 7])
def test_frame_numbers_are_exact(clips: Path, name: str, decoder_threads: int, frameskip: int) -> None:
    info, found, frames_decoded = run(clips / name, decoder_threads=decoder_threads, frameskip=frameskip)
    assert [index for index, _, _ in found] == list(range(0, FRAMES, frameskip))
    assert [number for _, number, _ in found] == [index for index, _, _ in found]
    assert frames_decoded == FRAMES
    assert (info.width, info.height) == (320, 180)
    times = [time for _, _, time in found]
    assert times[0] == 0
    assert times == sorted(set(times))


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("frameskip", [1, 5])
def test_a_late_start_changes_neither_numbers_nor_times(clips: Path, name: str, frameskip: int) -> None:
    _, everything, _ = run(clips / name, frameskip=frameskip)
    _, found, _ = run(clips / name, frameskip=frameskip, start_seconds=1.0, end_seconds=2.0)
    expected = [item for item in everything if 1.0 <= item[2] < 2.0]
    assert [item[:2] for item in found] == [item[:2] for item in expected]
    assert [item[2] for item in found] == pytest.approx([item[2] for item in expected], abs=0.002)


def test_a_start_after_the_end_gives_nothing(clips: Path) -> None:
    assert run(clips / "h264.mp4", start_seconds=100.0)[1:] == ([], 0)


@needs_field_order
def test_skipping_spares_the_decoder(tmp_path: Path) -> None:
    """Of four frames three are B-frames that nothing refers to; those that nobody looks at never leave the decoder."""
    options = {"x264-params": "bframes=3:b-adapt=0:b-pyramid=none"}
    path = write_clip(tmp_path / "clip.mp4", frames=FRAMES, options=options)
    opened = source(path, frameskip=30)
    opened.open()
    decoded = [frame.index for frame in opened._decoded]
    opened.close()
    assert {0, 30} < set(decoded)
    assert len(decoded) < FRAMES / 2


def test_what_the_container_says(clips: Path, tmp_path: Path) -> None:
    info = run(clips / "turned.mp4")[0]
    assert info == VideoInfo(
        "clip",
        str(clips / "turned.mp4"),
        320,
        180,
        rotation_degrees=90,
        fps=24.0,
        frame_count=FRAMES,
        duration_seconds=2.5,
        codec="h264",
    )
    wide = write_clip(tmp_path / "wide.mp4", frames=3, pixel_aspect=Fraction(4, 3))
    assert run(wide)[0].pixel_aspect == pytest.approx(4 / 3)


def test_a_length_is_counted_from_the_first_frame(tmp_path: Path) -> None:
    """The second part of a recording whose times go on: FFmpeg's duration of Matroska counts from 0."""
    info, found, _ = run(write_clip(tmp_path / "part.mkv", frames=48, pts=range(2400, 2448)))
    assert (info.frame_count, len(found)) == (48, 48)
    assert info.duration_seconds == pytest.approx(2, abs=0.05)


def test_a_time_base_is_not_taken_for_a_frame_rate(tmp_path: Path) -> None:
    images = (picture(number, 720, 576) for number in range(5))
    info, found, _ = run(write_clip(tmp_path / "tape.dv", images=images, codec="dvvideo", fps=25))
    assert (info.fps, info.frame_count, len(found)) == (25, 5, 5)


@pytest.mark.parametrize("rotation_degrees", [0, 90, 180, 270])
def test_rotation_metadata_is_obeyed(tmp_path: Path, rotation_degrees: int) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=3, rotation_degrees=rotation_degrees)
    info, found, _ = run(path)
    assert (info.width, info.height, info.rotation_degrees) == (320, 180, rotation_degrees)
    assert [number for _, number, _ in found] == [0, 1, 2]


def test_a_change_of_size_in_the_middle(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "a.h264", images=[picture(k) for k in range(10)])
    large = write_clip(tmp_path / "b.h264", images=[picture(k, 640, 480) for k in range(10, 20)])
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    opened = source(both, capacity=20)
    opened.open()
    frames: list[Frame] = list(opened.frames())
    opened.close()
    sizes = [(frame.picture.width, frame.picture.height) for frame in frames]
    assert sizes == [(320, 180)] * 10 + [(640, 480)] * 10
    imaging = HostImaging(max_batch=1)
    assert [read_number(imaging.to_bgr(frame.picture)) for frame in frames] == list(range(20))
    for frame in frames:
        frame.release()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_stills(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"odd 100% {'%03d'}:name{suffix}"
    image = picture(77, 321, 181)
    encoded = cv2.imencode(suffix, np.dstack([image, image[..., :1]]) if suffix == ".png" else image)[1]
    path.write_bytes(encoded.tobytes())
    info, found, _ = run(path)
    assert found == [(0, 77, 0.0)]
    assert (info.width, info.height, info.fps, info.frame_count) == (321, 181, None, 1)


def test_the_camera_s_orientation_of_a_photograph_is_obeyed(tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", np.rot90(picture(300)))[1].tobytes()
    entry = b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"  # tag 0x112, one SHORT: 6, turn right by 90 degrees
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + entry + bytes(4)
    path = tmp_path / "sideways.jpg"
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    info, found, _ = run(path)
    assert (info.width, info.height) == (320, 180)
    assert found[0][1] == 300


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=44100)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        samples = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        samples.sample_rate = 44100
        container.mux([*sound.encode(samples), *sound.encode()])
        container.mux([*cover.encode(av.VideoFrame(64, 64, "yuvj420p")), *cover.encode()])
    with pytest.raises(NotAVideo, match="only sound"):
        source(path).open()


def test_what_is_no_video_is_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")  # opening it would wait for ever
    (tmp_path / "text.mp4").write_text("This is not a video.\n" * 100)
    whole = write_clip(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "no-index.mp4").write_bytes(whole[: len(whole) // 2])
    cases: list[tuple[str, type[SourceError], str]] = [
        ("missing.mp4", SourceNotFound, "does not exist"),
        ("missing/movie.mp4", SourceNotFound, "does not exist"),
        (".", NotAVideo, "is a directory"),
        ("empty.mp4", NotAVideo, "is empty"),
        ("pipe.mp4", NotAVideo, "is a pipe"),
        ("text.mp4", NotAVideo, "is not a video"),
        ("no-index.mp4", NotAVideo, "its end is missing"),
    ]
    for name, error, reason in cases:
        opened = source(tmp_path / name)
        with pytest.raises(error, match=reason) as caught:
            opened.open()
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)
        opened.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "secret.mp4", frames=2)
    path.chmod(0)
    with pytest.raises(SourceUnreadable, match="no permission"):
        source(path).open()


@pytest.mark.parametrize(("container", "kept"), [("mp4", 0.6), ("mkv", 0.5)])
def test_a_file_cut_short_delivers_what_there_is_and_says_where_it_broke(
    tmp_path: Path, container: str, kept: float
) -> None:
    path = write_clip(tmp_path / f"whole.{container}", frames=100, container_options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    opened = source(path)
    opened.open()
    indices: list[int] = []
    with pytest.raises(SourceBroken, match=r"breaks off at frame \d+") as caught:
        take_all(opened, indices)
    opened.close()
    assert indices == list(range(len(indices)))
    assert 10 < len(indices) < 100
    assert caught.value.frame_index == len(indices)
    assert caught.value.pts_seconds == pytest.approx((len(indices) - 1) / 24, abs=0.01)


@needs_field_order
@pytest.mark.parametrize("frameskip", [1, 4])
def test_damage_in_the_middle_is_lived_through_and_later_frames_keep_their_numbers(
    tmp_path: Path, frameskip: int
) -> None:
    path = write_clip(
        tmp_path / "clip.mp4", frames=100, options={"g": "10"}, container_options={"movflags": "faststart"}
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = np.random.default_rng(8).bytes(600)
    path.write_bytes(data)
    _, found, frames_decoded = run(path, frameskip=frameskip)
    assert frames_decoded == 100
    wrong = [index for index, number, _ in found if index != number]
    assert len(wrong) < 20
    assert all(30 < index < 70 for index in wrong)
    assert found[-1][0] == 99 // frameskip * frameskip


def test_a_recording_out_of_step_goes_on_behind_the_gap(tmp_path: Path) -> None:
    """FFmpeg says "again" for each 64 KiB in which an MPEG-TS has no packet: that is no end."""
    path = write_clip(tmp_path / "clip.ts", frames=100, options={"g": "10"})
    data = path.read_bytes()
    middle = len(data) // 2 // 188 * 188
    path.write_bytes(data[:middle] + bytes(300_000) + data[middle:])
    _, found, _ = run(path)
    numbers = [number for _, number, _ in found]
    assert numbers[-1] == 99
    assert len(numbers) > 80


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_title_that_is_not_utf_8_is_no_reason_to_refuse_a_film(tmp_path: Path, container: str) -> None:
    path = write_clip(tmp_path / f"clip.{container}", frames=3, metadata={"title": "Ma_on"})
    path.write_bytes(path.read_bytes().replace(b"Ma_on", "Maçon".encode("latin-1") + b"_"[:0]))
    assert len(run(path)[1]) == 3


def test_passwords_are_nowhere(tmp_path: Path) -> None:
    assert without_credentials("rtsp://ada:s3cret@cam:554/a?b=1") == "rtsp://cam:554/a?b=1"
    assert without_credentials("rtsp://ada:p@ss@[::1]/a") == "rtsp://[::1]/a"
    assert without_credentials("a@b:c.mp4") == "a@b:c.mp4"
    with pytest.raises(SourceUnreadable) as caught:
        source("http://ada:s3cret@127.0.0.1:1/movie.mp4").open()
    cause = caught.value.__cause__
    assert "127.0.0.1" in str(caught.value)
    assert "s3cret" not in f"{caught.value} {cause} {cause!r}"


def test_nothing_is_left_open(clips: Path) -> None:
    """After the end, after leaving early, after a failure to open, after an interrupt: no file and no thread."""
    process = psutil.Process()
    files, threads = process.num_fds(), process.num_threads()

    complete = source(clips / "h264.mp4", decoder_threads=4)
    complete.open()
    seen(complete)
    complete.close()

    abandoned = source(clips / "h264.mp4", decoder_threads=4, start_seconds=0.5)
    abandoned.open()
    delivery = abandoned.frames()
    held = next(delivery)
    assert process.num_threads() > threads
    abandoned.close()
    abandoned.close()
    assert process.num_threads() == threads
    assert read_number(HostImaging(max_batch=1).to_bgr(held.picture)) == held.index
    held.release()

    with pytest.raises(NotAVideo):
        source(clips).open()
    assert (process.num_fds(), process.num_threads()) == (files, threads)


def test_a_broken_source_s_error_keeps_nothing_alive(tmp_path: Path) -> None:
    """The runtime keeps the error of a source for a long time; its traceback must not keep the decoder's threads."""
    process = psutil.Process()
    threads = process.num_threads()
    path = write_clip(tmp_path / "clip.mp4", frames=100, container_options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    opened = source(path, decoder_threads=4)
    opened.open()
    with pytest.raises(SourceBroken) as caught:
        take_all(opened, [])
    opened.close()
    assert process.num_threads() == threads
    assert caught.value.__traceback__ is not None


def test_an_interrupt_ends_the_frames_of_a_source_that_waits_for_a_buffer(clips: Path) -> None:
    """The consumer holds the only buffer, so the decode thread waits or is about to; then the source is interrupted."""
    opened = source(clips / "h264.mp4", capacity=1)
    opened.open()
    taken = threading.Event()
    indices = []

    def decode() -> None:
        for frame in opened.frames():
            indices.append(frame.index)
            taken.set()

    thread = threading.Thread(target=decode)
    thread.start()
    assert taken.wait(10)
    opened.interrupt()
    thread.join(10)
    assert not thread.is_alive()
    assert indices == [0]
    opened.close()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "long.mp4", frames=1500, options={"preset": "ultrafast"})
    opened = source(path, capacity=4)
    opened.open()
    process = psutil.Process()
    early = 0
    for frame in opened.frames():
        frame.release()
        if frame.index == 300:
            early = process.memory_info().rss
    assert process.memory_info().rss < early * 1.05
    opened.close()
