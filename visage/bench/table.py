"""The benchmark for people: tables on a terminal, aligned columns elsewhere."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from visage.bench.command import COLUMNS, command_row
from visage.bench.record import rates, targets

__all__ = ["print_comparison", "print_record", "print_table"]

PASSES = (
    ("decode", "decoding alone", "decode_fps"),
    ("sequential", "loop on one thread", "sequential_fps"),
    ("sequential_threaded", "loop, libraries on all cores", "sequential_threaded_fps"),
    ("", "one loop a core, side by side", "sequential_copies_fps"),
    ("", "the cores' limit: cores / sum", "limit_fps"),
    ("pipeline", "pipeline", "pipeline_fps"),
    ("detection", "pipeline, detection only", "detection_fps"),
    ("skipping_decode", "decoding alone, looped", "skipping_decode_fps"),
    ("skipping", "pipeline, every 24th frame", "skipping_fps"),
)

NOISE_CORES = 0.1
"""What an idle system's own programs may use."""


def print_record(console: Console, record: dict[str, Any]) -> None:
    """Print the stages (CPU milliseconds a frame), the passes (frames a second) and the targets."""
    clip, machine = record["clip"], record["machine"]
    console.print(
        f"{machine['cpu']}, {record['cores_used']} cores; {record['models']['backend']}\n"
        f"{clip['name']}: {clip['width']}x{clip['height']} {clip['codec']}, {clip['frames']} frames, "
        f"{clip['faces_per_frame']:.1f} faces a frame",
        highlight=False,
    )
    rows = [
        (
            f"  {name} (in {stage['part_of']})" if stage["part_of"] else name,
            f"{1000 * stage['cpu_seconds_per_frame']:.2f}",
            f"{stage['items_per_second']:,.0f} {stage['unit']}/s",
        )
        for name, stage in record["stages"].items()
    ]
    rows.append(("sum", f"{1000 * record['cpu_seconds_per_frame']:.2f}", ""))
    print_table(console, ("stage alone, one thread", "CPU ms/frame", "rate"), rows)

    rows = []
    for run_name, title, key in PASSES:
        if record[key] is None:
            continue
        runs = record["rounds"].get(run_name, [])
        cpu = min((run["cpu_seconds_per_frame"] for run in runs), default=None)
        rows.append((title, f"{record[key]:.1f}", "" if cpu is None else f"{1000 * cpu:.2f}"))
    print_table(console, ("whole", "fps", "CPU ms/frame"), rows)

    if record.get("commands"):
        commands = [command_row(run) for run in record["commands"]]
        commands.append(("the cores' limit: cores / sum", f"{record['limit_fps']:.1f}", "", "", "", ""))
        print_table(console, COLUMNS, commands)

    rows = [(target.title, str(target), "ok" if target.is_met else "missed") for target in targets(record)]
    print_table(console, ("ratio", "", ""), rows)
    console.print(f"\npeak memory {record['peak_rss_bytes'] / 2**20:.0f} MiB", highlight=False)
    others = statistics.median(run["others_cores"] for runs in record["rounds"].values() for run in runs)
    if others > NOISE_CORES:
        console.print(f"other programs used {others:.1f} cores meanwhile; the figures are too low", highlight=False)


def print_comparison(console: Console, new: dict[str, Any], old: dict[str, Any]) -> None:
    """Print every figure of both records, and new / old."""
    before = rates(old)
    rows = [
        (name, f"{before[name]:.4g}", f"{value:.4g}", f"{value / before[name]:.3f}")
        for name, value in rates(new).items()
        if name in before
    ]
    print_table(console, ("figure", "old", "new", "new / old"), rows)
    for key in ("machine", "versions", "models", "settings", "clip"):
        if new[key] != old[key]:
            differing = sorted(name for name in {*new[key], *old[key]} if new[key].get(name) != old[key].get(name))
            console.print(f"not the same {key}: {', '.join(differing)}", highlight=False)


def print_table(console: Console, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: a first column of names, then right-aligned figures."""
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for number, title in enumerate(header):
        table.add_column(title, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print()
    console.print(table, highlight=False)
