from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from visage.models import ModelStore

RUN = """
import sys, threading
from pathlib import Path
import numpy as np
from stages.backends.{module} import {backend}
from stages.buffers import HostStream
backend = {backend}(Path(sys.argv[1]), max_batch=1, threads=1)
backend.infer(np.zeros((1, 112, 112, 3), np.uint8), stream=HostStream())
backend.close()
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
"""


@pytest.mark.parametrize(
    ("module", "backend"), [("openvino", "OpenVINOBackend"), ("onnxruntime", "OnnxRuntimeBackend")]
)
def test_inference_leaves_no_trace_at_home(models: ModelStore, tmp_path: Path, module: str, backend: str) -> None:
    """A fresh process with an empty home: no reporter's file and no reporter's thread afterwards."""
    network = models.prepared("sface")
    subprocess.run(
        [sys.executable, "-c", RUN.format(module=module, backend=backend), str(network)],
        env={"HOME": str(tmp_path), "PATH": ""},
        check=True,
        timeout=60,
    )
    assert list(tmp_path.rglob("*")) == []


REPORTING = ("onnxruntime", "openvino")
PROJECT = Path(__file__).parents[4]


@pytest.mark.parametrize("folder", ["stages", "visage"])
def test_libraries_that_report_are_imported_in_one_place(folder: str) -> None:
    for path in (PROJECT / folder).rglob("*.py"):
        if path.name != "telemetry.py":
            assert unguarded_imports(path.read_text()) == [], path


def test_an_import_past_that_place_is_seen() -> None:
    assert unguarded_imports("def f():\n    from onnxruntime import quantization") == [2]
    assert unguarded_imports("importlib.import_module('openvino')") == [1]
    assert unguarded_imports("if TYPE_CHECKING:\n    import onnxruntime") == []


def unguarded_imports(source: str) -> list[int]:
    """Lines that load such a library, outside TYPE_CHECKING, where the guarded import was not called above them."""
    tree = ast.parse(source)
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for statement in block.body
        for node in ast.walk(statement)
    }
    guarded: dict[str, int] = {}
    found: list[int] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("import_"):
            name = ast.unparse(node.func).removeprefix("import_")
            guarded[name] = min(guarded.get(name, node.lineno), node.lineno)
    for node in ast.walk(tree):
        if node in typing_only or not isinstance(node, (ast.Import, ast.ImportFrom, ast.Call)):
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif ast.unparse(node.func).endswith(("import_module", "__import__")):
            names = [str(argument.value) for argument in node.args[:1] if isinstance(argument, ast.Constant)]
        for name in names:
            root = name.partition(".")[0]
            if root in REPORTING and guarded.get(root, node.lineno) >= node.lineno:
                found.append(node.lineno)
    return found
