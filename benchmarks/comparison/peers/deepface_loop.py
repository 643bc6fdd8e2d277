"""DeepFace with the networks that Visage has, YuNet and SFace: both among its documented choices, and its quickest."""

import os
import tempfile
from importlib.metadata import version
from pathlib import Path

home = tempfile.TemporaryDirectory()
weights = Path(home.name) / ".deepface" / "weights"
weights.mkdir(parents=True)
for variable, name in (
    ("YUNET", "face_detection_yunet_2023mar.onnx"),
    ("SFACE", "face_recognition_sface_2021dec.onnx"),
):
    (weights / name).symlink_to(os.environ[variable])
os.environ["DEEPFACE_HOME"] = home.name
os.environ["yunet_score_threshold"] = "0.6"  # DeepFace's own 0.9 loses faces  # noqa: SIM112 - its spelling

from deepface import DeepFace  # noqa: E402 - reads the variables when it is imported
from frames import run  # noqa: E402


def analyse(frame):
    found = DeepFace.represent(frame, model_name="SFace", detector_backend="yunet", enforce_detection=False)
    areas = [face["facial_area"] for face in found if face["face_confidence"] > 0]  # without a face: the whole frame
    return [[area["x"], area["y"], area["x"] + area["w"], area["y"] + area["h"]] for area in areas]


run(
    analyse,
    setting="YuNet at 640, SFace, one frame at a time",
    versions={"deepface": version("deepface")},
)
