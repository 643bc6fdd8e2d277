"""Scanned films: few frames are delivered, each with the number, time and picture that a whole run gives it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from stages.decode import looks as looks_module
from stages.decode.looks import FREE_PICTURES, PASSED_A_DECODED, LookAllowance, Looks
from stages.errors import SourceBroken
from tests.clips import write_clip
from tests.unit.stages.decode.sources import needs_field_order, run, see_all, source

FRAMES = 240
GOP = 24

X264 = {"g": str(GOP), "bf": "3"}
X265 = "log-level=none:keyint=24:min-keyint=24"
CLIPS: dict[str, dict[str, object]] = {
    "h264.mp4": {"options": X264},
    "h264.mkv": {"options": X264},
    "h264.ts": {"options": X264},
    "open-gops.mp4": {"options": {**X264, "x264-params": "open-gop=1:scenecut=0"}},
    "open-gops.ts": {"options": {**X264, "x264-params": "open-gop=1:scenecut=0"}},
    "hevc.mkv": {"codec": "libx265", "options": {"x265-params": X265 + ":open-gop=0"}},
    "hevc-open-gops.mp4": {"codec": "libx265", "options": {"x265-params": X265 + ":open-gop=1"}},
    "hevc-radl.mp4": {"codec": "libx265", "options": {"x265-params": X265 + ":open-gop=0:radl=2"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "24", "lag-in-frames": "10", "auto-alt-ref": "1"}},
    "av1.mkv": {"codec": "libsvtav1", "options": {"g": "24", "preset": "12", "svtav1-params": "lookahead=10"}},
}
COUNTED = {
    "h264.avi": {"options": {"g": "24", "bf": "0"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"g": "24", "bf": "2"}},
    "vp8.webm": {"codec": "libvpx", "options": {"g": "24", "auto-alt-ref": "1", "lag-in-frames": "10"}},
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, properties in {**CLIPS, **COUNTED}.items():
        write_clip(folder / name, frames=FRAMES, **properties)  # type: ignore[arg-type]
    write_clip(folder / "intra.mov", frames=FRAMES, codec="mjpeg", pix_fmt="yuvj420p", color_range=2)
    return folder


@pytest.mark.parametrize("name", [*CLIPS, *COUNTED])
def test_key_frames_have_the_numbers_times_and_pictures_of_a_whole_run(clips: Path, name: str) -> None:
    _, whole, count = run(clips / name)
    _, looks, scanned = run(clips / name, looks=Looks())
    assert set(looks) <= set(whole)
    assert scanned == count
    assert FRAMES // GOP - 1 <= len(looks) <= FRAMES // GOP + 2
    assert looks[0][0] <= 2  # pictures of before the first key frame can be shown without it


@needs_field_order
@pytest.mark.parametrize("name", CLIPS)
def test_only_key_frames_are_decoded_where_numbers_are_known(clips: Path, name: str) -> None:
    opened = source(clips / name, looks=Looks())
    try:
        opened.open()
        found: list[tuple[int, int, float]] = []
        see_all(opened, found)
        assert opened.frames_decoded - opened.frames_skipped == len(found)
    finally:
        opened.close()


@pytest.mark.parametrize("name", [*CLIPS, *COUNTED])
def test_spans_are_delivered_whole_wherever_they_begin_and_end(clips: Path, name: str) -> None:
    _, whole, _ = run(clips / name)
    chance = random.Random(name)
    for _ in range(6):
        ends = sorted(chance.sample(range(FRAMES), 4))
        spans = ((ends[0], ends[1]), (ends[2], ends[3]))
        _, looks, _ = run(clips / name, looks=Looks(spans))
        assert set(looks) <= set(whole)
        assert [one[0] for one in looks] == sorted({one[0] for one in looks})
        inside = {one for one in whole if Looks(spans).span_of(one[0])}
        missing = inside - set(looks)
        # Behind a key frame that begins decoding, an open group's leading pictures lack what they refer to.
        assert not missing or "open" in name, (spans, missing)


@pytest.mark.parametrize("name", [*CLIPS, *COUNTED])
def test_start_and_end_bound_the_looks(clips: Path, name: str) -> None:
    _, whole, _ = run(clips / name)
    _, looks, _ = run(clips / name, looks=Looks(), start_seconds=2.5, end_seconds=6.2)
    assert set(looks) <= {one for one in whole if 2.5 <= one[2] < 6.2}
    assert 3 <= len(looks) <= 6


@needs_field_order
def test_a_single_key_frame_gets_looks_between_within_the_allowance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks_module, "MAX_GAP_SECONDS", 2.0)
    monkeypatch.setattr(looks_module, "FREE_PICTURES", 100)
    path = write_clip(tmp_path / "screen.mp4", frames=400, options={"g": "9999", "bf": "2", "sc_threshold": "0"})
    _, whole, _ = run(path)
    _, looks, _ = run(path, looks=Looks())
    assert set(looks) <= set(whole)
    # 100 free pictures, and a sixteenth of those passed, pay for two looks 48 frames apart.
    assert len(looks) == 3
    assert looks[1][2] == pytest.approx(2.0, abs=0.2)
    assert looks[2][2] == pytest.approx(4.0, abs=0.4)


def test_films_of_key_frames_alone_are_looked_at_now_and_then(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks_module, "FREE_PICTURES", 0)
    _, whole, _ = run(clips / "intra.mov")
    _, looks, _ = run(clips / "intra.mov", looks=Looks())
    assert set(looks) <= set(whole)
    assert len(looks) <= FRAMES / 12 + FRAMES // PASSED_A_DECODED


def test_damage_is_reported_with_what_could_be_looked_at(tmp_path: Path, clips: Path) -> None:
    data = bytearray((clips / "h264.mkv").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    (tmp_path / "hole.mkv").write_bytes(data)
    whole: list[tuple[int, int, float]] = []
    found: list[tuple[int, int, float]] = []
    for looks, seen in ((None, whole), (Looks(), found)):
        opened = source(tmp_path / "hole.mkv", looks=looks)
        try:
            opened.open()
            with pytest.raises(SourceBroken, match="damaged"):
                see_all(opened, seen)
        finally:
            opened.close()
    assert {one[0] for one in found} <= {one[0] for one in whole}
    intact = {one for one in found if one[2] < whole[-1][2] / 3}  # what a decoder makes of damage is its own affair
    assert intact <= set(whole)
    assert len(found) >= FRAMES // GOP - 3


def test_numbers_that_end_halfway_are_counted_from_the_start(tmp_path: Path, clips: Path) -> None:
    path = tmp_path / "joined.ts"
    path.write_bytes((clips / "h264.ts").read_bytes() * 2)  # its time stamps begin anew
    _, whole, count = run(path)
    _, looks, scanned = run(path, looks=Looks(((300, 330),)))
    assert [one[:2] for one in looks] == [one[:2] for one in whole if one[:2] in {look[:2] for look in looks}]
    assert {one[0] for one in looks} >= set(range(300, 331))
    assert scanned == count


@pytest.mark.parametrize("spans", [((5, 3),), ((0, 5), (5, 9)), ((7, 9), (1, 2)), ((-1, 2),)])
def test_spans_that_overlap_or_go_back_are_refused(spans: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="ascending and disjoint"):
        Looks(spans)


def test_the_allowance_is_a_share_of_what_was_passed() -> None:
    allowance = LookAllowance()
    assert allowance.pay(0, FREE_PICTURES)
    assert not allowance.pay(PASSED_A_DECODED - 1, 1)
    assert allowance.pay(PASSED_A_DECODED, 1)
    assert not allowance.pay(PASSED_A_DECODED, 1)
