"""Prepared networks in the model folder: made once from a published file (see `visage.models.prepare`), then found.

A prepared file's name holds the version of the preparation, the published file's digest and, last, its own: one rename
writes content and digest both, and what a newer Visage or another published file would give is never mistaken for it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from visage.models.convert import read_network
from visage.models.folder import ModelFolder
from visage.models.pins import digest_of
from visage.models.registry import ModelFile, ModelSpec

__all__ = ["InputLayout", "PreparedNetworks"]

logger = logging.getLogger(__name__)

InputLayout = Literal["uint8_nhwc", "float_nchw"]

PREPARATION_VERSION = 1
"""Part of a prepared file's name. Raise it when the surgery, or an `input` in the catalogue, changes."""

DIGEST_DIGITS = 12  # of 64, in file names


class PreparedNetworks:
    """The prepared networks of one folder."""

    def __init__(self, folder: ModelFolder) -> None:
        self._folder = folder

    def find(self, file: ModelFile, input_layout: InputLayout, *, name_damaged: bool = False) -> Path | None:
        """The sound network made from this file; `name_damaged` logs those that are not."""
        for path in self._folder.path.glob(f"{_stem(file, input_layout)}-*.onnx"):
            if self.is_sound(path):
                return path
            if name_damaged:
                logger.warning("%s is damaged; preparing it again", path)
        return None

    def make(self, spec: ModelSpec, file: ModelFile, source: Path, input_layout: InputLayout) -> Path:
        """Prepare the published file at `source`. The folder is this process's meanwhile.

        Raises ModelDamaged if it is not a network.
        """
        from visage.models.prepare import prepare  # noqa: PLC0415 - imports onnx, and a run finds its networks prepared

        network = prepare(
            read_network(source, file.format),
            spec.input,
            has_dynamic_size=spec.has_dynamic_size,
            input_layout=input_layout,
        ).SerializeToString(deterministic=True)
        digest = hashlib.sha256(network).hexdigest()
        for stale in self._folder.path.glob(f"{Path(file.name).stem}.{input_layout}-*.onnx"):
            stale.unlink()
        return self._folder.write(f"{_stem(file, input_layout)}-{digest[:DIGEST_DIGITS]}.onnx", network)

    def made_from(self, file: ModelFile) -> Iterator[Path]:
        """All that were made from this file, sound or not."""
        yield from sorted(self._folder.path.glob(f"{_stem(file, '*')}-*.onnx"))

    @staticmethod
    def is_sound(path: Path) -> bool:
        """Whether the content is what the name says."""
        return path.stem.rpartition("-")[2] == (digest_of(path) or "")[:DIGEST_DIGITS]


def _stem(file: ModelFile, input_layout: str) -> str:
    stem = Path(file.name).stem
    return f"{stem}.{input_layout}-v{PREPARATION_VERSION}-{(file.sha256 or '')[:DIGEST_DIGITS]}"
