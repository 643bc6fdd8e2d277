from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from stages.frames import Frame, Observation, Picture
from stages.imaging.patches import Gray, PatchWindow
from stages.track.stage import TrackStage
from tests.unit.stages.track.scenes import GrayLuma, GrayPicture, detected, frame, paint, texture


class Finding:
    """Finds one face in every frame: at x = 100 + 3 * index."""

    name = "detect"

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.is_open = False
        self.ended: list[str] = []

    def open(self) -> None:
        self.is_open = True

    def process(self, batch: Sequence[Frame]) -> list[Observation]:
        self.calls.append([item.index for item in batch])
        return [Observation(item, detected([(100.0 + 3 * item.index, 150)])) for item in batch]

    def end_source(self, source_id: str) -> None:
        self.ended.append(source_id)

    def close(self) -> None:
        self.is_open = False


def film(count: int, *, every: int = 8, source_id: str = "clip", start: int = 0) -> list[Frame]:
    return [
        frame(index, paint([(1, 100.0 + 3 * index, 150)]), detect=index % every == 0, source_id=source_id)
        for index in range(start, start + count)
    ]


def make(detect: Finding, *, follows: bool = True, adaptive: bool = False, release_pixels: bool = False) -> TrackStage:
    return TrackStage(
        detect, patch_reader=GrayLuma(), follows=follows, adaptive=adaptive, release_pixels=release_pixels
    )


def test_marked_frames_are_looked_at_in_one_call_and_the_rest_followed() -> None:
    detect = Finding()
    found = make(detect).process(film(17))
    assert detect.calls == [[0, 8, 16]]
    assert [item.detected for item in found] == [index % 8 == 0 for index in range(17)]
    for item in found:
        middle = (item.faces.boxes_xyxy[0, 0] + item.faces.boxes_xyxy[0, 2]) / 2
        assert middle == pytest.approx(100 + 3 * item.frame.index, abs=1)


class CountingLuma(GrayLuma):
    """Counts pictures and windows of each call."""

    def __init__(self) -> None:
        self.thumbnail_calls: list[int] = []
        self.patch_calls: list[list[int]] = []
        self.is_closed = False

    def patches(self, pictures: Sequence[Picture], windows: Sequence[Sequence[PatchWindow]]) -> list[list[Gray]]:
        self.patch_calls.append([len(some) for some in windows])
        return super().patches(pictures, windows)

    def thumbnails(self, pictures: Sequence[Picture]) -> list[Gray]:
        self.thumbnail_calls.append(len(pictures))
        return super().thumbnails(pictures)

    def close(self) -> None:
        self.is_closed = True


def test_what_a_batch_needs_is_read_in_one_call() -> None:
    """A card is waited for once a call: thumbnails of all frames, and the faces of all that are looked at."""
    luma = CountingLuma()
    stage = TrackStage(Finding(), patch_reader=luma)
    stage.process(film(6))
    assert luma.thumbnail_calls == [6]
    assert luma.patch_calls == [[1] * 6]


def test_following_reads_once_a_frame() -> None:
    luma = CountingLuma()
    stage = TrackStage(Finding(), patch_reader=luma, follows=True)
    stage.process(film(8))
    assert luma.thumbnail_calls == [8]
    at_once, *one_by_one = luma.patch_calls
    assert at_once == [1]  # frame 0, the only one that is looked at
    moved = [call for call in one_by_one if call == [1]]
    renewed = 2  # faces that have left the middle of their windows
    assert 7 <= len(moved) <= 7 + renewed


def test_results_do_not_depend_on_batches() -> None:
    """Alone in one batch, in batches of three, and with another source between."""
    whole = make(Finding(), adaptive=True).process(film(20))
    stage = make(Finding(), adaptive=True)
    parted: list[Observation] = []
    for start in range(0, 20, 3):
        other = film(3, source_id="other", start=start)
        mine = film(min(3, 20 - start), start=start)
        mixed = [item for pair in zip(mine, other, strict=False) for item in pair]
        parted += [item for item in stage.process(mixed) if item.source_id == "clip"]
    assert len(parted) == 20
    for one, same in zip(whole, parted, strict=True):
        assert one.detected == same.detected
        np.testing.assert_array_equal(one.faces.boxes_xyxy, same.faces.boxes_xyxy)
        np.testing.assert_array_equal(one.faces.track_ids, same.faces.track_ids)


