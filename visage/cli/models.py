"""`visage models`: list, fetch and check models, and build engines from them."""

from __future__ import annotations

import contextlib
import itertools
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visage.cli.licences import AcceptLicenseOption, agree_to_licences
from visage.cli.naming import ForceOption, checked_name
from visage.cli.options import ModelDirOption
from visage.cli.quantize import quantize

if TYPE_CHECKING:
    from visage.models import ModelSpec, ModelStore

__all__ = ["app"]

app = typer.Typer(
    name="models",
    help="List, fetch and check models; build engines for a GPU.",
    no_args_is_help=True,
)

app.command()(quantize)

DEFAULTS = ("yunet", "sface")

Names = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", help="Models; the default is those on this machine.")
]
DefaultNames = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", help=f"Models; the default is {' and '.join(DEFAULTS)}.")
]


@app.command("list")
def list_models(model_dir: ModelDirOption = None) -> None:
    """List the models in the catalogue: task, licence, size in MB, and whether they are on this machine."""
    store = _store(model_dir)
    models = store.catalog.values()
    names, licences = (max(map(len, texts)) for texts in zip(*((s.name, s.licence) for s in models), strict=True))
    print(f"{'name':{names}}  task    {'licence':{licences}}      size  cached")
    for spec in models:
        size = f"{spec.files[0].size_bytes / 1e6:.1f} MB" if spec.files[0].size_bytes else "?"
        cached = _cached(store, spec.name)
        print(f"{spec.name:{names}}  {spec.task:6}  {spec.licence:{licences}}  {size:>8}  {cached}")
        about = f"{spec.title}. {spec.licence_note}".strip()
        print(textwrap.fill(about, 100, initial_indent="    ", subsequent_indent="    "))


@app.command()
def fetch(
    names: DefaultNames = None, model_dir: ModelDirOption = None, accept_license: AcceptLicenseOption = False
) -> None:
    """Fetch and prepare models, so that later runs need no network.

    Weights that are not free for every use are fetched only after you accept their licence, which is shown.
    """
    from visage.observe.downloads import DownloadProgress  # noqa: PLC0415

    store = _store(model_dir)
    chosen = _chosen(names or DEFAULTS, store)
    agree_to_licences(store, chosen, accepted=accept_license)
    with contextlib.closing(DownloadProgress()) as progress:
        paths = [store.prepared(name, progress=progress) for name in chosen]
    for name, path in zip(chosen, paths, strict=True):
        print(f"{name}: {path}")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="Network to add.", exists=True, dir_okay=False)],
    name: Annotated[str | None, typer.Option(help="Name of the model.", show_default="from the file's name")] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Picture with faces to try the model on.", show_default="none", exists=True, dir_okay=False),
    ] = None,
    force: ForceOption = False,
    model_dir: ModelDirOption = None,
) -> None:
    """Inspect a network, propose its catalogue entry, store it under a name and try it on a picture.

    The entry is written to catalog.toml in the model folder, where you can correct it. The exit code is 1 if the model
    finds no face.
    """
    from visage.models.own import add_model, propose, to_toml  # noqa: PLC0415
    from visage.models.registry import USER_CATALOG  # noqa: PLC0415

    folder = _store(model_dir).model_dir
    proposal = propose(file, folder, name=name and checked_name(name, folder, replace=force))
    spec = proposal.spec
    add_model(spec, file, folder, replace=force)
    print(to_toml(spec))
    print("".join(f"# {reason}\n" for reason in proposal.reasons), end="")
    option = "--detector" if spec.task == "detect" else "--embedder"
    print(f"# Kept. Use it with {option} {spec.name}; its entry is in {folder / USER_CATALOG}.")
    if picture is not None and not _try(spec, picture, folder):
        print("# No face was found: are the entry's colour, mean, scale and score_threshold right?")
        raise typer.Exit(1)


def _try(spec: ModelSpec, picture: Path, model_dir: Path) -> int:
    """Run it on a picture and say what came out; returns the number of faces."""
    import visage  # noqa: PLC0415

    networks = {"detector": spec.name, "embed": None} if spec.task == "detect" else {"embedder": spec.name}
    faces = [
        face for frame in visage.analyze(picture, model_dir=model_dir, track=False, **networks) for face in frame.faces
    ]
    for face in faces:
        box = ", ".join(f"{side:.0f}" for side in face.box_xyxy)
        print(f"# {picture.name}: a face at {box}, score {face.score:.2f}")
    for first, second in itertools.combinations([face.embedding for face in faces if face.embedding is not None], 2):
        print(f"# two of its faces have a similarity of {float(first @ second):.2f}")
    return len(faces)


