"""The window, on SDL's dummy display: pace, closing, and no display at all."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import pytest

from stages.errors import DisplayUnavailable
from stages.sink.window import WindowSink
from tests.unit.stages.sink.scenes import PlainPicture, ended, observation, plain_bgr, video

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
pygame = pytest.importorskip("pygame", reason="pygame-ce is an extra", exc_type=ImportError)


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[WindowSink]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    sink = WindowSink(to_bgr=plain_bgr)
    yield sink
    sink.abandon()


def test_shows_the_picture_upright_and_in_colour(window: WindowSink) -> None:
    window.open(video(width=64, height=48))
    window.write(observation(0, 0, picture=PlainPicture(64, 48, (30, 60, 120))))
    assert pygame.display.get_window_size() == (64, 48)
    assert pygame.display.get_caption()[0] == "clip"
    assert pygame.display.get_surface().get_at((10, 10))[:3] == (120, 60, 30)
    window.close(ended())
    assert not pygame.display.get_init()


def test_a_large_picture_is_made_to_fit_and_keeps_its_aspect(window: WindowSink) -> None:
    window.open(video(width=4000, height=1000, pixel_aspect=2.0))
    width, height = pygame.display.get_window_size()
    assert width <= pygame.display.get_desktop_sizes()[0][0]
    assert width / height == pytest.approx(8, rel=0.02)


def test_plays_at_the_videos_pace(window: WindowSink) -> None:
    window.open(video())
    started = time.monotonic()
    for index in range(6):
        window.write(observation(index, 1, seconds=10 + index / 20))
    assert time.monotonic() - started >= 0.245
    assert window.frames_shown == 6


def test_late_frames_are_passed_over(window: WindowSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second is lost after the first frame; what was due meanwhile comes all at once."""
    window.open(video())
    window.write(observation(0))
    real, lost = time.monotonic, 0.5
    monkeypatch.setattr(time, "monotonic", lambda: real() + lost)
    for index in range(1, 11):
        window.write(observation(index))
    assert window.frames_shown < 8


def test_after_a_stall_the_clock_starts_anew(window: WindowSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour is lost after the first frame; the next ones still keep their distance."""
    window.open(video())
    window.write(observation(0))
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + 3600)
    started = real()
    for index in range(1, 4):
        window.write(observation(index, seconds=index / 10))
    assert real() - started >= 0.195
    assert window.frames_shown == 4


@pytest.mark.parametrize(
    "event",
    [
        pygame.event.Event(pygame.QUIT),
        pygame.event.Event(pygame.KEYDOWN, key=pygame.K_q),
        pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE),
    ],
)
def test_a_person_can_close_it_and_the_rest_goes_on(window: WindowSink, event: object) -> None:
    window.open(video())
    pygame.event.post(event)
    window.write(observation(0))
    assert window.closed
    assert not pygame.display.get_init()
    window.write(observation(1))
    window.close(ended())
    assert window.frames_shown == 0


def test_other_keys_do_nothing(window: WindowSink) -> None:
    window.open(video())
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_a))
    window.write(observation(0))
    assert not window.closed
    assert window.frames_shown == 1


def test_a_second_window_is_refused(window: WindowSink) -> None:
    window.open(video())
    second = WindowSink(to_bgr=plain_bgr)
    with pytest.raises(DisplayUnavailable, match="only one video"):
        second.open(video("other"))
    second.abandon()
    window.write(observation(0))
    assert window.frames_shown == 1


def test_without_a_display_it_says_what_to_use_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "SDL_VIDEO_DRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DisplayUnavailable, match=r"no display .*--annotate out\.mp4"):
        WindowSink(to_bgr=plain_bgr).open(video())


def test_a_display_that_does_not_answer_is_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """SDL then draws into memory, and nobody would see anything."""
    monkeypatch.setenv("DISPLAY", ":977")
    for name in ("WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "SDL_VIDEO_DRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DisplayUnavailable, match="no display"):
        WindowSink(to_bgr=plain_bgr).open(video())
    assert not pygame.display.get_init()


def test_without_pygame_it_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(DisplayUnavailable, match=r"pip install .*\[show\]'.*--annotate"):
        WindowSink(to_bgr=plain_bgr).open(video())
