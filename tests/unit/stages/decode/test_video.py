"""VideoSource on small clips whose frames carry their numbers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.decode import decoder
from stages.decode.demux import Demuxer
from stages.decode.source_options import SourceOptions
from stages.decode.video import VideoSource
from stages.errors import NotAVideo, SourceBroken
from stages.frames import Frame
from stages.imaging.host.admission import HostAdmission
from stages.imaging.host.imaging import HostImaging
from stages.imaging.letterbox import DetectorInput
from stages.sources import VideoInfo
from tests.clips import picture, read_number, write_clip
from tests.unit.stages.decode.sources import needs_field_order, run, source

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
    "raw.hevc": {"codec": "libx265", "options": QUIET_HEVC},
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


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("frameskip", [1, 5])
def test_time_stamps_in_the_order_of_decoding_lose_no_frame(tmp_path: Path, suffix: str, frameskip: int) -> None:
    """A raw stream with B-frames that was put into a container as it was."""
    raw = write_clip(tmp_path / "raw.h264", frames=100, options={"bf": "3", "g": "24"})
    path = tmp_path / f"copied.{suffix}"
    with av.open(str(raw)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        pictures = (packet for packet in source.demux(video=0) if packet.size)
        for number, packet in enumerate(pictures):
            packet.stream, packet.time_base = stream, Fraction(1, 24)
            packet.pts = packet.dts = number
            packet.duration = 1
            target.mux(packet)
    _, rows, decoded = run(path, frameskip=frameskip)
    wanted = list(range(0, 100, frameskip))
    assert [(index, number) for index, number, _ in rows] == [(index, index) for index in wanted]
    assert decoded == 100


@pytest.mark.smoke
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
        decoder="h264",
    )
    wide = write_clip(tmp_path / "wide.mp4", frames=3, pixel_aspect=Fraction(4, 3))
    assert run(wide)[0].pixel_aspect == pytest.approx(4 / 3)


@pytest.mark.parametrize("frameskip", [1, 5])
def test_the_shape_of_pixels_may_change_in_mid_stream(tmp_path: Path, frameskip: int) -> None:
    """At a key frame; also at one that nobody looks at."""
    parts = [
        write_clip(tmp_path / f"{aspect}.h264", frames=12, pixel_aspect=Fraction(aspect)).read_bytes()
        for aspect in (1, 2)
    ]
    both = tmp_path / "both.h264"
    both.write_bytes(b"".join(parts))
    aspects = {}
    opened = source(both, frameskip=frameskip)
    opened.open()
    for frame in opened.frames():
        aspects[frame.index] = frame.picture.pixel_aspect
        frame.release()
    opened.close()
    assert aspects == {index: 1.0 if index < 12 else 2.0 for index in range(0, 24, frameskip)}


@pytest.mark.smoke
def test_a_length_is_counted_from_the_first_frame(tmp_path: Path) -> None:
    """The second part of a recording whose times go on: FFmpeg's duration of Matroska counts from 0."""
    info, found, _ = run(write_clip(tmp_path / "part.mkv", frames=48, pts=range(2400, 2448)))
    assert (info.frame_count, len(found)) == (48, 48)
    assert info.duration_seconds == pytest.approx(2, abs=0.05)


@pytest.mark.smoke
def test_a_time_base_is_not_taken_for_a_frame_rate(tmp_path: Path) -> None:
    images = (picture(number, 720, 576) for number in range(5))
    info, found, _ = run(write_clip(tmp_path / "tape.dv", images=images, codec="dvvideo", fps=25))
    assert (info.fps, info.frame_count, len(found)) == (25, 5, 5)


@pytest.mark.parametrize(
    ("name", "codec"), [("raw.h264", "libx264"), ("raw.hevc", "libx265"), ("raw.m2v", "mpeg2video")]
)
def test_a_bare_stream_s_rate_is_its_own(tmp_path: Path, name: str, codec: str) -> None:
    """Without a container to say, FFmpeg takes 25 a second for the average of any stream."""
    options = QUIET_HEVC if codec == "libx265" else {}
    info, found, _ = run(write_clip(tmp_path / name, frames=51, fps=50, codec=codec, options=options))
    assert info.fps == 50
    assert [time for _, _, time in found] == pytest.approx([index / 50 for index in range(51)])


@pytest.mark.parametrize(("codec", "b_frames", "delay"), [("mpeg4", "0", 0), ("mpeg4", "2", 1), ("libx264", "3", 2)])
def test_what_a_recorder_dropped_counts_in_the_times_of_avi(
    tmp_path: Path, codec: str, b_frames: str, delay: int
) -> None:
    """Exactly, but for the frames by which B-frames delay the others: AVI's times are of decoding."""
    pts = [*range(24), *range(24, 144, 5)]
    path = write_clip(tmp_path / "clip.avi", frames=48, pts=pts, codec=codec, options={"bf": b_frames})
    _, found, _ = run(path)
    assert [(index, number) for index, number, _ in found] == [(k, k) for k in range(48)]
    assert [time for _, _, time in found] == pytest.approx([k / 24 for k in pts], abs=1e-6 + delay * 5 / 24)


