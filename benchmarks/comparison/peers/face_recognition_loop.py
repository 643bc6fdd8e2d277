"""face_recognition as its documentation shows it for video: HOG on the frame, dlib's embeddings."""

from importlib.metadata import version

import cv2
import face_recognition
from frames import run

LONGEST = 960  # its examples halve a frame; at a quarter it loses most of these faces


def analyse(frame):
    scale = min(1.0, LONGEST / max(frame.shape[:2]))
    small = cv2.cvtColor(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    found = face_recognition.face_locations(small, model="hog")
    face_recognition.face_encodings(small, found)
    return [[left / scale, top / scale, right / scale, bottom / scale] for top, right, bottom, left in found]


run(
    analyse,
    setting="HOG at 960, dlib ResNet, one frame at a time",
    versions={"face_recognition": version("face_recognition"), "dlib": version("dlib-bin")},
)
