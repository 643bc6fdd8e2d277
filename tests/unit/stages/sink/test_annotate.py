"""The annotated video, decoded again: frames, times, colours, sound."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from stages.errors import OutputExists, OutputFailed
from stages.frames import Faces, Picture
from stages.sink.annotate import TIME_BASE, AnnotatedVideoSink
from stages.sink.drawing import BOX_BGR, draw_faces
from tests.unit.stages.sink.scenes import PlainPicture, ended, observation, plain_bgr, video

SAMPLE_RATE = 48_000
CLICK_SECONDS = (0.5, 1.5)
SOME_IS_LOST = "some of the source's sound is damaged or has times that go back; that is left out"


def make_clip(path: Path, *, seconds: float = 2.0, delay_seconds: float = 0.0, audio_codec: str = "aac") -> Path:
    """25 frames a second, and sound with two clicks; the pictures start `delay_seconds` after the sound."""
    with av.open(str(path), "w") as output:
        pictures = output.add_stream("libx264", 25, options={"preset": "ultrafast"})
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        pictures.codec_context.time_base = Fraction(1, 1000)
        sound = output.add_stream(audio_codec, SAMPLE_RATE, layout="mono")
        assert isinstance(sound, AudioStream)
        for index in range(round(seconds * 25)):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="bgr24")
            frame.pts, frame.time_base = round(1000 * (index / 25 + delay_seconds)), Fraction(1, 1000)
            output.mux(pictures.encode(frame))
        samples = np.zeros((1, round((seconds + delay_seconds) * SAMPLE_RATE)), np.float32)
        for click in CLICK_SECONDS:
            start = round((click + delay_seconds) * SAMPLE_RATE)
            samples[0, start : start + 480] = np.sin(np.arange(480) / 4) * 0.9
        block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        block.sample_rate, block.pts = SAMPLE_RATE, 0
        output.mux(sound.encode(block))
        output.mux(pictures.encode(None))
        output.mux(sound.encode(None))
    return path


def frame_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0) if frame.time is not None]


def click_times(path: Path) -> list[float]:
    """When the sound sets in, seconds of the container's clock."""
    times, signal = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(np.float32)).max(axis=0)
            signal.append(samples / (32768 if frame.format.name.startswith("s16") else 1))
            assert frame.time is not None
            times.append(frame.time + np.arange(len(samples)) / frame.sample_rate)
    loud = np.concatenate(times)[np.concatenate(signal) > 0.3]
    gaps = np.diff(loud, prepend=-1.0) > 0.2
    clicks: list[float] = loud[gaps].tolist()
    return clicks


def write_all(sink: AnnotatedVideoSink, times: list[float], picture: PlainPicture | None = None) -> None:
    picture = picture or PlainPicture()
    sink.open(video(width=picture.width, height=picture.height))
    for index, seconds in enumerate(times):
        sink.write(observation(index, 1, seconds=seconds, picture=picture))
    sink.close(ended())


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "ünï ☀.mp4"])
def test_every_frame_is_there_at_its_own_time(tmp_path: Path, name: str) -> None:
    times = [0.0, 0.04, 0.08, 0.2, 0.21, 0.5, 1.4]
    write_all(AnnotatedVideoSink(tmp_path / name, to_bgr=plain_bgr), times)
    assert frame_times(tmp_path / name) == pytest.approx(times, abs=0.001)  # Matroska counts milliseconds
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_first_frame_looked_at_is_time_zero(tmp_path: Path) -> None:
    write_all(AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr), [60.0, 60.96, 61.92])
    assert frame_times(tmp_path / "a.mp4") == pytest.approx([0.0, 0.96, 1.92], abs=1e-3)


def test_times_that_fall_together_stay_apart(tmp_path: Path) -> None:
    write_all(AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr), [0.0, 1e-7, 2e-7, 0.04])
    times = frame_times(tmp_path / "a.mp4")
    assert len(times) == 4
    assert all(later - earlier >= float(TIME_BASE) * 0.9 for earlier, later in pairwise(times))