@pytest.mark.parametrize("rotation_degrees", [0, 90, 180, 270])
@pytest.mark.smoke
def test_rotation_metadata_is_obeyed(tmp_path: Path, rotation_degrees: int) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=3, rotation_degrees=rotation_degrees)
    info, found, _ = run(path)
    assert (info.width, info.height, info.rotation_degrees) == (320, 180, rotation_degrees)
    assert [number for _, number, _ in found] == [0, 1, 2]


@pytest.mark.parametrize("rotation_degrees", [0, 90, 180, 270])
def test_mirrored_pictures_stand_upright(tmp_path: Path, rotation_degrees: int) -> None:
    """Left and right stay exchanged; half a turn and that are an exchange of top and bottom."""
    images = [picture(300)[:, ::-1]] * 3
    path = write_clip(tmp_path / "clip.mp4", images=images, rotation_degrees=rotation_degrees, is_mirrored=True)
    info, found, _ = run(path)
    assert (info.width, info.height, info.rotation_degrees) == (320, 180, rotation_degrees)
    assert [number for _, number, _ in found] == [300] * 3


def test_a_display_matrix_of_zeros_is_no_turn(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=3)
    content = bytearray(path.read_bytes())
    begin = content.index(b"tkhd") + 4 + 40  # after the box's type and its other fields
    content[begin : begin + 36] = bytes(36)
    path.write_bytes(content)
    info, found, _ = run(path)
    assert (info.width, info.height, info.rotation_degrees) == (320, 180, 0)
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
@pytest.mark.smoke
def test_stills(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"odd 100% {'%03d'}:name{suffix}"
    image = picture(77, 321, 181)
    encoded = cv2.imencode(suffix, np.dstack([image, image[..., :1]]) if suffix == ".png" else image)[1]
    path.write_bytes(encoded.tobytes())
    info, found, _ = run(path)
    assert found == [(0, 77, 0.0)]
    assert (info.width, info.height, info.fps, info.frame_count) == (321, 181, None, 1)


def photograph(path: Path, upright: NDArray[np.uint8], exif_orientation: int) -> Path:
    """A JPEG whose EXIF says how the camera was held; `upright` is turned back accordingly."""
    turned = {1: 0, 2: 0, 3: 2, 5: 1, 6: 1, 7: 3, 8: 3}[exif_orientation]
    jpeg = cv2.imencode(".jpg", np.rot90(upright, turned))[1].tobytes()
    entry = b"\x01\x12\0\x03\0\0\0\x01\0" + bytes([exif_orientation]) + b"\0\0"  # tag 0x112, one SHORT
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + entry + bytes(4)
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    return path


@pytest.mark.parametrize("exif_orientation", [1, 2, 3, 5, 6, 7, 8])
def test_the_camera_s_orientation_of_a_photograph_is_obeyed(tmp_path: Path, exif_orientation: int) -> None:
    """Also where it is mirrored, in 2, 5 and 7. Such a picture stands upright, with left and right exchanged."""
    path = photograph(tmp_path / "photo.jpg", picture(300), exif_orientation)
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


def test_frames_of_a_live_source_that_find_no_buffer_are_counted(clips: Path) -> None:
    admission = HostAdmission(DetectorInput(160), capacity=2, waits=False)
    options = SourceOptions(is_live=True)
    live = VideoSource(source_id="clip", uri=str(clips / "h264.mp4"), admission=admission, options=options)
    live.open()
    held: list[Frame] = []
    with pytest.raises(SourceBroken, match=f"ended at frame {FRAMES}, .* what came before is kept"):
        held.extend(live.frames())
    for frame in held:
        frame.release()
    live.close()
    assert (len(held), live.frames_dropped, live.frames_decoded) == (2, FRAMES - 2, FRAMES)


@needs_field_order
@pytest.mark.parametrize("options", [{"g": "1000"}, {"g": "20", "bf": "3"}])
def test_what_lies_between_key_frame_and_start_is_not_all_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str]
) -> None:
    """It is decoded instead where it is too much: frames keep their numbers and times."""
    path = write_clip(tmp_path / "clip.mkv", frames=FRAMES, options=options)
    whole = run(path, start_seconds=2.0)
    monkeypatch.setattr(decoder, "MAX_HELD_BYTES", 200, raising=False)
    assert run(path, start_seconds=2.0) == whole
    assert [(index, number) for index, number, _ in whole[1]] == [(index, index) for index in range(48, FRAMES)]
    demuxer = Demuxer(str(path))
    frames = decoder.StreamDecoder(demuxer, decoder.Selection(start_seconds=2.0), threads=1, first_number=0).frames()
    assert next(frames).index < 20
    assert demuxer.packets_read < 40
    frames.close()  # type: ignore[attr-defined]  # a generator
    demuxer.close()
