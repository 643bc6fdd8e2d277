"""Where a run on a cluster shows what it does, and hears what people want of it: an actor on the cluster's head.

The coordinator writes its status there every second and takes the commands that were left; `visage cluster` reads and
leaves them, from any machine of the cluster. The actor ends with its coordinator.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from visage.cluster.errors import ClusterError
from visage.cluster.ray_session import NAMESPACE, RaySession

__all__ = ["Board", "BoardCommand", "Wish", "boards", "leave_command", "open_board"]

PREFIX = "visage-board:"
ANSWER_SECONDS = 10.0


class Wish(Enum):
    """What may be asked of a run."""

    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"
    REMOVE = "remove"
    RETURN = "return"

    @property
    def concerns_node(self) -> bool:
        """Whether it names a node."""
        return self in (Wish.DRAIN, Wish.REMOVE, Wish.RETURN)


@dataclass(frozen=True, slots=True)
class BoardCommand:
    """A wish and the node that it is about, if any."""

    wish: Wish
    node: str | None = None


class Board:
    """What the actor holds. Imports no Ray."""

    def __init__(self) -> None:
        self._status: dict[str, Any] = {}
        self._written_at = time.time()
        self._commands: list[BoardCommand] = []

    def exchange(self, status: dict[str, Any]) -> Sequence[BoardCommand]:
        """Write a status, and take the commands that were left since the last."""
        self._status, self._written_at = status, time.time()
        commands, self._commands = self._commands, []
        return commands

    def status(self) -> dict[str, Any]:
        """Return the last status, empty before the first, with its age in seconds as `age_seconds`."""
        return {**self._status, "age_seconds": round(time.time() - self._written_at, 1)}

    def leave(self, command: BoardCommand) -> None:
        """Leave a command for the coordinator, which takes it within seconds."""
        self._commands.append(command)


def open_board(session: RaySession, run_id: str) -> Any:
    """The coordinator's handle of a new board; of a killed coordinator's nothing is left."""
    return session.ray.remote(num_cpus=0, max_restarts=0)(Board).options(name=PREFIX + run_id).remote()


def boards(session: RaySession) -> dict[str, dict[str, Any]]:
    """The status of every run of the cluster, by its id. Raises ClusterError where one does not answer."""
    ray = session.ray
    from ray.util import list_named_actors  # noqa: PLC0415 - loads Ray, which is an extra

    found: dict[str, dict[str, Any]] = {}
    for name in list_named_actors():
        if name.startswith(PREFIX):
            try:
                actor = ray.get_actor(name, NAMESPACE)
                found[name.removeprefix(PREFIX)] = ray.get(actor.status.remote(), timeout=ANSWER_SECONDS)
            except (ValueError, ray.exceptions.RayActorError):  # it has just ended
                continue
            except ray.exceptions.GetTimeoutError as error:
                raise ClusterError(f"the run {name.removeprefix(PREFIX)} does not answer; try again") from error
    return found


def leave_command(session: RaySession, run_id: str, command: BoardCommand) -> None:
    """Ask something of a run, which hears it within seconds. Raises ClusterError."""
    ray = session.ray
    try:
        actor = ray.get_actor(PREFIX + run_id, NAMESPACE)
        ray.get(actor.leave.remote(command), timeout=ANSWER_SECONDS)
    except (ValueError, ray.exceptions.RayError) as error:
        raise ClusterError(f"the run {run_id} has ended or does not answer") from error