@app.command()
def verify(names: Names = None, model_dir: ModelDirOption = None) -> None:
    """Compare the files on this machine with their digests. The exit code is 1 if one is damaged or missing."""
    store = _store(model_dir)
    verifications = [store.verify(name) for name in _chosen(names or _present(store), store)]
    for verification in verifications:
        for file in verification.files:
            print(f"{verification.name}: {file.state.value}: {file.path}")
    wanting = [verification.name for verification in verifications if not verification.is_ok]
    if wanting:
        print(f"`visage models fetch {' '.join(wanting)}` fetches what is damaged or missing.")
        raise typer.Exit(1)


@app.command()
def build(
    names: DefaultNames = None,
    model_dir: ModelDirOption = None,
    device: Annotated[
        str | None, typer.Option(metavar="cuda:N", help="GPU to build for; the default is the first one.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="fp16|fp32", help="Numeric precision; the default is fp16.")
    ] = None,
    detector_size: Annotated[int | None, typer.Option(help="Longer side of the detector's input in pixels.")] = None,
    detect_batch: Annotated[int | None, typer.Option(help="Maximum number of frames per detector call.")] = None,
    embed_batch: Annotated[int | None, typer.Option(help="Maximum number of faces per embedder call.")] = None,
) -> None:
    """Build TensorRT engines ahead of time, for runs with the same options on the same kind of GPU."""
    from stages.backends.availability import tensorrt_status  # noqa: PLC0415
    from visage.cli.run_settings import make_settings  # noqa: PLC0415

    flags = {"device": device, "precision": precision, "model_dir": model_dir, "detector_size": detector_size}
    settings = make_settings({**flags, "detect_batch": detect_batch, "embed_batch": embed_batch})
    if settings.precision == "bf16":
        raise typer.BadParameter("--precision: bf16 is for CPUs; give fp16 or fp32")
    store = _store(model_dir)
    chosen = _chosen(names or DEFAULTS, store)
    status = tensorrt_status(settings.cuda_ordinal)
    if not status.ok:
        print(f"visage: error: {status.detail}; {status.hint}", file=sys.stderr)
        raise typer.Exit(1)
    # These import CUDA for Python, an extra.
    from visage.assembly.cuda import DETECT_BATCH, EMBED_BATCH  # noqa: PLC0415
    from visage.models.tensorrt import build_engines  # noqa: PLC0415
    from visage.observe.builds import EngineBuilds  # noqa: PLC0415

    paths = build_engines(
        chosen,
        store=store,
        ordinal=settings.cuda_ordinal,
        detect_batch=settings.detect_batch or DETECT_BATCH,
        embed_batch=settings.embed_batch or EMBED_BATCH,
        detector_size=settings.detector_size,
        precision="fp32" if settings.precision == "fp32" else "fp16",
        on_build=EngineBuilds(),
    )
    for name, path in zip(chosen, paths, strict=True):
        print(f"{name}: {path}")


def _store(model_dir: Path | None) -> ModelStore:
    from visage.cli.run_settings import make_settings  # noqa: PLC0415
    from visage.models import ModelStore  # noqa: PLC0415

    return ModelStore(make_settings({"model_dir": model_dir}).model_dir)


def _chosen(names: Sequence[str], store: ModelStore) -> Sequence[str]:
    """The names, all known. Raises typer.BadParameter."""
    known = store.catalog
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"there is no model {name!r}; known: {', '.join(known)}")
    return names


def _present(store: ModelStore) -> Sequence[str]:
    """The defaults, and whatever else is in the folder."""
    return [name for name in store.catalog if name in DEFAULTS or _cached(store, name) != "no"]


def _cached(store: ModelStore, name: str) -> str:
    """One word: yes, no or damaged."""
    from visage.models import FileState  # noqa: PLC0415

    states = {file.state for file in store.verify(name).files}
    if FileState.DAMAGED in states:
        return "damaged"
    return "no" if FileState.MISSING in states else "yes"
