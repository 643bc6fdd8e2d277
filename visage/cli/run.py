"""`visage run`: videos in, faces out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from visage.cli.options import LogFormatOption, LogLevelOption, ModelDirOption, parse_output, parse_seconds

__all__ = ["run"]

INPUT = "What to read"
OUTPUT = "What to write"
ANALYSIS = "What to look for"
COMPUTE = "What to compute with"


def run(
    src: Annotated[
        list[str],
        typer.Argument(
            metavar="SRC...", help="Files, folders (searched for videos), patterns, rtsp:// or http(s):// addresses."
        ),
    ],
    dst: Annotated[
        Path | None,
        typer.Option(
            parser=parse_output,
            metavar="PATH",
            help="A folder for detections.csv, embeddings.hdf5 and metadata.json of each video, or one table: "
            "a path that ends in .csv, .parquet or .jsonl.",
            show_default="none: only a summary",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace outputs.", rich_help_panel=OUTPUT)] = False,
    annotate: Annotated[
        Path | None,
        typer.Option(
            parser=parse_output,
            metavar="PATH",
            help="A video with boxes, landmarks and scores drawn in; for several sources a folder, stills left out.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    blur: Annotated[
        str | None,
        typer.Option(
            metavar="all|unknown|NAME",
            help="Make faces unrecognisable in the annotated video.",
            show_default="nobody's",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Play in a window (needs visage\\[show]).", rich_help_panel=OUTPUT)
    ] = False,
    frameskip: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Look at every Nth frame and follow faces through the others; auto: look when there is reason to.",
            show_default="1",
            rich_help_panel=INPUT,
        ),
    ] = None,
    no_propagate: Annotated[
        bool,
        typer.Option("--no-propagate", help="Leave out the frames that --frameskip skips.", rich_help_panel=INPUT),
    ] = False,
    start: Annotated[
        float | None,
        typer.Option(
            parser=parse_seconds, metavar="TIME", help="Begin here: seconds or hh:mm:ss.", rich_help_panel=INPUT
        ),
    ] = None,
    end: Annotated[
        float | None,
        typer.Option(parser=parse_seconds, metavar="TIME", help="Stop here.", rich_help_panel=INPUT),
    ] = None,
    rotate: Annotated[
        int | None,
        typer.Option(
            metavar="DEGREES",
            help="Turn the pictures clockwise: 90, 180 or 270.",
            show_default="0",
            rich_help_panel=INPUT,
        ),
    ] = None,
    min_face: Annotated[
        int | None,
        typer.Option(min=0, help="Drop faces smaller than this, pixels.", show_default="0", rich_help_panel=ANALYSIS),
    ] = None,
    score_threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Least score of a face.", show_default="the detector's own", rich_help_panel=ANALYSIS
        ),
    ] = None,
    keep_threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Least score of a face that continues a track.",
            show_default="0.4, at most the score threshold",
            rich_help_panel=ANALYSIS,
        ),
    ] = None,
    no_track: Annotated[
        bool, typer.Option("--no-track", help="Faces of one frame only.", rich_help_panel=ANALYSIS)
    ] = False,
    embed: Annotated[
        Literal["all", "best"] | None,
        typer.Option(
            help="Embed all detected faces, or the best shots of each track.",
            show_default="all",
            rich_help_panel=ANALYSIS,
        ),
    ] = None,
    gallery: Annotated[
        Path | None,
        typer.Option(
            parser=parse_output,
            metavar="PATH",
            help="Recognise the people of this folder, and store every track there; see visage people.",
            show_default="none: nobody",
            rich_help_panel=ANALYSIS,
        ),
    ] = None,
    gallery_key: Annotated[
        Path | None, typer.Option(help="Key file of an encrypted gallery.", rich_help_panel=ANALYSIS)
    ] = None,
    no_embed: Annotated[bool, typer.Option("--no-embed", help="Detect only.", rich_help_panel=ANALYSIS)] = False,
    detector: Annotated[
        str | None, typer.Option(help="See visage models list.", show_default="yunet", rich_help_panel=ANALYSIS)
    ] = None,
    detector_size: Annotated[
        int | None,
        typer.Option(
            min=64,
            help="Longer side of the detector's input, a multiple of 32.",
            show_default="the detector's own",
            rich_help_panel=ANALYSIS,
        ),
    ] = None,
    embedder: Annotated[
        str | None, typer.Option(help="See visage models list.", show_default="sface", rich_help_panel=ANALYSIS)
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu or cuda:N.", show_default="auto", rich_help_panel=COMPUTE)
    ] = None,
    backend: Annotated[
        Literal["auto", "openvino", "onnxruntime", "tensorrt"] | None,
        typer.Option(help="What runs the networks.", show_default="auto", rich_help_panel=COMPUTE),
    ] = None,
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"] | None,
        typer.Option(help="Arithmetic of the networks.", show_default="auto", rich_help_panel=COMPUTE),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=0, help="CPU threads; 0 for all there are.", show_default="0", rich_help_panel=COMPUTE),
    ] = None,
    detect_batch: Annotated[
        int | None,
        typer.Option(min=1, help="Most frames per detector call.", show_default="by device", rich_help_panel=COMPUTE),
    ] = None,
    embed_batch: Annotated[
        int | None,
        typer.Option(min=1, help="Most faces per embedder call.", show_default="by device", rich_help_panel=COMPUTE),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that share the videos.", show_default="by device", rich_help_panel=COMPUTE),
    ] = None,
    model_dir: ModelDirOption = None,
    log_level: LogLevelOption = "warning",
    log_format: LogFormatOption = "auto",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress and no summary.", rich_help_panel="Reporting")
    ] = False,
) -> None:
    """Find the faces in videos and write them as tables.

    Exits with 0 if all went well, 1 if something failed (the rest is done), 2 for a wrong command line, 130 after
    Ctrl-C and 143 after SIGTERM: the first signal finishes and writes what is in flight, a second drops it.
    """
    from visage.observe.logging import configure_logging  # noqa: PLC0415
    from visage.observe.tried import warn_of_untried  # noqa: PLC0415

    configure_logging(log_level, log_format)
    warn_of_untried()
    from visage.cli.outputs import OutputOptions  # noqa: PLC0415
    from visage.cli.run_session import Session, make_settings  # noqa: PLC0415

    settings = make_settings(
        {
            "frameskip": frameskip,
            "start_seconds": start,
            "end_seconds": end,
            "rotate": rotate,
            "min_face": min_face,
            "score_threshold": score_threshold,
            "keep_threshold": keep_threshold,
            "embed": False if no_embed else embed,
            "track": False if no_track else None,
            "propagate": False if no_propagate or (no_track and frameskip != "auto") else None,
            "gallery": gallery,
            "gallery_key": gallery_key,
            "detector": detector,
            "detector_size": detector_size,
            "embedder": embedder,
            "device": device,
            "backend": backend,
            "precision": precision,
            "threads": threads,
            "detect_batch": detect_batch,
            "embed_batch": embed_batch,
            "workers": workers,
            "model_dir": model_dir,
        }
    )
    outputs = OutputOptions(dst=dst, annotate=annotate, blur=blur, show=show, force=force)
    raise typer.Exit(Session(settings, outputs, quiet=quiet).run(src))
