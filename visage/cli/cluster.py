"""`visage cluster`: what the runs on a cluster do, and commands to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

__all__ = ["app", "describe_run"]

STALE_SECONDS = 10.0
"""A run writes its status every second."""

app = typer.Typer(
    name="cluster",
    help="Show the runs of a Ray cluster, pause them, and take machines away from them.",
    no_args_is_help=True,
)

AddressOption = Annotated[
    str, typer.Option("--cluster", envvar="RAY_ADDRESS", metavar="ADDRESS", help="HOST:PORT of the cluster's head.")
]
RunOption = Annotated[
    str, typer.Option("--run", metavar="ID", help="Which run, where there are several; see visage cluster status.")
]
Node = Annotated[str, typer.Argument(metavar="NODE", help="Name of a machine, as visage cluster status shows it.")]


@app.command()
def status(
    cluster: AddressOption,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show each run's films, machines and what waits, and why."""
    from visage.cluster.board import boards  # noqa: PLC0415
    from visage.cluster.ray_session import RaySession  # noqa: PLC0415

    with RaySession(cluster) as session:
        found = boards(session)
    if as_json:
        print(json.dumps(found, indent=2))
    elif not found:
        print(f"no run of Visage is at work on {cluster}")
    else:
        print("\n\n".join(describe_run(run) for run in found.values()))


@app.command()
def pause(cluster: AddressOption, run: RunOption = "") -> None:
    """Begin no more films; those that are begun go on. Exits with 1 if no run is at work."""
    _ask(cluster, run, "pause")


@app.command()
def resume(cluster: AddressOption, run: RunOption = "") -> None:
    """Let runs that were paused begin films again. Exits with 1 if no run is at work."""
    _ask(cluster, run, "resume")


@app.command()
def drain(node: Node, cluster: AddressOption, run: RunOption = "") -> None:
    """Let a machine finish what it has, and give it nothing more."""
    _ask(cluster, run, "drain", node)


@app.command()
def remove(node: Node, cluster: AddressOption, run: RunOption = "") -> None:
    """Give what a machine has to others at once, and nothing more to it."""
    _ask(cluster, run, "remove", node)


@app.command("return")
def give_back(node: Node, cluster: AddressOption, run: RunOption = "") -> None:
    """Let a machine work again that was drained or removed."""
    _ask(cluster, run, "return", node)


def describe_run(run: Mapping[str, Any]) -> str:
    """A run for people, on several lines."""
    jobs = run.get("jobs", {})
    counts = ", ".join(f"{count:,} {state}" for state, count in jobs.items() if count)
    lines = [f"run {run.get('run', '?')}: {run.get('state', 'starting')}{', paused' * bool(run.get('paused'))}"]
    if run.get("age_seconds", 0) > STALE_SECONDS:
        lines[0] += f" (of {run['age_seconds']:.0f} s ago)"
    lines.append(f"films: {counts or 'none'}")
    machines = [("machine", "state", "cpus", "gpus", "jobs", "heard", "")]
    for node in run.get("nodes", []):
        state = "held" if node["held"] else node["state"]
        heard = f"{node['silent_seconds']:.0f} s ago" if node["workers"] else "-"
        room = f"{node['jobs']} of {node['capacity']}"
        machines.append(
            (node["node"], state, f"{node['cpus']:g}", f"{node['gpus']:g}", room, heard, node["problem"] or "")
        )
    lines += _table(machines) if len(machines) > 1 else []
    running = [("film", "machine", "attempt", "frames", "fps")]
    for job in run.get("running", []):
        frames = f"{job['frames']:,}" + (f" of {job['of']:,}" if job["of"] else "")
        running.append((job["source"], job["node"], str(job["attempt"]), frames, f"{job['fps']:g}"))
    lines += _table(running) if len(running) > 1 else []
    lines += [f"{one['source']}: {one['state']}: {one['reason']}" for one in run.get("waiting", [])]
    return "\n".join(lines)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _ask(address: str, run: str, wish: str, node: str | None = None) -> None:
    from visage.cluster.board import BoardCommand, Wish, boards, leave_command  # noqa: PLC0415
    from visage.cluster.ray_session import RaySession  # noqa: PLC0415

    with RaySession(address) as session:
        found = boards(session)
        if run and run not in found:
            raise typer.BadParameter(f"there is no run {run!r}; at work: {', '.join(found) or 'none'}")
        if not run and len(found) != 1:
            raise typer.BadParameter(f"{len(found)} runs are at work ({', '.join(found) or 'none'}): give --run")
        run = run or next(iter(found))
        known = [each["node"] for each in found[run].get("nodes", [])]
        held = [each["node"] for each in found[run].get("nodes", []) if each["held"]]
        if node is not None and node not in (*known, *held):
            raise typer.BadParameter(f"there is no machine {node!r}; known: {', '.join(known)}")
        leave_command(session, run, BoardCommand(Wish(wish), node))
    print(f"the run {run} was asked to {wish}{'' if node is None else f' {node}'}")
