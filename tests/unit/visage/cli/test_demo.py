"""The demo replaces its own results only."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.errors import OutputExists
from visage.cli.demo import demo


def test_a_gallery_that_is_no_demos_is_never_replaced(tmp_path: Path) -> None:
    """`visage demo --dst .` where somebody keeps a gallery by its usual name."""
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "gallery.sqlite").write_bytes(b"months of work")
    with pytest.raises(OutputExists, match="is no earlier demo's"):
        demo(dst=tmp_path, cache=tmp_path / "samples")
    assert (tmp_path / "people" / "gallery.sqlite").read_bytes() == b"months of work"
