"""`visage bench`: how fast this machine is, and whether the pipeline makes the most of it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from visage.cli.options import ModelDirOption

__all__ = ["bench"]


def bench(
    clip: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CLIP]", help="Video to measure on.", show_default="generated once, from sample photographs"
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results to this file.", show_default=False)
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Earlier results to compare with.", show_default=False)
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Number of frames of the clip to use.")] = 240,
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds; the medians are reported.")] = 3,
    long: Annotated[
        bool, typer.Option("--long", help="Also measure memory on a clip 20 times longer; takes minutes.")
    ] = False,
    no_embed: Annotated[bool, typer.Option("--no-embed", help="Detect faces without embedding them.")] = False,
    track: Annotated[bool, typer.Option("--track", help="Also track faces; the default detects and embeds.")] = False,
    device: Annotated[str, typer.Option(help="Device to measure: cpu, cuda or cuda:N.")] = "cpu",
    seconds: Annotated[float, typer.Option(min=0.5, help="Duration of each measurement on a GPU.")] = 4.0,
    backend: Annotated[
        Literal["auto", "openvino", "onnxruntime"] | None,
        typer.Option(help="Runtime for the networks.", show_default="auto"),
    ] = None,
    precision: Annotated[
        Literal["auto", "fp32", "bf16"] | None,
        typer.Option(help="Numeric precision of the networks.", show_default="auto"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=0, help="Number of CPU threads; 0 uses all of them.", show_default="0")
    ] = None,
    model_dir: ModelDirOption = None,
) -> None:
    """Measure each stage alone, plain loops and the pipeline on a clip, and compare them.

    Close other programs first: the time that they take distorts the results.
    """
    from rich.console import Console  # noqa: PLC0415

    from visage.bench.bench import Bench  # noqa: PLC0415
    from visage.bench.record import read_record  # noqa: PLC0415
    from visage.bench.table import print_comparison, print_record  # noqa: PLC0415
    from visage.cli.run_settings import make_settings  # noqa: PLC0415

    settings = make_settings(
        {
            "embed": False if no_embed else None,
            "track": track,
            "device": device,
            "backend": backend,
            "precision": precision,
            "threads": threads,
            "model_dir": model_dir,
        }
    )
    if settings.device == "auto":
        raise typer.BadParameter("--device: name what to measure: cpu, cuda or cuda:N")
    old = None
    if compare is not None:
        if settings.device != "cpu":
            raise typer.BadParameter("--compare compares benchmarks of CPUs; for cards, compare the JSON files")
        try:
            old = read_record(compare)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise typer.BadParameter(f"--json: there is no folder {json_file.absolute().parent}")
    progress, console = Console(stderr=True), Console()
    if settings.device == "cpu":
        record = Bench(settings, progress).run(clip, frames=frames, rounds=rounds, with_long=long)
        print_record(console, record)
        if old is not None:
            print_comparison(console, record, old)
    else:
        # Imported where a card is: CUDA for Python is an extra.
        card_bench = importlib.import_module("visage.bench.card.bench").CardBench
        record = card_bench(settings, progress).run(clip, console, seconds=seconds)
    if json_file is not None:
        json_file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        print(f"\nwritten to {json_file}")
