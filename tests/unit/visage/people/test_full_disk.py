"""A disk that is nearly full, with a gallery on it: a small file system in memory, in a process of its own.

Edge's files are memory-mapped and sparse: without the room that they may take, writing to them is a fatal signal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MOUNT = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
TIMEOUT_SECONDS = 120

OPEN = """
import sys
from pathlib import Path
from visage.people.index.errors import IndexFull
from tests.unit.visage.people.scenes import add, gallery, person
from visage.people import SightingRecorder
with gallery(Path(sys.argv[1])) as opened:
    try:
        SightingRecorder(opened)
    except IndexFull as error:
        print(error)
    add(opened, "Ada", person(1))
    print([one.name for one in opened.people()])
"""

FILL_UP = """
import logging, sys
from pathlib import Path
from tests.unit.visage.people.scenes import add, gallery, near, person, track
from visage.people import SightingRecorder
logging.basicConfig(level="WARNING", stream=sys.stdout, format="%(message)s")
folder = Path(sys.argv[1])
filling = folder.parent / "something else"
with gallery(folder) as opened:
    add(opened, "Ada", person(1))
    recorder = SightingRecorder(opened)
    filling.write_bytes(bytes(100 << 20))
    for number in range(1, 1001):
        recorder.record(track(near(person(1), number), number, source="film"), uri="/film.mp4")
    assert recorder.settle("film", 60) is None
    recorder.close()
    told = recorder.statistics()
    print(told.recorded, told.dropped, opened.sighting_store.index().count(), told.failure)
    done = opened.forget("Ada")
    print(done.sightings, done.verified, done.index_waits)
    filling.unlink()
    opened.sighting_store.index_waiting()
    print(opened.database.row("SELECT count(*) FROM unindex")[0])
"""


@pytest.fixture(scope="module", autouse=True)
def _can_mount() -> None:
    """Containers may forbid it."""
    if shutil.which("unshare") is None or subprocess.run([*MOUNT, "true"], check=False, timeout=30).returncode:
        pytest.skip("nothing can be mounted here")


def on_a_disk(script: str, folder: Path, size: str) -> list[str]:
    """What it prints, with an empty file system of that size in a folder."""
    folder.mkdir()
    command = f'mount -t tmpfs -o size={size} tmpfs "$1" && exec "$2" -c "$3" "$1/people"'
    done = subprocess.run(
        [*MOUNT, "sh", "-c", command, "sh", str(folder), sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


def test_a_gallery_without_room_for_its_index_is_refused_in_one_line(tmp_path: Path) -> None:
    """People need none of it."""
    disk = tmp_path / "disk"
    assert on_a_disk(OPEN, disk, "1m") == [
        f"{disk}/people/sightings: its disk has less than 64 MiB left, and an index needs room to grow; free some",
        "['Ada']",
    ]


def test_a_disk_that_fills_up_stops_the_index_alone(tmp_path: Path) -> None:
    """Tracks are stored, and that they are not indexed is told once; forgetting works, and the index follows later."""
    disk = tmp_path / "disk"
    why = f"{disk}/people/sightings: its disk has less than 64 MiB left, and an index needs room to grow; free some"
    assert on_a_disk(FILL_UP, disk, "150m") == [
        f"sightings are stored, and indexed later: {why}",
        f"1000 0 0 {why}",
        "1000 True True",
        "0",
    ]
