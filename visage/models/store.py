"""The models that this machine has or can get. Invariant: a path it returns has the digest that the catalogue states.

What is cached and sound is used without a lock, without the network, and from a folder that can't be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from visage.home import expand_home
from visage.models.errors import LicenceNotAccepted, UnknownModel
from visage.models.fetch import Progress, PublishedFiles
from visage.models.folder import ModelFolder
from visage.models.licences import AcceptedLicences
from visage.models.pins import Pins, digest_of
from visage.models.prepared import InputLayout, PreparedNetworks
from visage.models.registry import ModelFile, ModelSpec, load_catalog
from visage.models.verification import FileCheck, FileState, Verification

__all__ = ["ModelStore"]


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
        self.model_dir = expand_home(model_dir)
        self._given_catalog = catalog
        self._pins = Pins(self.model_dir)
        self._licences = AcceptedLicences(self.model_dir)
        self._folder = ModelFolder(self.model_dir, lock_timeout_seconds=lock_timeout_seconds)
        self._published = PublishedFiles(self._folder, self._pins, lambda: self.catalog)
        self._prepared = PreparedNetworks(self._folder)

    def __repr__(self) -> str:
        return f"<ModelStore {self.model_dir}>"

    @property
    def catalog(self) -> Mapping[str, ModelSpec]:
        """Everything there is by name. Raises CatalogDamaged."""
        return load_catalog(self.model_dir) if self._given_catalog is None else self._given_catalog

    def spec(self, name: str) -> ModelSpec:
        """The entry of this name, or of this .onnx file. Raises UnknownModel, and what `own_model` does."""
        if name.endswith(".onnx") and self._given_catalog is None:
            from visage.models.own import own_model  # noqa: PLC0415 - imports onnx, for own files alone

            return own_model(Path(name), self.model_dir)
        catalog = self.catalog
        if name not in catalog:
            raise UnknownModel(f"there is no model {name!r}; known: {', '.join(catalog)}")
        return self._pins.resolve(catalog[name])

    def needs_agreement(self, name: str) -> bool:
        """Whether it would be fetched, is not free for every use, and no one has agreed. Raises UnknownModel."""
        spec = self.spec(name)
        try:
            self._licences.check(spec)
        except LicenceNotAccepted:
            return self._published.find(spec) is None
        return False

    def accept_licence(self, name: str) -> None:
        """Remember that this model's licence was agreed to. Raises UnknownModel, OSError."""
        self._licences.accept(self.spec(name))

    def fetch(self, name: str, *, progress: Progress | None = None) -> Path:
        """The published file, from the folder or else from the first origin that has it.

        Raises:
            UnknownModel: not in the catalogue.
            ModelUnavailable: no origin worked; the message lists what was tried.
            LicenceNotAccepted: it would have to be fetched, is not free for every use, and no one has agreed.
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
        if (path := self._prepared.find(file, input_layout)) is not None:
            return path
        with self._folder.exclusive():
            return self._prepared.find(file, input_layout, name_damaged=True) or self._prepared.make(
                spec, file, source, input_layout
            )

    def verify(self, name: str) -> Verification:
        """Compare every file of the model in the folder with its digest. Raises UnknownModel."""
        spec = self.spec(name)
        originals = [self.model_dir / file.name for file in spec.files]
        checks = [
            _check(path, is_sound=digest_of(path) == file.sha256)
            for path, file in zip(originals, spec.files, strict=True)
            if path.exists()
        ] or [FileCheck(originals[0], FileState.MISSING)]
        prepared = [path for file in spec.files for path in self._prepared.made_from(file)]
        checks += [_check(path, is_sound=self._prepared.is_sound(path)) for path in prepared]
        return Verification(name, tuple(checks))

    def _fetch(self, spec: ModelSpec, progress: Progress | None) -> tuple[Path, ModelFile]:
        if (found := self._published.find(spec)) is not None:
            return found
        self._licences.check(spec)
        with self._folder.exclusive():
            return self._published.find(spec, name_damaged=True) or self._published.download(spec, progress)


def _check(path: Path, *, is_sound: bool) -> FileCheck:
    return FileCheck(path, FileState.OK if is_sound else FileState.DAMAGED)