def test_a_cut_is_looked_at_at_once_and_ends_the_tracks() -> None:
    detect = Finding()
    frames = film(12)
    for item in frames[5:]:
        assert isinstance(item.picture, GrayPicture)
        item.picture.samples = texture(1234, 360, 640)
    found = make(detect).process(frames)
    assert detect.calls == [[0, 5, 8]]
    assert found[5].ended_tracks == (1,)
    assert [item.ended_tracks for item in found[:5]] == [()] * 5
    ids = [item.faces.track_ids for item in found]
    assert ids[4] is not None
    assert ids[5] is not None
    assert (ids[4].tolist(), ids[5].tolist()) == ([1], [2])


def test_a_change_of_size_is_looked_at_at_once_and_ends_the_tracks() -> None:
    """The same picture, twice as large: no cut by its thumbnail, but boxes of the old size are elsewhere in it."""
    detect = Finding()
    frames = film(12)
    for index, item in enumerate(frames[5:], start=5):
        assert isinstance(item.picture, GrayPicture)
        frames[index] = replace(item, picture=GrayPicture(item.picture.samples.repeat(2, axis=0).repeat(2, axis=1)))
    found = make(detect).process(frames)
    assert detect.calls == [[0, 5, 8]]
    assert [item.ended_tracks for item in found[:6]] == [()] * 5 + [(1,)]


def test_a_dissolve_is_looked_at_and_ends_the_tracks() -> None:
    """The face is found at the same place all the time."""
    detect = Finding()
    frames = film(60, every=1000)
    for item in frames:
        assert isinstance(item.picture, GrayPicture)
        part = min(1.0, max(0.0, (item.index - 20) / 15))
        mixed = (1 - part) * texture(3, 360, 640).astype(float) + part * texture(4, 360, 640)
        item.picture.samples = np.asarray(mixed, np.uint8)
    found = make(detect).process(frames)
    (_, again) = (index for call in detect.calls for index in call)
    assert 27 < again < 45
    assert (1,) in [item.ended_tracks for item in found[: again + 1]]
    track_ids = found[again].faces.track_ids
    assert track_ids is not None
    assert track_ids.tolist() == [2]


def test_nobody_is_followed_over_an_outage_of_the_camera() -> None:
    """It may have been away for an hour; the first frame since then is looked at."""
    detect = Finding()
    frames = [replace(item, connection=1 if item.index < 5 else 2) for item in film(8)]
    found = make(detect).process(frames)
    assert detect.calls == [[0, 5]]
    assert [item.ended_tracks for item in found] == [(1,) if index == 5 else () for index in range(8)]
    assert [item.faces.track_ids for item in found[5:]] == [[2]] * 3


def test_adaptive_looks_when_a_face_has_gone_far() -> None:
    """At 3 pixels a frame a face of 80 has gone 0.6 of its side after 16 frames."""
    detect = Finding()
    make(detect, adaptive=True).process(film(24, every=1000))
    first, second = (index for call in detect.calls for index in call)
    assert first == 0
    assert second in (16, 17)


def test_adaptive_looks_when_somebody_comes_in_but_not_at_every_frame() -> None:
    detect = Finding()
    frames = film(16, every=1000)
    for item in frames[9:]:
        assert isinstance(item.picture, GrayPicture)
        item.picture.samples = paint([(1, 100.0 + 3 * item.index, 150), (2, 500, 250)])
    make(detect, adaptive=True).process(frames)
    assert [index for call in detect.calls for index in call] == [0, 9]


def test_without_following_every_frame_that_comes_is_looked_at() -> None:
    detect = Finding()
    found = make(detect, follows=False).process(film(4))
    assert detect.calls == [[0, 1, 2, 3]]
    assert all(item.detected for item in found)


def test_a_source_that_ends_is_forgotten() -> None:
    detect = Finding()
    stage = make(detect)
    stage.process(film(3))
    stage.end_source("clip")
    (found,) = stage.process(film(1))
    assert detect.ended == ["clip"]
    assert found.faces.track_ids is not None
    assert found.faces.track_ids.tolist() == [1]


def test_pixels_are_kept_for_the_next_stage_unless_this_is_the_last() -> None:
    for is_last in (False, True):
        frames = film(2)
        make(Finding(), release_pixels=is_last).process(frames)
        for item in frames:
            assert isinstance(item.picture, GrayPicture)
            assert item.picture.releases == is_last


def test_the_detecting_stage_is_opened_and_closed_with_it() -> None:
    detect = Finding()
    stage = make(detect)
    stage.open()
    assert detect.is_open
    stage.close()
    assert not detect.is_open


def test_the_luma_is_closed_even_if_the_detector_can_not_be() -> None:
    class Stuck(Finding):
        def close(self) -> None:
            raise OSError("the card is gone")

    luma = CountingLuma()
    with pytest.raises(OSError, match="gone"):
        TrackStage(Stuck(), patch_reader=luma).close()
    assert luma.is_closed
