"""Files are given when they have stopped growing, once, and by the patterns."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import anyio
import pytest

from tests.bells import Bell
from visage.config.service import FolderConfig
from visage.service.folders import FolderState, FoundFile, WatchedFolder

BOUND_SECONDS = 20


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def watched(folder: Path, clock: Clock, **config: object) -> WatchedFolder:
    return WatchedFolder(FolderConfig.model_validate({"path": folder, "settle_seconds": 5, **config}), now=clock)


def names(folder: WatchedFolder) -> list[str]:
    return [found.path.name for found in folder.settled()]


def test_a_file_is_given_once_it_has_stopped_growing(tmp_path: Path) -> None:
    clock = Clock()
    folder = watched(tmp_path, clock)
    film = tmp_path / "film.mkv"
    film.write_bytes(b"1")
    folder.scan()
    clock.seconds = 4
    assert names(folder) == []
    film.write_bytes(b"12")
    clock.seconds = 6
    assert names(folder) == []  # it grew: the wait begins anew
    clock.seconds = 11
    assert names(folder) == ["film.mkv"]
    folder.scan()
    clock.seconds = 30
    assert names(folder) == []
    film.write_bytes(b"123")
    folder.scan()
    clock.seconds = 36
    assert names(folder) == ["film.mkv"]


def test_a_file_that_goes_while_it_settles_is_no_error(tmp_path: Path) -> None:
    clock = Clock()
    folder = watched(tmp_path, clock)
    film = tmp_path / "film.mkv"
    film.write_bytes(b"1")
    folder.scan()
    film.unlink()
    clock.seconds = 9
    assert names(folder) == []


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a.mp4", True),
        ("A.MP4", True),
        ("a.txt", False),
        (".a.mp4", False),
        ("sub/a.mkv", True),
        (".hidden/a.mkv", False),
        ("sub/a-trailer.mkv", False),
        ("samples/a.mkv", False),
        ("out/a.mkv", False),
        ("a.mp4.part", False),
        ("a.mp4.visage/annotated.mp4", False),
        ("@eaDir/a.mp4", False),
        ("sub/#recycle/a.mp4", False),
        ("$RECYCLE.BIN/S-1-5/a.mp4", False),
        ("System Volume Information/a.mp4", False),
        ("~syncthing~a.mp4", False),
        ("~a.mp4", True),
        ("recycle/a.mp4", True),
    ],
)
def test_patterns_choose(tmp_path: Path, name: str, wanted: bool) -> None:
    folder = watched(tmp_path, Clock(), exclude=["*trailer*", "samples/*"], output=tmp_path / "out")
    assert folder.wants(tmp_path / name) is wanted


@pytest.mark.parametrize("output", [".", ".."])
def test_results_may_lie_in_the_folder_itself(tmp_path: Path, output: str) -> None:
    folder = watched(tmp_path / "films", Clock(), output=(tmp_path / "films" / output).resolve())
    assert folder.wants(tmp_path / "films" / "a.mkv")
    assert not folder.wants(tmp_path / "films" / "a.mkv.visage" / "annotated.mkv")


def test_an_empty_file_is_waited_for_without_looking_at_it_again_and_again(tmp_path: Path) -> None:
    clock = Clock()
    folder = watched(tmp_path, clock)
    film = tmp_path / "film.mkv"
    film.touch()
    folder.scan()
    clock.seconds = 6
    assert names(folder) == []
    assert "0 candidates" in repr(folder)
    film.write_bytes(b"1")
    folder.scan()
    clock.seconds = 12
    assert names(folder) == ["film.mkv"]


def test_a_changed_time_makes_a_file_new(tmp_path: Path) -> None:
    clock = Clock()
    folder = watched(tmp_path, clock)
    film = tmp_path / "film.mkv"
    film.write_bytes(b"1")
    folder.scan()
    clock.seconds = 6
    assert names(folder) == ["film.mkv"]
    os.utime(film, ns=(1, 1))
    folder.scan()
    clock.seconds = 12
    assert names(folder) == ["film.mkv"]


@pytest.mark.parametrize("polling", [False, True])
def test_a_file_that_comes_later_is_noticed(tmp_path: Path, polling: bool) -> None:
    """Without a rescan: by the kernel's notice, or by polling."""
    config = FolderConfig(path=tmp_path, settle_seconds=0.2, rescan_seconds=3600, polling=polling)
    (tmp_path / "first.mp4").write_bytes(b"1")

    async def watch() -> list[str]:
        found = []

        async def take(file: FoundFile) -> None:
            found.append(file.path.name)
            if len(found) == 2:
                group.cancel_scope.cancel()
                return
            await anyio.Path(tmp_path / "sub").mkdir()
            await anyio.Path(tmp_path / "sub" / "second.mp4").write_bytes(b"2")

        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(WatchedFolder(config).run, take)
        return found

    assert anyio.run(watch) == ["first.mp4", "second.mp4"]