@pytest.mark.parametrize(("width", "height"), [(64, 48), (65, 49), (65, 48), (1, 1)])
def test_odd_sizes_are_made_even_by_doubling_the_edge(tmp_path: Path, width: int, height: int) -> None:
    write_all(AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr), [0.0], PlainPicture(width, height))
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (width + width % 2, height + height % 2)


@pytest.mark.parametrize("bgr", [(30, 60, 120), (255, 255, 255), (10, 200, 10), (200, 20, 60)])
def test_colours_survive(tmp_path: Path, bgr: tuple[int, int, int]) -> None:
    sink = AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr)
    sink.open(video(width=320, height=240))
    sink.write(observation(0, 0, picture=PlainPicture(320, 240, bgr)))
    sink.close(ended())
    with av.open(str(tmp_path / "a.mp4")) as container:
        (frame,) = container.decode(video=0)
    assert (frame.colorspace, frame.color_range) == (1, 1)
    decoded = frame.to_ndarray(format="bgr24")
    np.testing.assert_allclose(decoded.reshape(-1, 3).mean(axis=0), bgr, atol=5)


def test_a_source_that_changes_its_size_keeps_the_first(tmp_path: Path) -> None:
    sink = AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr)
    sink.open(video())
    sink.write(observation(0, 1, picture=PlainPicture(64, 48)))
    sink.write(observation(1, 1, picture=PlainPicture(128, 96)))
    sink.write(observation(2, 1, picture=PlainPicture(32, 24)))
    sink.close(ended())
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert [(frame.width, frame.height) for frame in container.decode(video=0)] == [(64, 48)] * 3


@pytest.mark.parametrize("scale", [0.5, 2])
def test_faces_are_blurred_where_they_are_after_a_change_of_size(tmp_path: Path, scale: float) -> None:
    """Stripes stand in for a face; the mosaic leaves none of them, wherever the frame's own pixels put it."""
    stripes = np.zeros((round(240 * scale), round(320 * scale), 3), np.uint8)
    face = np.array([40, 60, 140, 180]) * scale
    left, top, right, bottom = face.astype(int)
    stripes[top:bottom, left:right:8] = stripes[top:bottom, left + 1 : right : 8] = 255
    faces = Faces(face[np.newaxis].astype(np.float32), np.ones(1, np.float32))
    sink = AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=lambda picture: stripes, blur="all")
    sink.open(video(width=320, height=240))
    sink.write(replace(observation(0, 0, picture=PlainPicture(stripes.shape[1], stripes.shape[0])), faces=faces))
    sink.close(ended())
    with av.open(str(tmp_path / "a.mp4")) as container:
        (frame,) = container.decode(video=0)
    row = frame.to_ndarray(format="gray")[120, 50:130].astype(int)
    assert row.mean() > 30
    assert np.abs(np.diff(row)).max() < 40


@pytest.mark.parametrize(("blur", "with_boxes"), [("all", True), (None, False), ("all", False)])
def test_an_anonymised_video_has_nothing_drawn_into_it(tmp_path: Path, blur: str | None, with_boxes: bool) -> None:
    """The picture is one grey, which no mosaic changes: whatever differs was drawn."""
    grey = np.full((240, 320, 3), 128, np.uint8)
    sink = AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=lambda picture: grey, blur=blur, with_boxes=with_boxes)
    sink.open(video(width=320, height=240))
    sink.write(observation(0, 2, picture=PlainPicture(320, 240)))
    sink.close(ended())
    with av.open(str(tmp_path / "a.mp4")) as container:
        (frame,) = container.decode(video=0)
    assert int(np.ptp(frame.to_ndarray(format="rgb24"))) < 4


