"""Whether people who are enrolled from photographs are named in clips: python -m benchmarks.people.naming

Every face is filmed in several ways (benchmarks/people/scenes.py) and goes through the pipeline once: decoded, found,
tracked, embedded. Then galleries are put behind it, each with everybody else in it, and of the filmed person

    another     another photograph than the clip was made from: is the track named right?
    the same    the photograph that the clip was made from
    nobody      none: is the track left unknown?

Takes about seven minutes on two busy cores.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.people.cast import Portrait, read_portraits
from benchmarks.people.scenes import SCENES, Place, Scene
from stages.frames import Faces, FloatArray, Frame, Observation
from stages.identify.roster import Person, Roster
from stages.identify.stage import IdentifyStage
from visage import AnalyzedFrame, analyze, open_gallery
from visage.config import Settings
from visage.people import FaceReader

MIN_OVERLAP = 0.3


@dataclass(slots=True)
class Tally:
    """What became of the tracks, and of the rows, of one scene and one kind of gallery."""

    tracks: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def line(self) -> str:
        return "; ".join(
            f"{what}: " + ", ".join(f"{counted[key]} {key}" for key in ("right", "wrong", "unknown"))
            for what, counted in (("tracks", self.tracks), ("rows", self.rows))
        )


class NoPixels:
    """A picture whose pixels nobody asks for: what was seen in it is known already."""

    width, height = 0, 0

    def release(self) -> None:
        """Nothing is held."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="folders with photographs of other people")
    parser.add_argument("--only", default="", help="scenes whose name contains this")
    parser.add_argument("--frameskip", default="1")
    parser.add_argument("--details", action="store_true", help="a line for every track that is not named right")
    chosen = parser.parse_args()
    cache = Path(os.environ.get("VISAGE_TEST_CACHE", "~/.cache/visage-tests")).expanduser()
    settings = Settings(model_dir=cache / "models", device="cpu", frameskip=chosen.frameskip)
    with FaceReader(settings) as reader:
        portraits = list(read_portraits(reader, cache / "media", chosen.more))
    tell_pairs(portraits)
    with tempfile.TemporaryDirectory() as folder, open_gallery(Path(folder) / "people") as gallery:
        threshold, margin = gallery.threshold, gallery.margin
    totals: dict[str, Tally] = defaultdict(Tally)
    for scene in (scene for scene in SCENES if chosen.only in scene.name):
        tallies: dict[str, Tally] = defaultdict(Tally)
        for portrait, frames in filmed(scene, portraits, settings):
            for kind, roster in galleries(portrait, portraits):
                ends = named(frames, roster, scene, threshold=threshold, margin=margin)
                for tally in (tallies[kind], totals[kind]):
                    count(tally, portrait.who, ends)
                if chosen.details:
                    tell(scene, portrait, kind, frames, roster, ends)
        for kind, tally in tallies.items():
            print(f"{scene.name:17} {kind:9} {tally.line()}", flush=True)
    for kind, tally in totals.items():
        print(f"{'altogether':17} {kind:9} {tally.line()}")


def tell_pairs(portraits: Sequence[Portrait]) -> None:
    """How alike the photographs of one person and of two are."""
    enrolled = [portrait for portrait in portraits if portrait.is_enrolled]
    vectors = np.stack([portrait.face.embedding for portrait in enrolled])
    one, other = np.triu_indices(len(enrolled), 1)
    same = np.array([enrolled[a].who == enrolled[b].who for a, b in zip(one, other, strict=True)])
    alike = (vectors @ vectors.T)[one, other]
    print(f"{len(portraits)} faces, {len(enrolled)} good enough to enrol")
    print(f"{same.sum()} pairs of one person: {np.sort(alike[same])[:3].round(3).tolist()} and more")
    print(f"{(~same).sum()} pairs of two: {np.sort(alike[~same])[::-1][:3].round(3).tolist()} and less")


def filmed(
    scene: Scene, portraits: Iterable[Portrait], settings: Settings
) -> Iterator[tuple[Portrait, list[AnalyzedFrame]]]:
    with tempfile.TemporaryDirectory() as folder:
        for number, portrait in enumerate(portraits):
            clip = Path(folder) / f"{number}.mp4"
            scene.write(portrait, clip)
            yield portrait, list(analyze(clip, settings))
            clip.unlink()


