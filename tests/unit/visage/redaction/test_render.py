from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.errors import OutputExists, OutputFailed
from stages.redact.film import Film
from stages.redact.style import Method, Shape
from tests.clips import read_number, write_clip
from tests.films import write_film
from tests.media import Media
from tests.unit.visage.redaction.films import HEIGHT, WIDTH, plan_of, square_at, squares
from visage.redaction.errors import PlanRefused
from visage.redaction.plan import Plan, Style
from visage.redaction.render import RenderOptions, render_plan

FRAMES = 30


def upright(path: Path) -> list[NDArray[np.uint8]]:
    """The pictures as Visage analyses them: turned, not mirrored back."""
    film, shown = Film(str(path)), []
    for frame in film.frames():
        image = np.asarray(frame.coded.to_ndarray(format="bgr24"), np.uint8)
        shown.append(np.ascontiguousarray(np.rot90(image, -(frame.orientation.rotation_degrees // 90)), np.uint8))
    film.close()
    return shown


def detail(image: NDArray[np.uint8], frame: int) -> float:
    """How much of the checkerboard is to be seen: about 100 before it is covered."""
    left, top, right, bottom = (int(side) for side in square_at(frame))
    return float(np.abs(np.diff(image[top + 2 : bottom - 2, left + 2 : right - 2].astype(int), axis=1)).mean())


def hidden(film: Path, out: Path) -> list[int]:
    """The frames of which nothing is to be seen."""
    pairs = enumerate(zip(upright(film), upright(out), strict=True))
    return [frame for frame, (old, new) in pairs if np.abs(old[:60].astype(int) - new[:60]).mean() > 12]


def rendered(
    film: Path, plan: Plan, options: RenderOptions | None = None, *, suffix: str | None = None
) -> tuple[Path, dict[str, Any]]:
    path = film.with_name("plan.json")
    plan.write(path)
    out = film.with_name(f"covered{suffix or film.suffix}")
    render_plan(path, out, options)
    return out, json.loads(out.with_name(out.name + ".report.json").read_text())


def stream_of(path: Path) -> tuple[Any, av.VideoFrame]:
    with av.open(str(path)) as container:
        return container.streams.video[0], next(container.decode(video=0))


@pytest.mark.parametrize(("degrees", "mirrored"), [(0, False), (90, False), (180, False), (270, False), (0, True)])
@pytest.mark.parametrize("shape", list(Shape))
def test_turned_and_mirrored_films_are_covered_and_stay_so(
    degrees: int, mirrored: bool, shape: Shape, tmp_path: Path
) -> None:
    images = list(squares(FRAMES))
    film = write_clip(
        tmp_path / "film.mp4", images=images, rotation_degrees=degrees, is_mirrored=mirrored, options={"crf": "10"}
    )
    # Visage's boxes of a mirrored film are of its pictures as they are coded.
    plan = plan_of(film, FRAMES, rotation=degrees, style=Style(shape=shape, margin=0.05))
    if mirrored:
        for track in plan.tracks:
            track.boxes = [
                (frame, WIDTH - right, top, WIDTH - left, bottom) for frame, left, top, right, bottom in track.boxes
            ]
    out, _ = rendered(film, plan)
    before, after = upright(film), upright(out)
    assert len(after) == FRAMES
    for frame, pair in enumerate(zip(before, after, strict=True)):
        old, new = (image[:, ::-1] if mirrored else image for image in pair)
        assert detail(old, frame) > 20
        assert detail(new, frame) < 4
        assert read_number(np.ascontiguousarray(new)) == frame
    assert stream_of(out)[1].rotation == stream_of(film)[1].rotation
    assert bytes(_matrix(out)) == bytes(_matrix(film))


def _matrix(path: Path) -> bytes:
    found: Any = stream_of(path)[1].side_data.get("DISPLAYMATRIX")
    return b"" if found is None else bytes(found)


def test_pixels_that_are_not_square_and_colours_are_kept(tmp_path: Path) -> None:
    film = write_clip(
        tmp_path / "film.mkv",
        images=squares(FRAMES),
        pixel_aspect=Fraction(16, 11),
        colorspace=1,
        color_range=2,
        pix_fmt="yuv444p",
        fps=Fraction(30000, 1001),
        codec="libx265",
        options={"x265-params": "log-level=error", "crf": "12"},
    )
    out, _ = rendered(film, plan_of(film, FRAMES))
    (old, old_frame), (new, new_frame) = stream_of(film), stream_of(out)
    assert new.codec_context.sample_aspect_ratio == old.codec_context.sample_aspect_ratio == Fraction(16, 11)
    assert (new_frame.colorspace, new_frame.color_range) == (old_frame.colorspace, old_frame.color_range)
    assert new_frame.format.name == old_frame.format.name == "yuv444p"
    assert new.codec_context.name == old.codec_context.name == "hevc"


def test_a_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    steps = itertools.cycle([1, 3, 1, 2, 7])
    times = [0, *itertools.accumulate(itertools.islice(steps, FRAMES - 1))]
    film = write_clip(tmp_path / "film.mp4", images=squares(FRAMES), pts=times, fps=90)
    out, _ = rendered(film, plan_of(film, FRAMES))
    assert _times(out) == _times(film) == [Fraction(time, 90) for time in times]


def _times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [
            frame.pts * frame.time_base
            for frame in container.decode(video=0)
            if frame.pts is not None and frame.time_base is not None
        ]


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_ten_bits_and_high_dynamic_range_are_kept(transfer: str, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", squares(12), transfer)
    out, _ = rendered(film, plan_of(film, 12))
    (_, old), (_, new) = stream_of(film), stream_of(out)
    assert new.format.name == old.format.name == "yuv420p10le"
    assert (new.colorspace, new.color_trc, new.color_primaries) == (old.colorspace, old.color_trc, old.color_primaries)
    for frame, image in enumerate(upright(out)):
        assert detail(image, frame) < 4


def test_mastering_metadata_is_kept(tmp_path: Path) -> None:
    stated = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
    film = write_clip(
        tmp_path / "film.mp4",
        images=squares(4),
        codec="libx265",
        pix_fmt="yuv420p10le",
        options={
            "x265-params": f"log-level=error:hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:{stated}"
        },
    )
    out, _ = rendered(film, plan_of(film, 4))
    for kind in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"):
        old, new = (stream_of(path)[1].side_data.get(kind) for path in (film, out))
        assert old is not None
        assert bytes(old) == bytes(new)  # type: ignore[call-overload]


def test_an_uncertain_stretch_is_covered_whole_until_it_is_confirmed(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", images=squares(FRAMES), options={"crf": "10"})
    plan = plan_of(film, FRAMES, uncertain=((5, 9), (20, 22)))
    plan.uncertain[1].confirmed_by = "Ada"
    out, report = rendered(film, plan)
    assert hidden(film, out) == [5, 6, 7, 8, 9]
    assert report["frames"] == {"written": FRAMES, "covered": FRAMES, "covered_whole": 5}
    assert [one["confirmed_by"] for one in report["uncertain"]] == [None, "Ada"]


def test_what_nobody_looked_at_is_covered_whole(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", images=squares(FRAMES), options={"crf": "10"})
    out, _ = rendered(film, plan_of(film, FRAMES, analysed=((3, 11), (14, 25))))
    assert hidden(film, out) == [0, 1, 2, 12, 13, 26, 27, 28, 29]


def test_a_face_that_is_kept_stays_visible(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", images=squares(FRAMES), options={"crf": "10"})
    out, _ = rendered(film, plan_of(film, FRAMES, keep=True))
    assert min(detail(image, frame) for frame, image in enumerate(upright(out))) > 20


def test_damaged_pictures_are_covered_whole_until_the_next_key_frame(tmp_path: Path) -> None:
    film = write_clip(
        tmp_path / "film.mp4", images=squares(120), options={"crf": "10", "g": "20", "sc_threshold": "0", "bf": "0"}
    )
    with av.open(str(film)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    place, size = packets[25]
    assert place is not None
    data = bytearray(film.read_bytes())
    data[place + 8 : place + size] = bytes(size - 8)
    film.write_bytes(data)
    plan = plan_of(film, 120)
    plan.tracks = []  # nothing is covered but for the damage
    out, report = rendered(film, plan)
    (first, last), *others = report["damaged"]["frames"]
    assert not others
    assert first <= 26
    assert last >= 39  # all that was made of it, up to the next key frame
    # Picture 25 never comes: those behind it are one place earlier.
    assert hidden(film, out) == list(range(first, last))
    assert report["frames"] == {"written": 119, "covered": last - first, "covered_whole": last - first}
    assert "damaged" in report["damaged"]["reason"]


def test_the_sound_is_copied_packet_by_packet(media: Media, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(media.path("WolfgangLanger_Pexels.mp4").read_bytes())
    with av.open(str(film)) as container:
        frames = container.streams.video[0].frames
        size = container.streams.video[0].width, container.streams.video[0].height
    options = RenderOptions(encoder_options={"preset": "ultrafast"})
    out, report = rendered(film, plan_of(film, frames, size=size), options)
    assert _sound(out) == _sound(film) != []
    assert report["sound"] == "copied"


def _sound(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        return [
            (round(packet.pts * packet.time_base, 3), bytes(packet))
            for packet in container.demux(audio=0)
            if packet.size and packet.pts is not None
        ]


def test_metadata_is_stripped_on_request(tmp_path: Path) -> None:
    film = write_clip(
        tmp_path / "film.mp4", images=squares(4), metadata={"title": "A secret", "location": "+52.5+013.4/"}
    )
    plan = plan_of(film, 4)
    kept, _ = rendered(film, plan)
    assert b"A secret" in kept.read_bytes()
    stripped, report = rendered(film, plan, RenderOptions(strips_metadata=True, force=True))
    content = stripped.read_bytes()
    assert b"A secret" not in content
    assert b"+52.5" not in content
    assert b"Lavf" not in content
    assert report["metadata"] == "stripped"


@pytest.mark.parametrize("method", list(Method))
def test_the_same_plan_gives_the_same_pictures(method: Method, tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", images=squares(8))
    plan = plan_of(film, 8, style=Style(method=method))
    first = [image.tobytes() for image in upright(rendered(film, plan)[0])]
    second = [image.tobytes() for image in upright(rendered(film, plan, RenderOptions(force=True))[0])]
    assert first == second


def test_another_film_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", images=squares(4))
    plan = plan_of(film, 4)
    plan.write(tmp_path / "plan.json")
    film.write_bytes(film.read_bytes() + b"\0")
    with pytest.raises(PlanRefused, match="not the film that"):
        render_plan(tmp_path / "plan.json", tmp_path / "out.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "plan.json"]


def test_the_film_itself_and_what_exists_are_never_replaced(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", images=squares(4))
    plan_of(film, 4).write(tmp_path / "plan.json")
    with pytest.raises(PlanRefused, match="the film itself"):
        render_plan(tmp_path / "plan.json", film, RenderOptions(force=True))
    (tmp_path / "out.mp4").write_bytes(b"something")
    with pytest.raises(OutputExists):
        render_plan(tmp_path / "plan.json", tmp_path / "out.mp4")
    with pytest.raises(OutputFailed, match="end it in"):
        render_plan(tmp_path / "plan.json", tmp_path / "out.avi")
    assert (tmp_path / "out.mp4").read_bytes() == b"something"
    assert not list(tmp_path.glob("*.part"))


def test_the_decoders_own_pictures_are_not_changed(tmp_path: Path) -> None:
    """Later pictures are made of them: what is covered in one would show in the next where nothing is to be covered."""
    film = write_clip(tmp_path / "film.mp4", images=squares(FRAMES), options={"crf": "10", "g": "60"})
    plan = plan_of(film, FRAMES, uncertain=((4, 9),))
    out, _ = rendered(film, plan)
    before, after = upright(film), upright(out)
    for frame in (0, 3, 10, 29):
        board = np.zeros((HEIGHT, WIDTH), bool)
        left, top, right, bottom = (int(side) for side in square_at(frame))
        board[top - 12 : bottom + 12, left - 12 : right + 12] = True
        assert np.abs(before[frame].astype(int) - after[frame])[~board].mean() < 4
