"""`visage run`: videos in, faces out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from visage.cli.options import LogFormatOption, LogLevelOption, ModelDirOption, parse_output
from visage.cli.settings_options import ANALYSIS, INPUT, with_settings

__all__ = ["run"]

OUTPUT = "Output"
CLUSTER = "Cluster"


@with_settings
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
    scan: Annotated[
        bool,
        typer.Option(
            "--scan",
            help="Look at key frames only: say at a small part of the cost who is in a film, not when exactly.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    refine: Annotated[
        str | None,
        typer.Option(
            metavar="anybody|unknown|NAME",
            help="After the scan, analyse every frame around the faces it found, in the most promising films first.",
            show_default="the scan is all",
            rich_help_panel=INPUT,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|local",
            help="Let the machines of a Ray cluster do it: HOST:PORT of its head, or local for one on this machine.",
            show_default="this process",
            rich_help_panel=CLUSTER,
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Leave out files and folders whose name, or path below the folder, matches; can be repeated.",
            show_default="none",
            rich_help_panel=INPUT,
        ),
    ] = None,
    no_propagate: Annotated[
        bool,
        typer.Option(
            "--no-propagate", help="Write no rows for the frames that --frameskip skips.", rich_help_panel=INPUT
        ),
    ] = False,
    min_face: Annotated[
        int | None,
        typer.Option(min=0, hidden=True, help="Former name of --min-face-pixels; works in this version only."),
    ] = None,
    no_track: Annotated[
        bool, typer.Option("--no-track", help="Do not track faces across frames.", rich_help_panel=ANALYSIS)
    ] = False,
    no_embed: Annotated[
        bool, typer.Option("--no-embed", help="Detect faces without embedding them.", rich_help_panel=ANALYSIS)
    ] = False,
    *,
    model_dir: ModelDirOption = None,
    log_level: LogLevelOption = "warning",
    log_format: LogFormatOption = "auto",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no progress and no summary.", rich_help_panel="Reporting")
    ] = False,
    **settings: object,
) -> None:
    """Find the faces in videos and write them as tables.

    The exit code is 0 if everything succeeded, 1 if something failed (the rest is done), 2 for a wrong command line,
    130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP: the first signal finishes and writes what is in flight,
    a second drops it.
    """
    from visage.head_start import HeadStart, likely_workers  # noqa: PLC0415
    from visage.heap import keep_heap_small  # noqa: PLC0415
    from visage.observe.logging import configure_logging  # noqa: PLC0415
    from visage.observe.tried import warn_of_untried  # noqa: PLC0415

    configure_logging(log_level, log_format)
    workers = 0 if cluster else likely_workers(src, settings)
    if not workers:
        keep_heap_small()
    with HeadStart(workers) as head_start:
        warn_of_untried()
        from visage.cli.outputs import OutputOptions  # noqa: PLC0415
        from visage.cli.run_session import Session  # noqa: PLC0415
        from visage.cli.run_settings import make_settings  # noqa: PLC0415

        chosen = make_settings(
            {
                **settings,
                **({"embed": False} if no_embed else {}),
                "track": False if no_track else None,
                "propagate": False if no_propagate or (no_track and settings["frameskip"] != "auto") else None,
                "min_face": min_face,
                "scan": scan or None,
                "refine": refine,
                "model_dir": model_dir,
            }
        )
        outputs = OutputOptions(
            dst=dst, annotate=annotate, blur=blur, boxes=not no_boxes, show=show, force=force, excel=excel
        )
        session = Session(
            chosen,
            outputs,
            quiet=quiet,
            exclude=tuple(exclude or ()),
            resume=resume,
            head_start=head_start,
            cluster=cluster,
        )
        raise typer.Exit(session.run(src))
