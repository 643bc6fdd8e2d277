"""A window that plays the annotated video at its own pace, through SDL.

It holds back the pipeline where that is faster than the video. Where it is slower, frames are shown as they come, at
most 25 a second; once a second behind, the video's clock starts anew, so that no hurry follows a stall. After a person
has closed the window (or pressed q or Escape) everything goes on without it.

SDL must be used by one thread: the one that calls `open`, `write` and `close`. One window a process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import ModuleType

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.errors import DisplayUnavailable
from stages.frames import Observation, Picture
from stages.installing import install_command
from stages.sink.base import Sink
from stages.sink.drawing import draw_faces
from stages.sources import SourceEnded, VideoInfo

__all__ = ["WindowSink", "load_pygame"]

INSTEAD = "use --annotate out.mp4 to get the same as a file"

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
DRIVER_CHOICES = ("SDL_VIDEODRIVER", "SDL_VIDEO_DRIVER")  # "kmsdrm" works on a bare console
UNSEEN = ("offscreen", "dummy")

MIN_INTERVAL_SECONDS = 0.04
RESTART_SECONDS = 1.0
SCREEN_SHARE = 0.9  # leaves room for the window's frame and a task bar


class WindowSink(Sink):
    """Shows one source; `closed` says whether a person has had enough."""

    def __init__(self, *, to_bgr: Callable[[Picture], NDArray[np.uint8]]) -> None:
        """`to_bgr` gives the upright picture as uint8 (H, W, 3)."""
        self._to_bgr = to_bgr
        self._closed = False
        self._frames_shown = 0
        self._pygame: ModuleType | None = None
        self._clock_start: float | None = None
        self._last_shown = 0.0

    @property
    def closed(self) -> bool:
        """The window was closed by a person; may be read from any thread."""
        return self._closed

    @property
    def frames_shown(self) -> int:
        """Frames that were on the screen; the others came too late."""
        return self._frames_shown

    def open(self, info: VideoInfo) -> None:
        """Open the window. Raises DisplayUnavailable."""
        pygame = load_pygame()
        if pygame.display.get_init():
            raise DisplayUnavailable(f"{info.source_id}: only one video can be shown at a time; {INSTEAD}")
        try:
            pygame.display.init()
            self._pygame = pygame
            if pygame.display.get_driver() in UNSEEN and not any(map(os.environ.get, DRIVER_CHOICES)):
                raise pygame.error("SDL found none")  # and draws into memory instead, without a word
            width, height = _display_size(info, pygame.display.get_desktop_sizes()[0])
            pygame.display.set_caption(info.source_id)
            pygame.display.set_mode((width, height), pygame.RESIZABLE)
        except pygame.error as exc:
            self.abandon()
            raise DisplayUnavailable(f"no display to open a window on ({exc}); {INSTEAD}") from exc

    def write(self, observation: Observation) -> None:
        """Show the frame when its time has come, or pass over it if it is late."""
        if self._closed or self._pygame is None:
            return
        due = self._due(observation.frame.pts_seconds)
        self._handle_events(until=due)
        now = time.monotonic()
        if self._closed or (now - due > MIN_INTERVAL_SECONDS and now - self._last_shown < MIN_INTERVAL_SECONDS):
            return
        image = np.array(self._to_bgr(observation.frame.picture))
        draw_faces(image, observation.faces)
        self._show(image)
        self._last_shown = now
        self._frames_shown += 1

    def close(self, ended: SourceEnded) -> None:
        """Close the window, which this sink owns."""
        self.abandon()

    def abandon(self) -> None:
        """Close the window, which this sink owns."""
        if self._pygame is not None:
            self._pygame.display.quit()
            self._pygame = None

    def _due(self, pts_seconds: float) -> float:
        """When to show a frame, on the monotonic clock."""
        now = time.monotonic()
        if self._clock_start is None or now - (self._clock_start + pts_seconds) > RESTART_SECONDS:
            self._clock_start = now - pts_seconds
        return self._clock_start + pts_seconds

    def _handle_events(self, *, until: float) -> None:
        """React to the person, and wait meanwhile."""
        assert self._pygame is not None
        pygame = self._pygame
        while not self._closed:
            milliseconds = int((until - time.monotonic()) * 1000)
            event = pygame.event.wait(milliseconds) if milliseconds > 0 else pygame.event.poll()
            if event.type == pygame.NOEVENT:
                return
            escape = event.type == pygame.KEYDOWN and event.key in (pygame.K_q, pygame.K_ESCAPE)
            if event.type == pygame.QUIT or escape:
                self._closed = True
                self.abandon()

    def _show(self, image: NDArray[np.uint8]) -> None:
        assert self._pygame is not None
        pygame = self._pygame
        screen = pygame.display.get_surface()
        fitted = cv2.resize(image, screen.get_size(), interpolation=cv2.INTER_AREA)
        screen.blit(pygame.image.frombuffer(fitted.tobytes(), screen.get_size(), "BGR"), (0, 0))
        pygame.display.flip()


def load_pygame() -> ModuleType:
    """SDL, where a window can be expected to open. Raises DisplayUnavailable."""
    if not any(os.environ.get(name) for name in (*SCREENS, *DRIVER_CHOICES)):
        raise DisplayUnavailable(f"no display to open a window on ({' and '.join(SCREENS)} are not set); {INSTEAD}")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # it greets on standard output
    try:
        import pygame  # noqa: PLC0415  # an extra, slow to import
    except ImportError as exc:
        raise DisplayUnavailable(f"--show needs pygame-ce: {install_command('show')}; or {INSTEAD}") from exc
    module: ModuleType = pygame
    return module


def _display_size(info: VideoInfo, desktop: tuple[int, int]) -> tuple[int, int]:
    """The picture with square pixels, made smaller where the screen is."""
    width, height = info.width * info.pixel_aspect, float(info.height)
    scale = min(1.0, SCREEN_SHARE * desktop[0] / width, SCREEN_SHARE * desktop[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))
