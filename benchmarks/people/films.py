"""Who is who in films whose people are known: python -m benchmarks.people.films

Faces cut out of the sample photographs walk through shots, one to four at a time, at sizes from 26 to 110 pixels, some
blurred or noisy; every few shots somebody steps into somebody else's place within one. The films go through the whole
pipeline into a gallery. Prints of the tracks how many belong to one person alone; of the unknowns pairwise precision
and recall, and how many hold tracks that are visible together; and, with half of the people enrolled from their
photographs, how many rows are named right and wrong. Deterministic; takes about three minutes on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.people.cast import LEFT_OUT, PACKAGES, PICTURES, SAME
from benchmarks.people.naming import overlap
from benchmarks.tracking.clips import FPS, HEIGHT, WIDTH, Actor, Clip, Truth
from benchmarks.tracking.measure import Rig, Run, to_video
from benchmarks.tracking.people import FACE_HEIGHT, Person, Pose, cut_out
from stages.frames import Faces, Frame, Observation
from stages.identify.roster import Person as Known
from stages.identify.roster import Roster
from stages.identify.stage import IdentifyStage
from stages.tracks.summary import TrackSummary
from visage.config import Settings
from visage.people import Gallery, open_gallery
from visage.people.clustering import Span, visible_together
from visage.samples import SampleMedia

SHOTS, FRAMES = 16, 16
SIZES = (26, 34, 44, 60, 80, 110)
WORSE: tuple[tuple[int, float], ...] = ((0, 0.0), (0, 0.0), (0, 12.0), (5, 4.0), (9, 4.0))
"""Blur in pixels and noise in gray levels of a shot; one of these each."""
MIN_OVERLAP, MIN_VISIBLE = 0.3, 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Role:
    """Somebody of a photograph; `who` is the same in all photographs of one person."""

    who: str
    cut_out: Person


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One film's track, and whose it is: by frames of each person."""

    film: int
    track: TrackSummary
    owners: Counter[str]

    @property
    def who(self) -> str | None:
        return max(self.owners, key=lambda who: self.owners[who], default=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="folders with photographs of other people")
    parser.add_argument("--films", type=int, default=3)
    chosen = parser.parse_args()
    cache = Path(os.environ.get("VISAGE_TEST_CACHE", "~/.cache/visage-tests")).expanduser()
    rig = Rig(Settings(model_dir=cache / "models", device="cpu", frameskip=1))
    cast = list(read_cast(rig, cache / "media", chosen.more))
    tracks: list[Seen] = []
    named: Counter[str] = Counter()
    roster = roster_of(cast, rig)
    for film in range(chosen.films):
        shots = list(make_shots(cast, film))
        run, truths = watch(shots, rig)
        tracks += seen_in(film, run, truths, cast)
        named += names_of(run, truths, cast, roster)
    rig.close()
    of_people = [seen for seen in tracks if seen.who is not None]
    pure = sum(len(seen.owners) == 1 for seen in of_people)
    print(f"{len({role.who for role in cast})} people in {len(cast)} photographs, {len(tracks)} tracks")
    print(f"tracks of one person alone: {pure} of {len(of_people)}")
    with tempfile.TemporaryDirectory() as folder, open_gallery(Path(folder) / "people") as gallery:
        tell_unknowns(of_people, gallery)
    print(f"rows: {named['right']} named right, {named['wrong']} wrong, {named['unknown']} unknown")


def read_cast(rig: Rig, media: Path, more: Sequence[Path]) -> Iterator[Role]:
    samples = SampleMedia(media, packages=PACKAGES)
    for path in sorted(found for folder in [*map(samples.fetch, PACKAGES), *more] for found in folder.iterdir()):
        if path.suffix.lower() not in PICTURES or path.stem in LEFT_OUT:
            continue
        boxes = rig.detect(np.asarray(cv2.imread(str(path)), np.uint8)).boxes_xyxy
        for place, number in enumerate(np.argsort(boxes[:, 0]).tolist()):
            try:
                own = cut_out(path, rig.detect, number)
            except ValueError:  # not found again by itself
                continue
            yield Role(SAME.get((path.stem, place), f"{path.stem} {place}"), own)


def make_shots(cast: Sequence[Role], film: int) -> Iterator[Clip]:
    rng = np.random.default_rng([film, 20])
    for shot in range(SHOTS):
        shown: list[int] = []
        for number in rng.permutation(len(cast)).tolist():
            if cast[number].who not in {cast[other].who for other in shown}:
                shown.append(number)
        count = int(rng.integers(1, 5))
        actors = []
        for place, number in enumerate(shown[:count]):
            size = float(rng.choice(SIZES)) / FACE_HEIGHT
            x, y = WIDTH * (place + 0.5) / count, HEIGHT * rng.uniform(0.35, 0.65)
            speed = rng.uniform(-20, 20)
            until = FRAMES // 2 if shot % 4 == 3 and place == 0 else FRAMES
            actors.append(Actor(number, cast[number].cut_out, _walk(x, y, size, speed, 0, until)))
            if until < FRAMES:
                other = shown[count]
                actors.append(Actor(other, cast[other].cut_out, _walk(x, y, size, speed, until, FRAMES)))
        blur, noise = WORSE[int(rng.integers(len(WORSE)))]
        yield Clip(f"{film}.{shot}", "film", actors, FRAMES, lambda _, own=shot: own % 4, blur=blur, noise=noise)