def test_pixel_aspect_is_kept(tmp_path: Path) -> None:
    sink = AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr)
    sink.open(video(pixel_aspect=16 / 11))
    sink.write(observation(0))
    sink.close(ended())
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("delay_seconds", [0.0, 0.7])
def test_sound_is_copied_in_step_with_the_pictures(tmp_path: Path, name: str, delay_seconds: float) -> None:
    clip = make_clip(tmp_path / "clip.mkv", delay_seconds=delay_seconds)
    write_all(
        AnnotatedVideoSink(tmp_path / name, to_bgr=plain_bgr, audio_uri=str(clip)),
        [delay_seconds + index / 25 for index in range(50)],
    )
    assert click_times(tmp_path / name) == pytest.approx(CLICK_SECONDS, abs=0.03)
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"


def test_sound_starts_and_ends_with_the_frames_looked_at(tmp_path: Path) -> None:
    """From 1.0 s on, every tenth frame: the second click, at 1.5 s, comes 0.5 s after the start."""
    clip = make_clip(tmp_path / "clip.mp4", seconds=4.0)
    write_all(AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr, audio_uri=str(clip)), [1.0, 1.4, 1.8])
    assert click_times(tmp_path / "a.mp4") == pytest.approx([0.5], abs=0.03)
    with av.open(str(tmp_path / "a.mp4")) as container:
        (*_, last) = container.decode(audio=0)
    assert last.time == pytest.approx(1.2, abs=0.05)


def test_a_source_without_sound_gives_a_silent_video(tmp_path: Path) -> None:
    write_all(AnnotatedVideoSink(tmp_path / "source.mp4", to_bgr=plain_bgr), [0.0, 0.04])
    sink = AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr, audio_uri=str(tmp_path / "source.mp4"))
    write_all(sink, [0.0, 0.04])
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert not container.streams.audio


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "wavpack"), ("a.mov", "libopus")])
def test_sound_that_the_container_cannot_hold_is_left_out_with_a_warning(tmp_path: Path, name: str, codec: str) -> None:
    """That MOV holds no Opus shows only when its header is written."""
    clip = make_clip(tmp_path / "clip.mkv", audio_codec=codec)
    told: list[str] = []
    sink = AnnotatedVideoSink(tmp_path / name, to_bgr=plain_bgr, audio_uri=str(clip), on_sound_lost=told.append)
    write_all(sink, [index / 25 for index in range(50)])
    way_out = "end the name in .mkv or convert the sound to AAC"
    assert told == [f"{tmp_path / name}: can't hold the source's sound, so that is left out; {way_out}"]
    assert len(frame_times(tmp_path / name)) == 50
    with av.open(str(tmp_path / name)) as container:
        assert not container.streams.audio


def test_sound_goes_on_where_its_times_begin_anew(tmp_path: Path) -> None:
    """Two recordings, one after the other in one file: the pictures go on there as well."""
    clip = make_clip(tmp_path / "clip.ts")
    (tmp_path / "twice.ts").write_bytes(clip.read_bytes() * 2)
    told: list[str] = []
    sink = AnnotatedVideoSink(
        tmp_path / "a.mp4", to_bgr=plain_bgr, audio_uri=str(tmp_path / "twice.ts"), on_sound_lost=told.append
    )
    write_all(sink, [index / 25 for index in range(100)])
    assert told == []
    assert len(frame_times(tmp_path / "a.mp4")) == 100
    again = [seconds + 2 for seconds in CLICK_SECONDS]
    assert click_times(tmp_path / "a.mp4") == pytest.approx([*CLICK_SECONDS, *again], abs=0.1)


