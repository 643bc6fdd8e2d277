"""A camera that is lost and found again is one source to whoever watches it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from stages.errors import SourceBroken, SourceUnreadable
from stages.frames import Frame
from stages.sources import VideoInfo
from visage.config.service import CameraConfig
from visage.runtime import QueueClosed
from visage.service.backoff import Backoff
from visage.service.cameras import CameraSource, CameraState, CameraStatus, camera_spec

BOUND_SECONDS = 10


class Blank:
    """A picture that says whether it was released."""

    width, height, pixel_aspect = 64, 64, 1.0

    def __init__(self) -> None:
        self.is_released = False

    def release(self) -> None:
        self.is_released = True


@dataclass
class Wall:
    """A monotonic clock that goes on when a frame of a camera arrives."""

    seconds: float = 1000.0


@dataclass
class Connection:
    """Opens or not, delivers frames, then ends, breaks, or waits to be interrupted."""

    count: int = 0
    open_error: Exception | None = None
    error: Exception | None = None
    hangs: bool = False
    fps: float = 10
    times: tuple[float, ...] = ()
    wall: Wall | None = None
    frames_decoded: int = 0
    frames_dropped: int = 0
    is_closed: bool = False
    interrupted: threading.Event = field(default_factory=threading.Event)
    pictures: list[Blank] = field(default_factory=list)

    def open(self) -> VideoInfo:
        if self.open_error:
            raise self.open_error
        return VideoInfo("cam", "rtsp://cam", 64, 64, is_live=True)

    def frames(self) -> Iterator[Frame]:
        for index in range(len(self.times) or self.count):
            self.frames_decoded += 1
            self.pictures.append(Blank())
            if self.wall is not None:
                self.wall.seconds += 1 / self.fps
            seconds = self.times[index] if self.times else index / self.fps
            yield Frame("cam", index, seconds, self.pictures[-1], captured_at=1.0)
        if self.error:
            raise self.error
        if self.hangs:
            assert self.interrupted.wait(BOUND_SECONDS)

    def interrupt(self) -> None:
        self.interrupted.set()

    def close(self) -> None:
        self.is_closed = True


class Rig:
    """A camera over scripted connections; the last one stays until it is interrupted."""

    def __init__(
        self,
        *connections: Connection,
        fps_cap: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connections = [*connections, Connection(hangs=True)]
        self.changes: list[CameraStatus] = []
        self._left = iter(self.connections)
        self.camera = CameraSource(
            "cam",
            lambda: next(self._left),
            backoff=Backoff(0.001, 0.002),
            fps_cap=fps_cap,
            on_change=self._note,
            now=now,
        )
        self.last_is_reached = threading.Event()

    def take(self, count: int) -> list[Frame]:
        self.camera.open()
        stream = self.camera.frames()
        frames = [next(stream) for _ in range(count)]
        self.camera.interrupt()
        assert list(stream) == []
        self.camera.close()
        return frames

    def _note(self, status: CameraStatus) -> None:
        self.changes.append(status)


def test_frames_go_on_over_an_outage() -> None:
    broken = SourceBroken("rtsp://ada:secret@cam breaks off", frame_index=3, pts_seconds=0.2)
    refused = SourceUnreadable("rtsp://cam can't be opened: Connection refused")
    rig = Rig(Connection(3, error=broken), Connection(open_error=refused), Connection(4))
    frames = rig.take(7)
    assert [frame.index for frame in frames] == list(range(7))
    assert [frame.connection for frame in frames] == [1] * 3 + [2] * 4
    times = [frame.pts_seconds for frame in frames]
    assert times == sorted(set(times))
    assert [change.state for change in rig.changes] == [
        CameraState.RUNNING,
        CameraState.RECONNECTING,
        CameraState.RECONNECTING,
        CameraState.RUNNING,
        CameraState.STOPPED,
    ]
    assert rig.changes[-1].reconnects == 1
    assert "secret" not in rig.changes[1].reason
    assert rig.camera.frames_decoded == 7
    assert all(connection.is_closed for connection in rig.connections[:3])


def test_frames_that_found_no_buffer_are_counted_over_all_connections() -> None:
    rig = Rig(Connection(2, frames_dropped=3), Connection(2, frames_dropped=4))
    rig.take(4)
    assert rig.camera.frames_dropped == 7


def test_a_camera_that_is_away_at_the_start_is_waited_for() -> None:
    refused = SourceUnreadable("refused")
    rig = Rig(*(Connection(open_error=refused) for _ in range(5)), Connection(1))
    assert len(rig.take(1)) == 1
    assert rig.changes[0].state is CameraState.CONNECTING
    assert rig.changes[0].reason == "refused"
    assert rig.changes[1] == CameraStatus(CameraState.RUNNING)


def test_a_stream_that_ends_is_opened_again() -> None:
    assert len(Rig(Connection(2), Connection(2)).take(4)) == 4


def test_interrupt_ends_the_wait_for_a_camera_that_is_away() -> None:
    """Interrupted while it waits an hour before the next attempt."""
    waiting = threading.Event()
    camera = CameraSource(
        "cam",
        lambda: Connection(open_error=SourceUnreadable("refused")),
        backoff=Backoff(3600, 3600),
        on_change=lambda _: waiting.set(),
    )
    raised: list[BaseException] = []

    def run() -> None:
        with pytest.raises(QueueClosed) as caught:
            camera.open()
        raised.append(caught.value)

    thread = threading.Thread(target=run)
    thread.start()
    assert waiting.wait(BOUND_SECONDS)
    camera.interrupt()
    thread.join(BOUND_SECONDS)
    assert raised
    camera.close()


def test_interrupt_ends_a_running_connection() -> None:
    rig = Rig()
    rig.camera.open()
    received: list[list[Frame]] = []
    thread = threading.Thread(target=lambda: received.append(list(rig.camera.frames())))
    thread.start()
    rig.camera.interrupt()
    thread.join(BOUND_SECONDS)
    assert received == [[]]
    rig.camera.close()


def test_the_rate_is_capped_and_what_goes_is_released() -> None:
    connection = Connection(31, fps=10)
    rig = Rig(connection, fps_cap=5)
    frames = rig.take(16)
    assert [frame.index for frame in frames] == list(range(0, 31, 2))
    assert rig.camera.status.frames_capped == 15
    assert sum(picture.is_released for picture in connection.pictures) == 15


@pytest.mark.parametrize("fps_cap", [None, 5])
def test_an_odd_time_stamp_does_not_blind_a_camera(fps_cap: float | None) -> None:
    """One stamp is 5000 s ahead; then the stream stays there, and is lost and found again."""
    wall = Wall()
    once = tuple(5000.0 if index == 10 else index / 10 for index in range(20))
    lasting = tuple(index / 10 + (5000 if index > 10 else 0) for index in range(20))
    connections = [Connection(times=times, wall=wall) for times in (once, lasting, once)]
    rig = Rig(*connections, fps_cap=fps_cap, now=lambda: wall.seconds)
    times = [frame.pts_seconds for frame in rig.take(60 if fps_cap is None else 30)]
    assert times == sorted(set(times))
    assert times[-1] == pytest.approx(5.9, abs=0.5)
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 0.5


def test_waits_grow_up_to_a_limit() -> None:
    backoff = Backoff(1.0, 8.0, seed=1)
    waits = [backoff.next_seconds() for _ in range(8)]
    for wait, longest in zip(waits, [1, 2, 4, 8, 8, 8, 8, 8], strict=True):
        assert longest / 2 <= wait <= longest
    assert len(set(waits)) == 8
    backoff.reset()
    assert backoff.next_seconds() <= 1.0


def test_a_camera_is_opened_with_ffmpegs_own_time_outs() -> None:
    udp = camera_spec("door", CameraConfig(address="rtsp://cam/1", transport="udp", timeout_seconds=2))
    assert udp.input_options["rtsp_transport"] == "udp"
    assert udp.input_options["timeout"] == "2000000"
    http = camera_spec("hls", CameraConfig(address="https://cam/live.m3u8"))
    assert http.is_live
    assert http.input_options["rw_timeout"] == "5000000"
    device = camera_spec("usb", CameraConfig(address="/dev/video0", options={"video_size": "640x360"}))
    assert (device.input_format, device.input_options) == ("v4l2", {"video_size": "640x360"})