@pytest.mark.parametrize("polling", [False, True])
def test_a_folder_that_is_moved_here_is_looked_through(tmp_path: Path, polling: bool) -> None:
    """The kernel tells of the folder alone."""
    watched, elsewhere = tmp_path / "watched", tmp_path / "elsewhere" / "day"
    watched.mkdir()
    (watched / "first.mp4").write_bytes(b"1")
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "deep" / "second.mp4").write_bytes(b"2")
    config = FolderConfig(path=watched, settle_seconds=0.2, rescan_seconds=3600, polling=polling)

    async def watch() -> list[str]:
        found = []

        async def take(file: FoundFile) -> None:
            found.append(str(file.path.relative_to(watched)))
            if len(found) == 2:
                group.cancel_scope.cancel()
            else:
                await anyio.Path(elsewhere).rename(watched / "day")

        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(WatchedFolder(config).run, take)
        return found

    assert anyio.run(watch) == ["first.mp4", "day/deep/second.mp4"]


def test_a_missing_folder_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = FolderConfig(path=tmp_path / "mount", settle_seconds=0.2)
    folder = WatchedFolder(config)

    states: list[FolderState] = []

    async def mount(_seconds: float) -> None:
        """In place of the wait before the next attempt."""
        states.append(folder.state)
        if not config.path.exists():
            config.path.mkdir()
            (config.path / "film.mp4").write_bytes(b"1")
        await asyncio.sleep(0)

    async def watch() -> list[str]:
        found: list[str] = []

        async def take(file: FoundFile) -> None:
            found.append(file.path.name)
            group.cancel_scope.cancel()

        monkeypatch.setattr("visage.service.folders.anyio.sleep", mount)
        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(folder.run, take)
        return found

    assert anyio.run(watch) == ["film.mp4"]
    assert FolderState.UNREACHABLE in states
    assert folder.state is FolderState.WATCHING


def test_a_folder_that_loops_is_told_of_and_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Watching it by asking fails in a task group of watchfiles' own."""
    monkeypatch.setattr("visage.service.folders.UNREACHABLE_SECONDS", 0.01)
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a.mkv").write_bytes(b"1")
    folder = WatchedFolder(FolderConfig(path=tmp_path, settle_seconds=0.1, polling=True))
    given: list[str] = []
    changed = Bell()

    async def run() -> None:
        async def take(found: FoundFile) -> None:
            given.append(found.path.name)
            changed.ring()

        with anyio.fail_after(BOUND_SECONDS), changed.at_log_lines():
            async with anyio.create_task_group() as group:
                group.start_soon(folder.run, take)
                await changed.until(lambda: "loop" in folder.reason and bool(given))
                group.cancel_scope.cancel()

    anyio.run(run)
    assert given[0] == "a.mkv"


def test_a_folder_that_is_made_again_is_watched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount that is lost and comes back: what lies in it then is given, and what comes later is noticed."""
    films = tmp_path / "films"
    films.mkdir()
    (films / "before.mkv").write_bytes(b"1")
    folder = WatchedFolder(FolderConfig(path=films, settle_seconds=0.1, rescan_seconds=1))
    given: set[str] = set()

    taken = Bell()

    async def run() -> None:
        async def take(found: FoundFile) -> None:
            given.add(found.path.name)
            taken.ring()

        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(folder.run, take)
                await taken.until(lambda: "before.mkv" in given)
                films.rename(tmp_path / "lost")
                films.mkdir()
                (films / "after.mkv").write_bytes(b"1")
                await taken.until(lambda: "after.mkv" in given)
                monkeypatch.setattr(folder, "scan", lambda: False)
                for number in range(BOUND_SECONDS * 5):  # the new watch begins at some time from here on
                    (films / f"{number}.mkv").write_bytes(b"1")
                    with anyio.move_on_after(0.2):  # what was written before the watch began is not noticed
                        await taken.until(lambda: len(given) > 2)
                        break
                group.cancel_scope.cancel()

    anyio.run(run)
    assert len(given) > 2