def _walk(x: float, y: float, size: float, speed: float, begin: int, end: int):  # type: ignore[no-untyped-def]
    def path(frame: int) -> Pose | None:
        return Pose(x + speed * frame / FPS, y, size) if begin <= frame < end else None

    return path


def watch(shots: Sequence[Clip], rig: Rig) -> tuple[Run, list[list[Truth]]]:
    rendered = [picture for shot in shots for picture in shot.render()]
    return rig.run(to_video(image for image, _ in rendered), fps=8), [truth for _, truth in rendered]


def seen_in(film: int, run: Run, truths: Sequence[Sequence[Truth]], cast: Sequence[Role]) -> list[Seen]:
    owners: dict[int, Counter[str]] = defaultdict(Counter)
    for faces, shown in zip(run.faces, truths, strict=True):
        assert faces is not None
        assert faces.track_ids is not None
        for row, number in enumerate(faces.track_ids.tolist()):
            who = who_is(faces, row, shown, cast)
            if who is not None:
                owners[number][who] += 1
    return [Seen(film, track, owners[track.track_id]) for track in run.tracks]


def who_is(faces: Faces, row: int, shown: Sequence[Truth], cast: Sequence[Role]) -> str | None:
    best = max(shown, key=lambda truth: overlap(faces.boxes_xyxy[row], truth.box_xyxy), default=None)
    if best is None or best.visible < MIN_VISIBLE or overlap(faces.boxes_xyxy[row], best.box_xyxy) < MIN_OVERLAP:
        return None
    return cast[best.person].who


def tell_unknowns(tracks: Sequence[Seen], gallery: Gallery) -> None:
    for seen in tracks:
        gallery.record(seen.track, uri=f"film {seen.film}", session=float(seen.film))
    gallery.cluster_again()
    found = {(one.uri, one.track_id): one.unknown_id for one in gallery.sightings(limit=len(tracks))}
    unknown = [found[f"film {seen.film}", seen.track.track_id] for seen in tracks]
    same = joined = right = 0
    together: set[str] = set()
    for (one, first), (other, second) in itertools.combinations(zip(tracks, unknown, strict=True), 2):
        is_same, is_joined = one.who == other.who, first is not None and first == second
        same, joined, right = same + is_same, joined + is_joined, right + (is_same and is_joined)
        if is_joined and first is not None and visible_together(_span(one), _span(other)):
            together.add(first)
    count = len({number for number in unknown if number is not None})
    print(
        f"unknowns: {count}, {unknown.count(None)} tracks in none; pairwise precision {right / max(joined, 1):.4f}, "
        f"recall {right / max(same, 1):.3f}; {len(together)} with tracks that are visible together"
    )


def _span(seen: Seen) -> Span:
    return Span((str(seen.film), 0.0), seen.track.start_seconds, seen.track.end_seconds)


def roster_of(cast: Sequence[Role], rig: Rig) -> Roster:
    """Every other person, from the cut-out at its full size: the photograph itself, since most have no other."""
    people = sorted({role.who for role in cast})[::2]
    vectors, owners = [], []
    for role in cast:
        if role.who in people:
            (actor,) = Clip("", "", [Actor(0, role.cut_out, lambda _: Pose(WIDTH / 2, HEIGHT / 2))], 1).render()
            faces = rig.detect(actor[0])
            if faces.embeddings is not None and faces.embeddings.any():
                vectors.append(faces.embeddings[0])
                owners.append(people.index(role.who))
    return Roster([Known(who, who) for who in people], np.stack(vectors), np.array(owners, np.intp))


def names_of(run: Run, truths: Sequence[Sequence[Truth]], cast: Sequence[Role], roster: Roster) -> Counter[str]:
    with tempfile.TemporaryDirectory() as folder, open_gallery(Path(folder) / "people") as gallery:
        stage = IdentifyStage(lambda: roster, threshold=gallery.threshold, margin=gallery.margin)
    known = {person.name for person in roster.people}
    counted: Counter[str] = Counter()
    for index, (faces, shown) in enumerate(zip(run.faces, truths, strict=True)):
        assert faces is not None
        (found,) = stage.process([Observation(Frame("film", index, index / 8, NoPixels()), faces)])
        for row, identity in enumerate(found.faces.identities or ()):
            who = who_is(faces, row, shown, cast)
            name = None if identity is None or identity.person_id is None else identity.name
            if name is not None:
                counted["right" if name == who else "wrong"] += 1
            elif who in known:
                counted["unknown"] += 1
    return counted


class NoPixels:
    """A picture whose pixels nobody asks for."""

    width, height, pixel_aspect = WIDTH, HEIGHT, 1.0

    def release(self) -> None:
        """Nothing is held."""


if __name__ == "__main__":
    main()
