"""The loop that OpenCV's own samples show: FaceDetectorYN at 640 pixels, alignCrop, FaceRecognizerSF."""

import os

import cv2
from frames import run

DETECTOR, EMBEDDER = os.environ["YUNET"], os.environ["SFACE"]  # the fp32 files of opencv_zoo
LONGEST = 640

detector = cv2.FaceDetectorYN.create(DETECTOR, "", (320, 320), 0.6, 0.3)
embedder = cv2.FaceRecognizerSF.create(EMBEDDER, "")


def analyse(frame):
    scale = LONGEST / max(frame.shape[:2])
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    detector.setInputSize(small.shape[1::-1])
    faces = detector.detect(small)[1]
    boxes = []
    for face in faces if faces is not None else ():
        face[:14] /= scale
        embedder.feature(embedder.alignCrop(frame, face))
        boxes.append([face[0], face[1], face[0] + face[2], face[1] + face[3]])
    return boxes


run(analyse, setting="YuNet at 640, SFace, one frame at a time", versions={"opencv": cv2.__version__})
