"""Films in an S3 store, listed and read by ranges from a real server of that protocol."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.media import Media
from tests.servers.s3 import S3Store

pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]' s3fs")
pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'moto[server]' s3fs")

BOUND_SECONDS = 120.0

FILL = """
import sys, fsspec
files = fsspec.filesystem("s3")
files.mkdir("archive")
for name in ("b/one.mp4", "a/two.mp4", "a/notes.txt", "a/.hidden.mp4"):
    files.put_file(sys.argv[1], "archive/films/" + name)
"""

READ = """
import sys
from stages.decode.demux import Demuxer
from visage.cluster.stores import expand_stores, signed
films = expand_stores(["s3://archive/films/", "/here.mp4"])
print(*films)
demuxer = Demuxer(signed(films[0]))
print(sum(packet.size > 0 for packet in demuxer.packets()), demuxer.error)
demuxer.close()
for wrong in (["s3://archive/none/"], ["s3://archive/*.avi"]):
    try:
        expand_stores(wrong)
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
try:
    signed("s3://archive/films/none.mp4")
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def store() -> Iterator[S3Store]:
    with S3Store() as store:
        yield store


def python(store: S3Store, code: str, *arguments: object) -> str:
    """In a process of its own: s3fs keeps threads and connections."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": "/usr/bin:/bin", **store.environment},
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_films_of_a_store_are_listed_and_read_in_place(store: S3Store, media: Media, tmp_path: Path) -> None:
    python(store, FILL, media.path("single_face.mp4"))
    lines = python(store, READ).splitlines()
    assert lines == [
        "s3://archive/films/a/two.mp4 s3://archive/films/b/one.mp4 /here.mp4",
        "72 None",
        "NotAVideo: s3://archive/none/: no videos there; name files or a pattern to say which",
        "SourceNotFound: s3://archive/*.avi: nothing in the store matches this pattern",
        "SourceNotFound: s3://archive/films/none.mp4 does not exist, or this machine may not see it: check its rights "
        "to the store",
    ]
