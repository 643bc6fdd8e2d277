"""`visage models quantize`: a model in int8 (or fp16), with what it costs and gains."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from visage.cli.naming import ForceOption, checked_name
from visage.cli.options import ModelDirOption

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from visage.evaluation.cost import Cost
    from visage.models import ModelSpec

__all__ = ["quantize"]

CALIBRATE_EVERY = 3  # a third calibrates, the rest judges


def quantize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name in the catalogue, or an .onnx file.")],
    calibrate: Annotated[
        Path,
        typer.Option("--calibrate", exists=True, help="Folder of videos, or a file, that resemble those to analyse."),
    ],
    precision: Annotated[Literal["int8", "fp16"], typer.Option(help="Numeric precision of the new model.")] = "int8",
    most: Annotated[int, typer.Option(min=9, help="Maximum number of frames to use.")] = 300,
    frameskip: Annotated[int, typer.Option(min=1, help="Use every Nth frame of the videos.")] = 10,
    name: Annotated[
        str | None, typer.Option(help="Name of the new model.", show_default="MODEL-int8 or MODEL-fp16")
    ] = None,
    force: ForceOption = False,
    keep_anyway: Annotated[
        bool, typer.Option("--keep-anyway", help="Keep the model, however much accuracy it loses.")
    ] = False,
    model_dir: ModelDirOption = None,
) -> None:
    """Make a model smaller and faster, and report the loss of accuracy.

    A third of the frames measures ranges, the others compare the two networks. A model that loses more than half a
    point is not kept (exit code 1). What is kept is a model like any other.
    """
    import onnx  # noqa: PLC0415

    from visage.assembly.calibration import collect  # noqa: PLC0415
    from visage.cli.run_settings import make_settings  # noqa: PLC0415
    from visage.evaluation.cost import MAX_LOST  # noqa: PLC0415
    from visage.models import DetectorSpec, ModelStore, UnknownModel  # noqa: PLC0415
    from visage.models.errors import CalibrationFailed  # noqa: PLC0415
    from visage.models.own import add_model, derived  # noqa: PLC0415
    from visage.models.precision import to_half  # noqa: PLC0415
    from visage.models.quantize import quantize as to_int8  # noqa: PLC0415

    settings = make_settings({"model_dir": model_dir, "frameskip": frameskip, "device": "cpu", "track": False})
    store = ModelStore(settings.model_dir)
    try:
        spec = store.spec(model)
    except UnknownModel as error:
        raise typer.BadParameter(str(error)) from error
    if spec.files[0].format == "prepared":
        raise typer.BadParameter(f"{spec.name!r} was made by this command; quantize the one it was made from")
    name = checked_name(name or f"{spec.name}-{precision}", store.model_dir, replace=force)
    settings = settings.model_copy(
        update={"detector": spec.name, "embed": None} if isinstance(spec, DetectorSpec) else {"embedder": spec.name}
    )
    seen = collect([calibrate], settings, most=most)
    pictures = seen.letterboxed if isinstance(spec, DetectorSpec) else seen.crops
    if len(pictures) < CALIBRATE_EVERY:
        what = "frames" if isinstance(spec, DetectorSpec) else "faces"
        raise CalibrationFailed(f"{len(pictures)} {what} in {calibrate} are too few; give more, or a lower --frameskip")
    prepared = store.prepared(spec.name)
    network = to_int8(prepared, pictures[::CALIBRATE_EVERY]) if precision == "int8" else to_half(onnx.load(prepared))
    held_out = [picture for row, picture in enumerate(pictures) if row % CALIBRATE_EVERY]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        onnx.save(network, str(path))
        cost, what = _judge(spec, prepared, path, held_out)
        if not cost.items:
            raise CalibrationFailed(f"{calibrate} shows no faces to judge by")
        for line in cost.describe(what):
            print(line)
        if not cost.is_acceptable and not keep_anyway:
            print(f"Not kept: more than {100 * MAX_LOST:.1f}% is lost. --keep-anyway keeps it.")
            raise typer.Exit(1)
        small = derived(spec, path, name, notes="; ".join(cost.describe(what)))
        add_model(small, path, store.model_dir, replace=force)
    print(f"Kept as {small.name}.")


def _judge(spec: ModelSpec, before: Path, after: Path, pictures: Sequence[NDArray[np.uint8]]) -> tuple[Cost, str]:
    """What the second network costs against the first on these pictures, and what is counted."""
    from visage.evaluation.cost import detector_cost, embedder_cost  # noqa: PLC0415
    from visage.models import DetectorSpec, EmbedderSpec  # noqa: PLC0415

    if isinstance(spec, DetectorSpec):
        return detector_cost(before, after, pictures, spec), "faces"
    assert isinstance(spec, EmbedderSpec)  # there are no others
    return embedder_cost(before, after, pictures, spec), "decisions about pairs"
