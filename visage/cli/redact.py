"""`visage redact`: faces covered in two passes, with a plan between them that people check."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.redact.style import MARGIN, Method, Shape
from visage.cli.options import ModelDirOption, parse_output

if TYPE_CHECKING:
    from visage.redaction.observed import ObservedFilm
    from visage.redaction.plan import Plan

__all__ = ["app"]

PLAN_SUFFIX = ".plan.json"
UPDATE_SECONDS = 0.5

app = typer.Typer(
    name="redact",
    help="Cover faces in a film: make a plan, check it, render it, prove it.",
    no_args_is_help=True,
)

PlanArgument = Annotated[Path, typer.Argument(metavar="PLAN", help="Plan of a redaction.", exists=True, dir_okay=False)]
FilmOption = Annotated[
    Path | None,
    typer.Option(
        "--film", help="The film, if it is not where the plan or the results say.", exists=True, dir_okay=False
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")]


@app.command()
def plan(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILM|RESULTS", help="A film, or the folder with the results of a run on it.", exists=True
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", parser=parse_output, metavar="FILE", help="Plan to write.", show_default="FILM.plan.json"
        ),
    ] = None,
    film: FilmOption = None,
    pad: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds covered before the first and after the last detection.")
    ] = 0.5,
    bridge: Annotated[float, typer.Option(min=0, max=60, help="Longest gap in seconds that is bridged.")] = 1.0,
    method: Annotated[Method, typer.Option(help="How faces are covered.")] = Method.MOSAIC,
    shape: Annotated[Shape, typer.Option(help="Outline; an ellipse goes around the box.")] = Shape.BOX,
    margin: Annotated[
        float, typer.Option(min=0, max=2, help="Added at each side of a box, as a part of its size.")
    ] = MARGIN,
    detector: Annotated[
        str | None, typer.Option(help="Detector; see visage models list.", show_default="yunet")
    ] = None,
    detector_size: Annotated[int | None, typer.Option(help="Longer side of the detector's input in pixels.")] = None,
    device: Annotated[str | None, typer.Option(help="Device: auto, cpu or cuda:N.", show_default="auto")] = None,
    model_dir: ModelDirOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a plan that exists.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Make the plan of a film, and a page to check it: what is covered, and what is uncertain."""
    from stages.errors import OutputExists  # noqa: PLC0415
    from visage.redaction.page import write_page  # noqa: PLC0415
    from visage.redaction.plan import Style  # noqa: PLC0415
    from visage.redaction.planner import PlanOptions, plan_redaction  # noqa: PLC0415

    models = {"detector": detector, "detector_size": detector_size, "device": device, "model_dir": model_dir}
    if source.is_dir() and any(models.values()):
        raise typer.BadParameter("the results are there already: leave out the options of the analysis, or name a film")
    place = out or _beside(film or source, source.is_dir())
    if place.exists() and not force:
        raise OutputExists(f"{place}: exists already; choose another name or give --force to replace it")
    observed = _observed(source, film, models, quiet=quiet)
    style = Style(method=method, shape=shape, margin=margin)
    options = PlanOptions(pad_seconds=pad, bridge_seconds=bridge, style=style)
    made = plan_redaction(observed, options, base=place.parent, on_frame=_progress("planned", quiet))
    made.write(place)
    page = write_page(made, place, observed.path)
    for warning in made.warnings:
        print(f"visage: {warning}: they are not covered", file=sys.stderr)
    print(f"{place}: {_described(made)}")
    print(f"check it in a browser: {page}")


@app.command()
def page(plan: PlanArgument, film: FilmOption = None) -> None:
    """Write the page to check a plan again. Exits with 1 if the plan can't be read."""
    from visage.redaction.page import write_page  # noqa: PLC0415
    from visage.redaction.plan import Plan  # noqa: PLC0415

    print(write_page(Plan.read(plan), plan, film))


@app.command()
def confirm(
    plan: PlanArgument,
    stretches: Annotated[list[int], typer.Argument(metavar="STRETCH…", help="Numbers of the uncertain stretches.")],
    who: Annotated[str, typer.Option("--by", help="Who has looked at them.", metavar="NAME")],
) -> None:
    """Confirm that nothing is to be seen in uncertain stretches that is not covered: they are shown then."""
    from visage.redaction.plan import Change, Plan  # noqa: PLC0415

    if not who.strip():
        raise typer.BadParameter("the name is empty; say who has looked: --by NAME")
    read = Plan.read(plan)
    by_id = {one.id: one for one in read.uncertain}
    unknown = [number for number in stretches if number not in by_id]
    if unknown:
        raise typer.BadParameter(f"there is no uncertain stretch {unknown[0]} in {plan}")
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    for number in stretches:
        by_id[number].confirmed_by, by_id[number].confirmed_at = who.strip(), now
        read.changes.append(Change(who=who.strip(), when=now, what=f"confirmed stretch {number}"))
    read.write(plan)
    print(f"{plan}: {_described(read)}")