def galleries(portrait: Portrait, portraits: Sequence[Portrait]) -> Iterator[tuple[str, Roster]]:
    enrolled = [one for one in portraits if one.is_enrolled]
    others = [one for one in enrolled if one.who != portrait.who]
    yield "nobody", roster_of(others)
    if portrait.is_enrolled:
        yield "the same", roster_of([*others, portrait])
    for own in enrolled:
        if own.who == portrait.who and own.name != portrait.name:
            yield "another", roster_of([*others, own])


def roster_of(portraits: Sequence[Portrait]) -> Roster:
    names = sorted({portrait.who for portrait in portraits})
    vectors = np.stack([portrait.face.embedding for portrait in portraits])
    owners = np.array([names.index(portrait.who) for portrait in portraits], np.intp)
    return Roster([Person(name, name) for name in names], vectors, owners)


def named(
    frames: Sequence[AnalyzedFrame], roster: Roster, scene: Scene, *, threshold: float, margin: float
) -> dict[int, list[str]]:
    """By track of the filmed face, the names in its rows, one after the other."""
    stage = IdentifyStage(lambda: roster, threshold=threshold, margin=margin)
    found: dict[int, list[str]] = defaultdict(list)
    for frame in frames:
        (told,) = stage.process([observation_of(frame)])
        row = row_at(frame, scene.place(frame.index))
        if row is not None and told.faces.identities is not None:
            identity = told.faces.identities[row]
            found[frame.faces[row].track_id or 0].append("unknown" if identity is None else identity.name)
    return found


def observation_of(frame: AnalyzedFrame) -> Observation:
    faces = frame.faces
    dimension = next((len(face.embedding) for face in faces if face.embedding is not None), 1)
    nothing = np.zeros(dimension, np.float32)
    rows = Faces(
        boxes_xyxy=np.array([face.box_xyxy for face in faces], np.float32).reshape(-1, 4),
        scores=np.array([face.score for face in faces], np.float32),
        embeddings=np.array(
            [nothing if face.embedding is None else face.embedding for face in faces], np.float32
        ).reshape(-1, dimension)
        if dimension > 1
        else None,
        track_ids=np.array([face.track_id or 0 for face in faces], np.int64),
        quality=np.array([face.quality or 0.0 for face in faces], np.float32),
    )
    return Observation(Frame(frame.source_id, frame.index, frame.pts_seconds, NoPixels()), rows)


def row_at(frame: AnalyzedFrame, place: Place) -> int | None:
    half = np.array([0.38 * place.height, place.height / 2])
    middle = np.array([place.x, place.y])
    truth = np.concatenate([middle - half, middle + half])
    overlaps = [overlap(np.array(face.box_xyxy), truth) for face in frame.faces]
    best = int(np.argmax(overlaps)) if overlaps else 0
    return best if overlaps and overlaps[best] >= MIN_OVERLAP else None


def overlap(one: FloatArray, other: FloatArray) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / (float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - shared)


def count(tally: Tally, who: str, ends: dict[int, list[str]]) -> None:
    for names in ends.values():
        tally.tracks[judged(names[-1], who)] += 1
        for name in names:
            tally.rows[judged(name, who)] += 1


def judged(name: str, who: str) -> str:
    return "right" if name == who else "unknown" if name == "unknown" else "wrong"


def tell(
    scene: Scene,
    portrait: Portrait,
    kind: str,
    frames: Sequence[AnalyzedFrame],
    roster: Roster,
    ends: dict[int, list[str]],
) -> None:
    for number, names in ends.items():
        kinds = {judged(name, portrait.who) for name in names}
        if "wrong" in kinds or (kind != "nobody" and kinds != {"right"}):
            looks = [
                face.embedding
                for frame in frames
                for face in frame.faces
                if face.track_id == number and face.embedding is not None
            ]
            found = roster.closest(np.stack(looks))
            alike = found.similarity
            told = ", ".join(f"{names.count(name)} {name}" for name in sorted(set(names)))
            best = roster.people[int(np.bincount(found.best).argmax())].name
            print(
                f"  {scene.name}: {portrait.name}, {kind}: {told}; looks {len(looks)}, alike {np.median(alike):.3f} "
                f"({alike.min():.3f} to {alike.max():.3f}), most to {best}, "
                f"margin {np.median(alike - found.runner_up):.3f}"
            )


if __name__ == "__main__":
    main()
