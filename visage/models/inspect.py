"""What an undescribed network is: found by preparing it, running it once, and looking at what comes out.

Colour order and normalisation can't be seen in a network; the proposal has those that networks of its family usually
have, and says so. A picture with a face tells whether they are right (`visage models add` tries one).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from stages.backends.onnxruntime import OnnxRuntimeBackend
from stages.buffers import HostStream
from stages.detect.heads.base import OutputShapes
from stages.detect.heads.families import families
from stages.errors import BackendError, ModelMismatch
from visage.models.convert import read_network
from visage.models.errors import ModelDamaged
from visage.models.pins import digest_of
from visage.models.prepare import prepare
from visage.models.registry import (
    DetectorNetworkInput,
    DetectorSpec,
    EmbedderNetworkInput,
    EmbedderSpec,
    ModelFile,
    ModelSpec,
    NetworkInput,
)

__all__ = ["Proposal", "inspect_network"]

UNKNOWN_LICENCE = "LicenseRef-unknown"
CAUTIOUS_SIMILARITY = 0.4
TRIED_SIDE = 640  # of detectors that take any size
EMBEDDING = 2  # dimensions: (N, D)
ARCFACE_SIDE, FACENET_SIDE = 112, 160

# (value - 127.5) / 127.5, as InsightFace's embedders want it; FaceNet's is nearly the same.
MEAN, SCALE = (127.5, 127.5, 127.5), (1 / 127.5, 1 / 127.5, 1 / 127.5)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A catalogue entry for a file, and the reasons, a sentence each."""

    spec: ModelSpec
    reasons: tuple[str, ...]


def inspect_network(path: Path, *, name: str) -> Proposal:
    """Propose an entry called `name`.

    Raises:
        ModelDamaged: it is not ONNX, or takes no single picture.
        ModelMismatch: it is neither an embedder nor a detector of a family that Visage knows.
    """
    if not path.is_file():
        raise ModelDamaged(f"there is no file {path}")
    network = read_network(path, "onnx")
    size, is_fixed = _input_size(path, network)
    shapes = _output_shapes(path, network, size, is_fixed=is_fixed)
    found = f"Its outputs for a picture of {size[1]}x{size[0]} are {', '.join(map(str, shapes.values()))}"
    file = ModelFile(name=f"{name}.onnx", sha256=digest_of(path), size_bytes=path.stat().st_size, origins=())
    if len(shapes) == 1 and len(next(iter(shapes.values()))) == EMBEDDING:
        return _embedder(name, file, size, next(iter(shapes.values()))[1], found)
    for head, family in families().items():
        if family.recognises(shapes, size):
            return _detector(name, file, head, size, is_fixed=is_fixed, found=found)
    raise ModelMismatch(
        f"{path} is neither an embedder nor a detector of a known family ({', '.join(families())}). {found}"
    )


def _input_size(path: Path, network: onnx.ModelProto) -> tuple[tuple[int, int], bool]:
    """(height, width) to try, and whether it is the only one."""
    weights = {tensor.name for tensor in network.graph.initializer}
    inputs = [value for value in network.graph.input if value.name not in weights]
    dims = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim] if len(inputs) == 1 else []
    if len(dims) != 4:  # noqa: PLR2004 - N, C, H, W
        found = ", ".join(f"{value.name} of {len(value.type.tensor_type.shape.dim)} dimensions" for value in inputs)
        raise ModelDamaged(f"{path} should have one input, a picture (N, 3, height, width); it has {found or 'none'}")
    if dims[1] and 3 not in (dims[1], dims[3]):  # noqa: PLR2004 - red, green, blue
        raise ModelDamaged(f"{path} takes pictures of {dims[1]} channels; Visage's have three, red, green and blue")
    sides = dims[1:3] if dims[3] == 3 and dims[1] != 3 else dims[2:]  # noqa: PLR2004 - red, green, blue
    if all(sides):
        return (sides[0], sides[1]), True
    has_one_vector = (
        len(network.graph.output) == 1 and len(network.graph.output[0].type.tensor_type.shape.dim) == EMBEDDING
    )
    side = ARCFACE_SIDE if has_one_vector else TRIED_SIDE
    return (side, side), False


def _output_shapes(path: Path, network: onnx.ModelProto, size: tuple[int, int], *, is_fixed: bool) -> OutputShapes:
    """By running it once on a black picture."""
    prepared = prepare(network, NetworkInput(colour="bgr"), has_dynamic_size=not is_fixed)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path.name
        file.write_bytes(prepared.SerializeToString())
        try:
            backend = OnnxRuntimeBackend(file, max_batch=1, threads=1)
            outputs = backend.infer(np.zeros((1, *size, 3), np.uint8), stream=HostStream())
        except BackendError as error:
            raise ModelMismatch(f"{path} can't be run on a picture of {size[1]}x{size[0]}: {error}") from error
        shapes = {name: tuple(output.shape) for name, output in outputs.items()}
        backend.close()
    return shapes


def _embedder(name: str, file: ModelFile, size: tuple[int, int], dimension: int, found: str) -> Proposal:
    if size[0] != size[1]:
        raise ModelMismatch(f"an embedder takes square crops, {file.name} takes {size[1]}x{size[0]}")
    mean, scale = (MEAN, (1 / 128,) * 3) if size[0] == FACENET_SIDE else (MEAN, SCALE)
    spec = EmbedderSpec(
        name=name,
        title=name,
        task="embed",
        licence=UNKNOWN_LICENCE,
        files=(file,),
        input=EmbedderNetworkInput(size=size[0], colour="rgb", mean=mean, scale=(scale[0], scale[1], scale[2])),
        template="arcface-112",
        embedding_dim=dimension,
        similarity="cosine",
        similarity_threshold=CAUTIOUS_SIMILARITY,
        similarity_source="not measured: a cautious value; measure with visage eval verification",
    )
    return Proposal(
        spec,
        (
            f"{found}: an embedder.",
            "Assumed: RGB, (value - 127.5) / 127.5 or / 128, faces aligned as ArcFace's.",
            "Its threshold is not measured: see visage eval verification.",
        ),
    )


def _detector(name: str, file: ModelFile, head: str, size: tuple[int, int], *, is_fixed: bool, found: str) -> Proposal:
    if size[0] != size[1]:
        raise ModelMismatch(
            f"{file.name} takes pictures of {size[1]}x{size[0]} only; export it square, or for any size"
        )
    family = families()[head]
    spec = DetectorSpec(
        name=name,
        title=name,
        task="detect",
        licence=UNKNOWN_LICENCE,
        files=(file,),
        input=DetectorNetworkInput(
            longest=size[0] if is_fixed else family.longest,
            multiple=family.multiple,
            square=is_fixed,
            pad_value=family.pad_value,
            colour=family.colour,
            mean=family.mean,
            scale=family.scale,
        ),
        head=head,
        score_threshold=family.score_threshold,
        nms_iou=family.nms_iou,
    )
    return Proposal(
        spec, (f"{found}: a detector of the family {head}.", f"Assumed: the pixels that {head} networks usually want.")
    )