def test_damaged_sound_is_left_out_with_a_warning(tmp_path: Path) -> None:
    """The container refuses that packet only after it was given the next picture: it interleaves."""
    clip = make_clip(tmp_path / "clip.mkv", audio_codec="ac3")
    with av.open(str(clip)) as container:
        damaged = bytes([*container.demux(audio=0)][15])  # the first click's
    content = clip.read_bytes()
    assert content.count(damaged) == 1
    clip.write_bytes(content.replace(damaged, bytes(len(damaged))))
    told: list[str] = []
    sink = AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr, audio_uri=str(clip), on_sound_lost=told.append)
    write_all(sink, [index / 25 for index in range(50)])
    assert told == [f"{tmp_path / 'a.mp4'}: {SOME_IS_LOST}"]
    assert len(frame_times(tmp_path / "a.mp4")) == 50
    assert click_times(tmp_path / "a.mp4")[-1] == pytest.approx(CLICK_SECONDS[-1], abs=0.03)


def test_no_frame_at_all_is_still_a_file(tmp_path: Path) -> None:
    write_all(AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr), [])
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.format.name.startswith("mov")


def test_a_source_that_breaks_keeps_its_frames(tmp_path: Path) -> None:
    sink = AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr)
    sink.open(video())
    sink.write(observation(0))
    sink.write(observation(1))
    sink.close(ended(error=ValueError("broken")))
    assert len(frame_times(tmp_path / "a.mp4")) == 2


def test_abandon_leaves_nothing(tmp_path: Path) -> None:
    sink = AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr)
    sink.open(video())
    sink.write(observation(0))
    sink.abandon()
    sink.abandon()
    assert not list(tmp_path.iterdir())


def test_an_existing_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("mine")
    sink = AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr)
    with pytest.raises(OutputExists, match="--force"):
        sink.open(video())
    sink.abandon()
    assert (tmp_path / "a.mp4").read_text() == "mine"


def test_an_ending_that_is_no_video_is_refused() -> None:
    with pytest.raises(OutputFailed, match=r"a\.gif: .*end it in \.mp4"):
        AnnotatedVideoSink(Path("a.gif"), to_bgr=plain_bgr)


def test_without_x264_it_is_mpeg4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    times = [0.0, 0.04, 0.2]
    write_all(AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=plain_bgr), times)
    assert frame_times(tmp_path / "a.mp4") == pytest.approx(times, abs=1e-3)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"


def test_faces_are_drawn_on_a_copy_where_they_are(tmp_path: Path) -> None:
    original = np.zeros((200, 300, 3), np.uint8)

    def give_original(picture: Picture) -> NDArray[np.uint8]:
        return original

    sink = AnnotatedVideoSink(tmp_path / "a.mp4", to_bgr=give_original)
    sink.open(video(width=300, height=200))
    sink.write(observation(10, 1, picture=PlainPicture(300, 200)))
    sink.close(ended())
    assert not original.any()
    with av.open(str(tmp_path / "a.mp4")) as container:
        (frame,) = container.decode(video=0)
    drawn = frame.to_ndarray(format="bgr24").max(axis=2) > 60
    assert drawn[125, 100:102].any()  # the left edge of the box at x 100, y 101 to 131
    assert not drawn[:, 200:].any()
    assert not drawn[150:].any()


def test_box_edges_lie_on_their_pixels() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    box = np.array([[20, 40, 60, 80]], np.float32)
    draw_faces(image, Faces(boxes_xyxy=box, scores=np.array([0.5], np.float32)))
    edges = np.flatnonzero(image[60].any(axis=1))
    assert {edges.min(), edges.max()} <= {18, 19, 20, 21, 59, 60, 61}
    assert tuple(image[60, 30]) == (0, 0, 0)
    assert np.abs(image[60, 19:22].max(axis=0).astype(int) - BOX_BGR).max() < 140


@pytest.mark.parametrize("box", [[-50, -50, -10, -10], [90, 90, 300, 300], [-1e4, -1e4, 1e4, 1e4], [5, 5, 5, 5]])
def test_faces_beyond_the_border_are_drawn_as_far_as_they_are_seen(box: list[float]) -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    landmarks = np.full((1, 5, 2), box[0], np.float32)
    draw_faces(image, Faces(np.array([box], np.float32), np.array([0.5], np.float32), landmarks))
    assert image.shape == (100, 100, 3)
