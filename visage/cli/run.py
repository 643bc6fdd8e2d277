"""`visage run`: videos in, faces out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from visage.cli.options import LogFormatOption, LogLevelOption, ModelDirOption, parse_output, parse_seconds

__all__ = ["run"]

INPUT = "Input"
OUTPUT = "Output"
ANALYSIS = "Analysis"
COMPUTE = "Hardware"


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
    force: Annotated[bool, typer.Option("--force", help="Replace existing outputs.", rich_help_panel=OUTPUT)] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Leave out what --dst holds already, complete and with the same settings.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    excel: Annotated[
        bool,
        typer.Option(
            "--excel",
            help="Mark CSV files as UTF-8, so that Excel reads their names correctly.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    annotate: Annotated[
        Path | None,
        typer.Option(
            parser=parse_output,
            metavar="PATH",
            help="Write the video with boxes, landmarks and scores; a folder for several sources, without stills.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    blur: Annotated[
        str | None,
        typer.Option(
            metavar="all|unknown|NAME",
            help="Make faces unrecognisable in the annotated video; nothing is drawn on them.",
            show_default="no one",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    no_boxes: Annotated[
        bool,
        typer.Option("--no-boxes", help="Draw nothing: with --blur a clean, anonymised video.", rich_help_panel=OUTPUT),
    ] = False,
    show: Annotated[
        bool,
        typer.Option(
            "--show", help="Play the result in a window (needs visage-video\\[show]).", rich_help_panel=OUTPUT
        ),
    ] = False,
    frameskip: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Detect in every Nth frame and follow faces between them; auto: detect when needed.",
            show_default="1",
            rich_help_panel=INPUT,
        ),
    ] = None,
    no_propagate: Annotated[
        bool,
        typer.Option(
            "--no-propagate", help="Write no rows for the frames that --frameskip skips.", rich_help_panel=INPUT
        ),
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Leave out files and folders whose name, or path below the folder, matches; can be repeated.",
            show_default="none",
            rich_help_panel=INPUT,
        ),
    ] = None,
    start: Annotated[
        float | None,
        typer.Option(
            parser=parse_seconds, metavar="TIME", help="Start at this time: seconds or hh:mm:ss.", rich_help_panel=INPUT
        ),
    ] = None,
    end: Annotated[
        float | None,
        typer.Option(parser=parse_seconds, metavar="TIME", help="Stop at this time.", rich_help_panel=INPUT),
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
        typer.Option(
            min=0, help="Drop faces smaller than this many pixels.", show_default="0", rich_help_panel=ANALYSIS
        ),
    ] = None,
    score_threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Minimum score of a face.",
            show_default="the detector's own",
            rich_help_panel=ANALYSIS,
        ),
    ] = None,
    keep_threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Minimum score of a face that continues a track.",
            show_default="0.4, at most the score threshold",
            rich_help_panel=ANALYSIS,
        ),
    ] = None,
    no_track: Annotated[
        bool, typer.Option("--no-track", help="Do not track faces across frames.", rich_help_panel=ANALYSIS)
    ] = False,
    embed: Annotated[
        Literal["all", "best"] | None,
        typer.Option(
            help="Embed all detected faces, or only the best shots of each track.",
            show_default="all",
            rich_help_panel=ANALYSIS,
        ),
    ] = None,
    gallery: Annotated[
        Path | None,
        typer.Option(
            parser=parse_output,
            metavar="PATH",
            help="Recognise the people in this gallery and store every track there; see visage people.",
            show_default="no gallery",
            rich_help_panel=ANALYSIS,
        ),
    ] = None,
    gallery_key: Annotated[
        Path | None, typer.Option(help="Key file for an encrypted gallery.", rich_help_panel=ANALYSIS)
    ] = None,
    no_embed: Annotated[
        bool, typer.Option("--no-embed", help="Detect faces without embedding them.", rich_help_panel=ANALYSIS)
    ] = False,
    detector: Annotated[
        str | None,
        typer.Option(help="Detector; see visage models list.", show_default="yunet", rich_help_panel=ANALYSIS),
    ] = None,
    detector_size: Annotated[
        int | None,
        typer.Option(
            min=64,
            help="Longer side of the detector's input in pixels, a multiple of 32.",
            show_default="the detector's own",
            rich_help_panel=ANALYSIS,
        ),
    ] = None,
    embedder: Annotated[
        str | None,
        typer.Option(help="Embedder; see visage models list.", show_default="sface", rich_help_panel=ANALYSIS),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Device: auto, cpu or cuda:N.", show_default="auto", rich_help_panel=COMPUTE)
    ] = None,
    backend: Annotated[
        Literal["auto", "openvino", "onnxruntime", "tensorrt"] | None,
        typer.Option(help="Runtime for the networks.", show_default="auto", rich_help_panel=COMPUTE),
    ] = None,
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"] | None,
        typer.Option(help="Numeric precision of the networks.", show_default="auto", rich_help_panel=COMPUTE),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=0, help="Number of CPU threads; 0 uses all of them.", show_default="0", rich_help_panel=COMPUTE
        ),
    ] = None,
    detect_batch: Annotated[
        int | None,
        typer.Option(
            min=1, help="Maximum number of frames per detector call.", show_default="by device", rich_help_panel=COMPUTE
        ),
    ] = None,
    embed_batch: Annotated[
        int | None,
        typer.Option(
            min=1, help="Maximum number of faces per embedder call.", show_default="by device", rich_help_panel=COMPUTE
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of processes that share the videos.", show_default="by device", rich_help_panel=COMPUTE
        ),
    ] = None,
    model_dir: ModelDirOption = None,
    log_level: LogLevelOption = "warning",
    log_format: LogFormatOption = "auto",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no progress and no summary.", rich_help_panel="Reporting")
    ] = False,
) -> None:
    """Find the faces in videos and write them as tables.

    The exit code is 0 if everything succeeded, 1 if something failed (the rest is done), 2 for a wrong command line,
    130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP: the first signal finishes and writes what is in flight,
    a second drops it.
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
    outputs = OutputOptions(
        dst=dst, annotate=annotate, blur=blur, boxes=not no_boxes, show=show, force=force, excel=excel
    )
    raise typer.Exit(Session(settings, outputs, quiet=quiet, exclude=tuple(exclude or ()), resume=resume).run(src))
