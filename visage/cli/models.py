"""`visage models`: what there is, fetch it, check it, build engines from it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visage.cli.options import ModelDirOption

if TYPE_CHECKING:
    from visage.models import ModelStore

__all__ = ["app"]

app = typer.Typer(
    name="models",
    help="List, fetch and check models; build engines for a GPU.",
    no_args_is_help=True,
    # --model_dir and --model-dir are one option.
    context_settings={"token_normalize_func": lambda token: token.replace("_", "-")},
)

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Models; all by default.")]


@app.command("list")
def list_models(model_dir: ModelDirOption = None) -> None:
    """Show the catalogue, and what of it is on this machine."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from visage.models import load_catalog  # noqa: PLC0415

    store = _store(model_dir)
    table = Table("name", "task", "licence", "size", "cached", "about", box=None, pad_edge=False)
    for spec in load_catalog().values():
        size = f"{spec.files[0].size_bytes / 1e6:.1f} MB"
        about = f"{spec.title}. {spec.licence_note}"
        table.add_row(spec.name, spec.task, spec.licence, size, _cached(store, spec.name), about.strip())
    Console().print(table)


@app.command()
def fetch(names: Names = None, model_dir: ModelDirOption = None) -> None:
    """Fetch and prepare models, so that nothing has to be fetched later."""
    from visage.observe.downloads import DownloadProgress  # noqa: PLC0415

    store = _store(model_dir)
    chosen = _chosen(names)
    with contextlib.closing(DownloadProgress()) as progress:
        paths = [store.prepared(name, progress=progress) for name in chosen]
    for name, path in zip(chosen, paths, strict=True):
        print(f"{name}: {path}")


@app.command()
def verify(names: Names = None, model_dir: ModelDirOption = None) -> None:
    """Compare the files on this machine with their digests. Exit code 1 if one is damaged or missing."""
    store = _store(model_dir)
    verifications = [store.verify(name) for name in _chosen(names)]
    for verification in verifications:
        for file in verification.files:
            print(f"{verification.name}: {file.state.value}: {file.path}")
    wanting = [verification.name for verification in verifications if not verification.is_ok]
    if wanting:
        print(f"`visage models fetch {' '.join(wanting)}` gets what is damaged or missing.")
        raise typer.Exit(1)


@app.command()
def build(
    names: Names = None,
    model_dir: ModelDirOption = None,
    device: Annotated[str | None, typer.Option(metavar="cuda:N", help="Which GPU; the first by default.")] = None,
    precision: Annotated[str | None, typer.Option(metavar="fp16|fp32", help="Arithmetic; fp16 by default.")] = None,
    detector_size: Annotated[int | None, typer.Option(help="Longer side of the detector's input.")] = None,
    detect_batch: Annotated[int | None, typer.Option(help="Most frames a detector call takes.")] = None,
    embed_batch: Annotated[int | None, typer.Option(help="Most faces an embedder call takes.")] = None,
) -> None:
    """Build TensorRT engines ahead of time, for runs with the same options on the same kind of GPU."""
    from stages.backends.availability import tensorrt_status  # noqa: PLC0415
    from visage.cli.session import make_settings  # noqa: PLC0415

    flags = {"device": device, "precision": precision, "model_dir": model_dir, "detector_size": detector_size}
    settings = make_settings({**flags, "detect_batch": detect_batch, "embed_batch": embed_batch})
    chosen = _chosen(names)
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
        store=_store(model_dir),
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
    from visage.cli.session import make_settings  # noqa: PLC0415
    from visage.models import ModelStore  # noqa: PLC0415

    return ModelStore(make_settings({"model_dir": model_dir}).model_dir)


def _chosen(names: Sequence[str] | None) -> Sequence[str]:
    """The names given, or all. Raises typer.BadParameter."""
    from visage.models import load_catalog  # noqa: PLC0415

    known = load_catalog()
    for name in names or ():
        if name not in known:
            raise typer.BadParameter(f"there is no model {name!r}; there is: {', '.join(known)}")
    return names or list(known)


def _cached(store: ModelStore, name: str) -> str:
    """One word: yes, no or damaged."""
    from visage.models import FileState  # noqa: PLC0415

    states = {file.state for file in store.verify(name).files}
    if FileState.DAMAGED in states:
        return "damaged"
    return "no" if FileState.MISSING in states else "yes"
