"""What the norm of an embedding says of the face: python -m benchmarks.people.recognisability

Every face is shown in many ways, from close and clean to tiny, blurred, noisy, tilted and covered, and found and
embedded again. A measure of quality is good if it orders these pictures as their cosine to the clean one does. Prints,
for each embedder of the catalogue whose weights are there, the rank correlation of the raw embedding's norm with that
cosine, its area under the curve (cosine at least the naming threshold or less), the same of the geometric quality, and
the norms that the catalogue's `norm` table takes: of clean large faces, and of pictures that nobody could be named by.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.people.cast import Portrait, read_portraits
from benchmarks.people.scenes import Scene
from benchmarks.tracking.measure import Rig
from stages.backends.onnxruntime import OnnxRuntimeBackend
from stages.buffers import HostStream
from stages.embed.align import landmark_transforms
from stages.frames import Faces, FloatArray
from visage.assembly import ModelPlan
from visage.config import Settings
from visage.people import FaceReader

EMBEDDERS = ("sface", "facenet", "dlib")
HEIGHTS = (160, 80, 48, 32, 24)
MIN_OVERLAP = 0.3
CLEAN_HEIGHT = 80

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to show a face; `covered`: the share of its height below which nothing is seen of it."""

    name: str
    tilt: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    gain: float = 1.0
    covered: float = 0.0


WAYS = (
    Way("clean"),
    Way("blurred", blur=0.12),
    Way("blurred much", blur=0.25),
    Way("noisy", noise=15),
    Way("dim and noisy", noise=8, gain=0.25),
    Way("tilted", tilt=30),
    Way("covered", covered=0.45),
)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture of a face: the raw embedding of each network, and what geometry says of it."""

    portrait: int
    height: float
    way: str
    geometric: float
    raw: dict[str, FloatArray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="folders with photographs of other people")
    parser.add_argument("--save", type=Path, help="keep the looks in this .npz")
    chosen = parser.parse_args()
    cache = Path(os.environ.get("VISAGE_TEST_CACHE", "~/.cache/visage-tests")).expanduser()
    settings = Settings(model_dir=cache / "models", device="cpu")
    with FaceReader(settings) as reader:
        portraits = list(read_portraits(reader, cache / "media", chosen.more))
    networks = {name: Network(name, settings) for name in EMBEDDERS}
    rig = Rig(settings.model_copy(update={"embed": False}))
    looks = list(looks_of(portraits, rig, networks))
    rig.close()
    print(f"{len(portraits)} faces, {len(looks)} pictures in which they are found")
    for name, network in networks.items():
        tell(name, looks, network)
    if chosen.save:
        np.savez(
            chosen.save,
            portrait=[look.portrait for look in looks],
            who=[portraits[look.portrait].who for look in looks],
            height=[look.height for look in looks],
            way=[look.way for look in looks],
            geometric=[look.geometric for look in looks],
            **{name: np.stack([look.raw[name] for look in looks]) for name in networks},
        )


def looks_of(portraits: Sequence[Portrait], rig: Rig, networks: dict[str, Network]) -> Iterator[Look]:
    for number, portrait in enumerate(portraits):
        for height, way in itertools.product(HEIGHTS, WAYS):
            image = shown(portrait, height, way)
            found = rig.detect(image)
            row = _row_in_the_middle(found, image, height)
            if row is None or found.landmarks is None or found.quality is None:
                continue
            raw = {name: network.embed(image, found.landmarks[row]) for name, network in networks.items()}
            yield Look(number, height, way.name, float(found.quality[row]), raw)


def shown(portrait: Portrait, height: float, way: Way) -> Image:
    """uint8 (360, 640, 3), BGR: the face in the middle."""
    scene = Scene(way.name, height, tilt=way.tilt, blur=way.blur, gain=way.gain, noise=way.noise)
    return scene.still(portrait, covered=way.covered)


class Network:
    """An embedder whose raw output is wanted."""

    def __init__(self, name: str, settings: Settings) -> None:
        plan = ModelPlan.of(settings.model_copy(update={"embedder": name}))
        assert plan.embedder is not None
        assert plan.template is not None
        self.spec, self._template = plan.embedder, plan.template
        self._backend = OnnxRuntimeBackend(plan.store.prepared(name), max_batch=1, threads=1)

    def embed(self, image: Image, landmarks: FloatArray) -> FloatArray:
        """float32 (D,), as the network gives it."""
        size = self.spec.input.size
        (to_source,) = landmark_transforms(landmarks[None], self._template)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop = cv2.warpAffine(image, to_source, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        (output,) = self._backend.infer(np.asarray(crop, np.uint8)[None], stream=HostStream()).values()
        return np.array(output[0], np.float32)


def tell(name: str, looks: Sequence[Look], network: Network) -> None:
    """Print what the norm is worth for one embedder."""
    raw = np.stack([look.raw[name] for look in looks])
    norms = np.linalg.norm(raw, axis=1)
    unit = raw / norms[:, None]
    portraits = np.array([look.portrait for look in looks])
    is_clean = np.array([look.way == "clean" and look.height == HEIGHTS[0] for look in looks])
    clean = {int(portraits[row]): unit[row] for row in np.flatnonzero(is_clean)}
    rows = np.array([row for row in range(len(looks)) if not is_clean[row] and int(portraits[row]) in clean])
    cosine = np.array([float(unit[row] @ clean[int(portraits[row])]) for row in rows])
    geometric = np.array([looks[row].geometric for row in rows])
    threshold = network.spec.similarity_threshold + 0.17 * (1 - network.spec.similarity_threshold)
    large = [row for row, look in enumerate(looks) if look.way == "clean" and look.height >= CLEAN_HEIGHT]
    print(
        f"{name}: norm {rank_correlation(norms[rows], cosine):.2f}, AUC {area(norms[rows], cosine >= threshold):.3f}; "
        f"geometric quality {rank_correlation(geometric, cosine):.2f}, AUC {area(geometric, cosine >= threshold):.3f}; "
        f"norms of {len(large)} clean large faces: "
        f"{np.percentile(norms[large], [1, 5, 50, 95]).round(2).tolist()} (1, 5, 50, 95%)"
    )
    for low, high in itertools.pairwise(np.percentile(norms[rows], np.arange(0, 101, 10))):
        inside = (norms[rows] >= low) & (norms[rows] <= high)
        print(
            f"  norm {low:6.2f} to {high:6.2f}: cosine {np.median(cosine[inside]):.2f}, "
            f"{100 * (cosine[inside] >= threshold).mean():3.0f}% at least {threshold:.2f}"
        )


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Spearman's, in [-1, 1]."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def area(values: NDArray[np.float64], is_good: NDArray[np.bool_]) -> float:
    """Probability that a good one has the higher value."""
    ranks = np.argsort(np.argsort(values)) + 1
    good = int(is_good.sum())
    return float((ranks[is_good].sum() - good * (good + 1) / 2) / max(good * (len(values) - good), 1))


def _row_in_the_middle(found: Faces, image: Image, height: float) -> int | None:
    middle = np.array([image.shape[1], image.shape[0]]) / 2
    for row, box in enumerate(found.boxes_xyxy):
        if np.abs((box[:2] + box[2:]) / 2 - middle).max() < MIN_OVERLAP * height:
            return row
    return None


if __name__ == "__main__":
    main()
