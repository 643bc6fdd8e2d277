"""What a node has to show: another Visage, another network and a lacking one are told apart."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from visage import __version__
from visage.cluster.door import Expected, inspect_node, receive_model
from visage.models import ModelStore

YUNET = "yunet"


def expected(folder: Path, version: str = __version__) -> Expected:
    files = ModelStore(folder).spec(YUNET).files
    return Expected(version, str(folder), {YUNET: [str(file.sha256) for file in files]})


def test_a_node_that_lacks_a_network_may_be_sent_it(tmp_path: Path) -> None:
    finding = inspect_node(expected(tmp_path))
    assert (finding.problem, finding.missing, finding.model_dir) == (None, (YUNET,), str(tmp_path))


def test_another_version_is_refused_before_anything_else(tmp_path: Path) -> None:
    finding = inspect_node(expected(tmp_path, "0.0.1"))
    assert finding.problem == f"has Visage {__version__}, and this is 0.0.1: install the same version there"


def test_another_network_of_the_same_name_is_refused(tmp_path: Path) -> None:
    finding = inspect_node(Expected(__version__, str(tmp_path), {YUNET: ["0" * 64]}))
    assert finding.problem is not None
    assert "another network called yunet" in finding.problem


def test_a_node_has_its_own_folder_and_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAGE_MODEL_DIR", str(tmp_path / "own"))
    monkeypatch.setenv("VISAGE_ROOTS", "archive=/data")
    finding = inspect_node(expected(tmp_path))
    assert (finding.model_dir, finding.roots) == (str(tmp_path / "own"), "archive=/data")


def test_a_network_arrives_whole_or_not_at_all(tmp_path: Path) -> None:
    content = b"network"
    digest = hashlib.sha256(content).hexdigest()
    assert receive_model(str(tmp_path), "n.onnx", content[:-1], digest) == "received n.onnx damaged"
    assert not list(tmp_path.iterdir())
    assert receive_model(str(tmp_path), "n.onnx", content, digest) is None
    assert (tmp_path / "n.onnx").read_bytes() == content
    problem = receive_model(str(tmp_path / "n.onnx"), "m.onnx", content, digest)
    assert problem is not None
    assert "set VISAGE_MODEL_DIR there" in problem
