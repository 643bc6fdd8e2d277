"""Models by what a person calls them: a name of the catalogue, or an .onnx file of one's own."""

from __future__ import annotations

from pathlib import Path

from visage.models.errors import UnknownModel
from visage.models.registry import DetectorSpec, EmbedderSpec, ModelSpec, load_catalog

__all__ = ["detector_spec", "embedder_spec"]


def detector_spec(name: str, model_dir: Path | None = None) -> DetectorSpec:
    """The detector of this name, or of this .onnx file. Raises UnknownModel, and for a file what `own_model` does."""
    spec = _find(name, model_dir)
    if not isinstance(spec, DetectorSpec):
        raise UnknownModel(_no_such("detector", name, DetectorSpec, model_dir))
    return spec


def embedder_spec(name: str, model_dir: Path | None = None) -> EmbedderSpec:
    """The embedder of this name, or of this .onnx file. Raises UnknownModel, and for a file what `own_model` does."""
    spec = _find(name, model_dir)
    if not isinstance(spec, EmbedderSpec):
        raise UnknownModel(_no_such("embedder", name, EmbedderSpec, model_dir))
    return spec


def _find(name: str, model_dir: Path | None) -> ModelSpec | None:
    if model_dir is not None and name.endswith(".onnx"):
        # Inspecting a file takes ONNX Runtime, which reading the catalogue does not.
        from visage.models.own import own_model  # noqa: PLC0415

        return own_model(Path(name), model_dir)
    return load_catalog(model_dir).get(name)


def _no_such(kind: str, name: str, wanted: type[ModelSpec], model_dir: Path | None) -> str:
    known = ", ".join(spec.name for spec in load_catalog(model_dir).values() if isinstance(spec, wanted))
    return f"there is no {kind} {name!r}; known: {known}"
