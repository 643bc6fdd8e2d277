"""One folder under many paths: each machine says where it has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from visage.cluster.errors import NodeRefused
from visage.cluster.roots import RootMap, parse_roots


def test_roots_are_read_from_a_variable() -> None:
    assert parse_roots(" archive=/mnt/a/ , out=/data ,") == {"archive": Path("/mnt/a"), "out": Path("/data")}
    assert parse_roots("") == {}


@pytest.mark.parametrize("text", ["archive", "archive=relative", "=/a", "a=/x,a=/y"])
def test_a_wrong_root_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="VISAGE_ROOTS"):
        parse_roots(text)


def test_a_path_is_found_below_the_nearest_root(tmp_path: Path) -> None:
    theirs = {"all": Path("/srv"), "films": Path("/srv/films")}
    for name in ("a", "f"):
        (tmp_path / name).mkdir()
    roots = RootMap("n1", theirs, {"all": tmp_path / "a", "films": tmp_path / "f"})
    assert roots.local(Path("/srv/films/x/y.mp4")) == tmp_path / "f" / "x" / "y.mp4"
    assert roots.local(Path("/srv/out")) == tmp_path / "a" / "out"
    assert roots.local(Path("/elsewhere/y.mp4")) == Path("/elsewhere/y.mp4"), "the same everywhere"
    assert roots.local_uri("rtsp://camera/1") == "rtsp://camera/1"


def test_a_node_without_the_root_is_named_with_the_remedy(tmp_path: Path) -> None:
    theirs = {"archive": Path("/srv")}
    with pytest.raises(NodeRefused, match=r"node n1 has no root 'archive'.*set VISAGE_ROOTS=archive="):
        RootMap("n1", theirs, {}).local(Path("/srv/a.mp4"))
    with pytest.raises(NodeRefused, match=r"node n1 has the root 'archive' at .*: mount it"):
        RootMap("n1", theirs, {"archive": tmp_path / "none"}).local(Path("/srv/a.mp4"))