@app.command()
def render(
    plan: PlanArgument,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", parser=parse_output, metavar="FILE", help="Video to write: .mp4, .mov or .mkv."),
    ],
    film: FilmOption = None,
    sound: Annotated[bool, typer.Option("--sound/--no-sound", help="Copy the sound.")] = True,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="Leave out title, place, time and programs.")
    ] = False,
    key: Annotated[
        Path | None, typer.Option(help="Private key that signs the report; see visage redact key.", exists=True)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a video that exists.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Render a plan without any network, and write a report of it beside the video."""
    from visage.redaction.render import RenderOptions, render_plan  # noqa: PLC0415
    from visage.redaction.report import report_path  # noqa: PLC0415
    from visage.redaction.signature import SigningKey  # noqa: PLC0415

    signing = None if key is None else SigningKey(key)
    done = render_plan(
        plan,
        out,
        RenderOptions(with_sound=sound, strips_metadata=strip_metadata, force=force),
        film=film,
        key=signing,
        on_frame=_progress("rendered", quiet),
    )
    print(f"{out}: {done.frames} frames, {done.covered} with something covered, {done.whole} of them whole")
    print(f"report: {report_path(out)}" + ("" if signing else ", not signed"))
    if done.damage is not None:
        print(f"visage: error: {done.damage}; what may be damaged is covered whole", file=sys.stderr)
        raise typer.Exit(1)


@app.command("key")
def make_key(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Private key to write; the public one ends in .pub.")],
) -> None:
    """Make a pair of Ed25519 keys to sign reports with."""
    from visage.redaction.signature import make_key, public_key_of  # noqa: PLC0415

    public = make_key(path)
    print(f"{path}: keep it secret\n{public}: give it to whoever verifies ({public_key_of(public)})")


@app.command()
def verify(
    report: Annotated[Path, typer.Argument(help="Report of a rendering.", exists=True, dir_okay=False)],
    public_key: Annotated[
        Path | None, typer.Option(help="Public key of whoever should have signed.", exists=True, dir_okay=False)
    ] = None,
    film: Annotated[Path | None, typer.Option(help="The film, to check it as well.", exists=True)] = None,
    plan: Annotated[Path | None, typer.Option(help="The plan, to check it as well.", exists=True)] = None,
) -> None:
    """Check a report's signature, and that video, plan and film are those that it names."""
    from visage.redaction.report import check_report  # noqa: PLC0415
    from visage.redaction.signature import public_key_of  # noqa: PLC0415

    expected = None if public_key is None else public_key_of(public_key)
    for line in check_report(report, public_key=expected, source=film, plan=plan):
        print(line)


def _observed(source: Path, film: Path | None, models: Mapping[str, object], *, quiet: bool) -> ObservedFilm:
    from visage.redaction.observed import analysed_film, stored_film  # noqa: PLC0415
    from visage.redaction.settings import redaction_settings  # noqa: PLC0415

    if source.is_dir():
        return stored_film(source, film)
    if not quiet:
        print(f"visage: analysing {source}", file=sys.stderr)
    return analysed_film(source, redaction_settings(**models))


def _beside(source: Path, is_folder: bool) -> Path:
    return source / f"redaction{PLAN_SUFFIX}" if is_folder else source.with_name(source.name + PLAN_SUFFIX)


def _described(plan: Plan) -> str:
    left = [one for one in plan.uncertain if one.confirmed_by is None]
    frames = sum(one.last - one.first + 1 for one in left)
    share = 100 * frames / plan.source.frames
    return (
        f"{len(plan.tracks)} tracks; {len(left)} uncertain stretches to look at, {frames} frames ({share:.1f}%), "
        "which are covered whole"
    )


def _progress(verb: str, quiet: bool) -> Callable[[int], None] | None:
    """A line that is written over, on a terminal."""
    if quiet or not sys.stderr.isatty():
        return None
    last = 0.0

    def show(frame: int) -> None:
        nonlocal last
        if time.monotonic() - last >= UPDATE_SECONDS:
            last = time.monotonic()
            print(f"\r{verb} {frame} frames", end="", file=sys.stderr, flush=True)

    return show
