"""What a source holds, and when it lets go: files, threads, buffers, memory."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
import pytest

from stages.errors import NotAVideo, SourceBroken
from stages.imaging.host.imaging import HostImaging
from tests.clips import read_number, write_clip
from tests.unit.stages.decode.sources import seen, source, take_all


def test_nothing_is_left_open(tmp_path: Path) -> None:
    """After the end, after leaving early, after a failure to open, after an interrupt: no file and no thread."""
    clip = write_clip(tmp_path / "clip.mp4", frames=60)
    process = psutil.Process()
    files, threads = process.num_fds(), process.num_threads()

    complete = source(clip, decoder_threads=4)
    complete.open()
    seen(complete)
    complete.close()

    abandoned = source(clip, decoder_threads=4, start_seconds=0.5)
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
        source(tmp_path).open()
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


def test_an_interrupt_ends_the_frames_of_a_source_that_waits_for_a_buffer(tmp_path: Path) -> None:
    """The consumer holds the only buffer, so the decode thread waits or is about to; then the source is interrupted."""
    opened = source(write_clip(tmp_path / "clip.mp4", frames=60), capacity=1)
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
