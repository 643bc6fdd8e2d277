"""The card's benchmark as JSON and as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from rich.console import Console

from visage import __version__
from visage.bench.card.steady_work import SteadyWork
from visage.bench.card.suite import CardResults, Width, decoder_limit
from visage.bench.command import COLUMNS, command_record, command_row
from visage.bench.table import print_table
from visage.config import Settings
from visage.observe.machine import describe_machine

__all__ = ["make_card_record", "print_card_results"]

SCHEMA = 1


def make_card_record(settings: Settings, results: CardResults) -> dict[str, Any]:
    """Return all results as values that JSON can hold; rates are in frames a second."""
    machine = describe_machine()
    return {
        "schema": SCHEMA,
        "kind": "card",
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {"system": machine.system, "cpu": machine.cpu, "gpus": [asdict(gpu) for gpu in machine.gpus]},
        "versions": {"python": machine.python, "visage": __version__, **machine.libraries},
        "settings": settings.model_dump(mode="json", exclude={"model_dir"}),
        "networks": asdict(results.networks),
        "widths": [{**asdict(width), "share": width.share} for width in results.widths],
        "overlap": asdict(results.overlap),
        "commands": [command_record(run) for run in results.commands],
    }


def print_card_results(console: Console, results: CardResults) -> None:
    """Print tables of all results: frames a second, shares in percent, microseconds and bytes per frame."""
    networks, overlap = results.networks, results.overlap
    print_table(
        console,
        ("networks alone", ""),
        [
            ("detect, full batches", f"{networks.detect_fps:,.0f} frames/s"),
            ("embed, full batches", f"{networks.embed_faces_per_second:,.0f} faces/s"),
            (f"both, {networks.faces_per_frame:.1f} faces a frame", f"{networks.both_fps:,.0f} frames/s"),
        ],
    )
    print_table(
        console,
        ("codec", "videos", "processes", "decoders fps", "pipeline fps", "share", "GPU %", "NVDEC %"),
        [_rates(width) for width in results.widths],
    )
    rows = [command_row(command_record(run)) for run in results.commands]
    for codec in dict.fromkeys(width.codec for width in results.widths):
        limit = decoder_limit(results.widths, codec)
        title = f"the decoders' limit, {codec}: rate / utilization"
        rows.append((title, "-" if limit is None else f"{limit:.0f}", "", "", "", ""))
    print_table(console, COLUMNS, rows)
    stages = list(results.widths[0].pipeline.waiting)
    print_table(
        console,
        (
            *("codec", "videos", "CPU us/frame", "of it here", "B/frame to host", "to card"),
            *(f"{name} waits %" for name in stages),
        ),
        [_costs(width.codec, width.pipeline, stages) for width in results.widths],
    )
    print_table(
        console,
        (f"one video, the detector run {overlap.repeats} times", "fps"),
        [
            ("decoder alone", f"{overlap.decode_fps:.0f}"),
            ("inference alone", f"{overlap.inference_fps:.0f}"),
            ("one after the other", f"{overlap.sequential_fps:.0f}"),
            ("pipeline", f"{overlap.pipeline_fps:.0f}"),
            ("pipeline / one after the other", f"{overlap.pipeline_fps / overlap.sequential_fps:.2f}"),
        ],
    )


def _rates(width: Width) -> tuple[str, ...]:
    used = width.pipeline.utilization
    return (
        width.codec,
        str(width.pipeline.sources),
        str(width.pipeline.processes),
        f"{width.decoders.fps:.0f}",
        f"{width.pipeline.fps:.0f}",
        f"{width.share:.2f}",
        "-" if used is None else f"{used.gpu_percent:.0f}",
        "-" if used is None else f"{used.decoder_percent:.0f}",
    )


def _costs(codec: str, window: SteadyWork, stages: Sequence[str]) -> tuple[str, ...]:
    own = (
        window.owner_microseconds_per_frame,
        window.bytes_to_host_per_frame,
        window.bytes_to_device_per_frame,
    )
    return (
        codec,
        str(window.sources),
        f"{window.cpu_microseconds_per_frame:.0f}",
        *("-" if value is None else f"{value:.0f}" for value in own),
        *(f"{100 * window.waiting[name]:.0f}" if name in window.waiting else "-" for name in stages),
    )
