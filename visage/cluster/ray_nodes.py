"""The machines of a Ray cluster: looked over at the door, given workers, and watched. Implements `nodes.Nodes`.

    found ──inspect──> lacks a network ──send──> admitted ──start──> workers
                └────> refused, and inspected again later

Workers are detached actors with names that hold the run and the node, so that a coordinator that is started again finds
those of the one that was killed. One thread does it all: calls to workers are Ray's object references, and `wait` deals
with those that are ready.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from visage.cluster import door
from visage.cluster.board import open_board
from visage.cluster.door import Expected, Finding
from visage.cluster.nodes import Answer, NodeListener
from visage.cluster.plan import NodePlan
from visage.cluster.ray_actor import NodeActor
from visage.cluster.ray_session import NAMESPACE, RaySession
from visage.cluster.roots import parse_roots

__all__ = ["ModelContent", "RayNodes"]

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between two looks at which machines there are."""

PULSE_SECONDS = 1.0
"""A worker without news answers so late."""

SILENCE_SECONDS = 1.0
"""Before a worker that could not be reached is asked again."""

INSPECT_AGAIN_SECONDS = 30.0
"""Of a node that was refused: somebody may have put it right."""

RESTART_SECONDS = 5.0
MAX_FAILED_STARTS = 3
CLOSE_SECONDS = 10.0

ModelContent = Callable[[str], tuple[str, bytes, str]]
"""Of a network's name: the published file's name, content and SHA-256 digest."""


class _State(Enum):
    INSPECTING = "inspecting"
    ADMITTED = "admitted"
    REFUSED = "refused"
    LOST = "lost"


class RayNodes:
    """Owns the workers of a run; the session stays its maker's."""

    def __init__(
        self,
        session: RaySession,
        *,
        run_id: str,
        expected: Expected,
        model_content: ModelContent,
        plan: Callable[[float, float], NodePlan | None],
        roots: Mapping[str, Path],
    ) -> None:
        """
        Args:
            run_id: the same for the coordinator that goes on with this run's ledger.
            expected: what nodes have to have.
            model_content: what a node that lacks a network is sent.
            plan: what workers a node with these processors and cards gets.
            roots: the coordinator's.
        """
        self._session = session
        self._ray = session.ray
        self._run_id = run_id
        self._prefix = f"visage:{run_id}:"
        self._board: Any = None
        self._is_showing = False
        self._removed: set[str] = set()
        self._expected = expected
        self._model_content = model_content
        self._plan = plan
        self._roots = dict(roots)
        self._nodes: dict[str, _Node] = {}
        self._workers: dict[str, _Worker] = {}
        self._calls: dict[Any, Callable[[Answer], None]] = {}
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._looked_at = -LOOK_SECONDS
        self._shared: tuple[object, Any] | None = None
        self._listener: NodeListener | None = None

    def __repr__(self) -> str:
        return f"<RayNodes {len(self._nodes)} nodes, {len(self._workers)} workers, {len(self._calls)} calls>"

    def open(self) -> None:
        from ray.util import list_named_actors  # noqa: PLC0415 - loads Ray, which is an extra

        self._ray.cloudpickle.register_pickle_by_value(door)  # it may meet another Visage, or none
        self._board = open_board(self._session, self._run_id)
        for name in list_named_actors():
            if name.startswith(self._prefix):
                node_id, slot, number = name.removeprefix(self._prefix).split(":")
                self._greet(name, _Worker(self._ray.get_actor(name, NAMESPACE), node_id, int(slot), int(number)))

    def wait(self, listener: NodeListener, timeout_seconds: float) -> None:
        self._listener = listener
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._look()
        due = [action for at, action in self._later if at <= now]
        self._later = [(at, action) for at, action in self._later if at > now]
        for action in due:
            action()
        if not self._calls:
            time.sleep(timeout_seconds)
            return
        references = list(self._calls)
        ready, _ = self._ray.wait(references, num_returns=1, timeout=timeout_seconds)
        if ready:  # and all others that are
            ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        for reference in ready:
            then = self._calls.pop(reference)
            then(self._answer(reference))

    def call(self, worker: str, method: str, *arguments: object, then: Callable[[Answer], None] | None = None) -> None:
        known = self._workers.get(worker)
        if known is None:
            if then is not None:
                self._after(0.0, lambda: then(Answer(is_lost=True)))
            return
        reference = getattr(known.handle, method).remote(*arguments)
        self._calls[reference] = then or (lambda answer: None)

    def share(self, worker: str, people: object) -> None:
        if self._shared is None or self._shared[0] is not people:
            self._shared = (people, self._ray.put(people))
        self.call(worker, "share", self._shared[1])

    def describe(self) -> list[dict[str, Any]]:
        return [
            {
                "node": node.name,
                "host": node.host,
                "cpus": node.cpus,
                "gpus": node.gpus,
                "state": node.state.value,
                "problem": node.problem,
            }
            for node in self._nodes.values()
        ]

    def show(self, status: dict[str, Any]) -> None:
        if self._board is None or self._is_showing:
            return
        self._is_showing = True
        self._calls[self._board.exchange.remote(status)] = self._shown

    def _shown(self, answer: Answer) -> None:
        self._is_showing = False
        if answer.is_lost or answer.error is not None:
            self._board = None  # the head has gone, and the run with it
            return
        for command in answer.value:
            if self._listener is not None:
                self._listener.asked(command)

    def remove(self, node: str) -> None:
        self._removed.add(node)
        ids = {node_id for node_id, one in self._nodes.items() if one.name == node}
        for name in [name for name, worker in self._workers.items() if worker.node_id in ids]:
            self._ray.kill(self._workers.pop(name).handle, no_restart=True)

    def restore(self, node: str) -> None:
        self._removed.discard(node)

    def close(self, *, keep_workers: bool = False) -> None:
        if keep_workers:
            return
        handles = [worker.handle for worker in self._workers.values()]
        self._workers.clear()
        self._calls.clear()
        closing = [handle.close.remote() for handle in handles]
        if closing:
            self._ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
        for handle in handles:
            self._ray.kill(handle, no_restart=True)

    # -- machines ----------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        found = {node["NodeID"]: node for node in self._ray.nodes() if node["Alive"]}
        for node_id, facts in found.items():
            if node_id not in self._nodes:
                name = self._unused_name(facts)
                resources = facts["Resources"]
                node = _Node(node_id, name, resources.get("CPU", 0.0), resources.get("GPU", 0.0))
                self._nodes[node_id] = node
                if self._plan(node.cpus, node.gpus) is not None:
                    self._inspect(node)
        for node_id in self._nodes.keys() - found.keys():
            node = self._nodes.pop(node_id)
            node.state = _State.LOST
            for worker in [name for name, known in self._workers.items() if known.node_id == node_id]:
                self._lose(worker, f"node {node.name} is lost", is_death=False)
        for node in self._nodes.values():
            self._fill(node)

    def _unused_name(self, facts: Mapping[str, Any]) -> str:
        name = str(facts["NodeName"])
        is_taken = any(node.name == name for node in self._nodes.values())
        return f"{name}-{facts['NodeID'][:6]}" if is_taken else name

    def _inspect(self, node: _Node) -> None:
        node.state = _State.INSPECTING
        self._run_on(node, door.inspect_node, self._expected, then=lambda answer: self._inspected(node, answer))

    def _inspected(self, node: _Node, answer: Answer) -> None:
        finding = answer.value
        if not isinstance(finding, Finding):
            self._refuse(node, f"could not be looked at ({_line(answer.error)})")
            return
        node.host = finding.host
        if finding.problem is not None:
            self._refuse(node, finding.problem)
            return
        try:
            node.roots = parse_roots(finding.roots)
        except ValueError as error:
            self._refuse(node, str(error))
            return
        if finding.missing:
            self._send(node, finding)
        else:
            node.state, node.problem = _State.ADMITTED, None
            node.model_dir = finding.model_dir
            self._fill(node)

    def _send(self, node: _Node, finding: Finding) -> None:
        """A network that it lacks, and then look again."""
        name = finding.missing[0]
        if name in node.sent:
            self._refuse(node, f"does not keep the network {name}: run visage models fetch {name} there")
            return
        node.sent.add(name)
        file_name, content, digest = self._model_content(name)

        def sent(answer: Answer) -> None:
            if answer.error is not None or answer.value is not None:
                self._refuse(node, str(answer.value or _line(answer.error)))
            else:
                self._inspect(node)

        self._run_on(node, door.receive_model, finding.model_dir, file_name, content, digest, then=sent)

    def _refuse(self, node: _Node, problem: str) -> None:
        if node.problem != problem and self._listener is not None:
            self._listener.refused(node.name, f"node {node.name} {problem}")
        node.state, node.problem = _State.REFUSED, problem
        self._after(INSPECT_AGAIN_SECONDS, lambda: self._inspect_again(node))

    def _inspect_again(self, node: _Node) -> None:
        if node.state is _State.REFUSED:
            node.sent.clear()
            self._inspect(node)

    def _run_on(
        self, node: _Node, function: Callable[..., object], *arguments: object, then: Callable[[Answer], None]
    ) -> None:
        task = self._ray.remote(num_cpus=0, max_retries=0)(function)
        reference = task.options(scheduling_strategy=self._there(node)).remote(*arguments)
        self._calls[reference] = then

    def _there(self, node: _Node) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

        return NodeAffinitySchedulingStrategy(node.node_id, soft=False)

    # -- workers -----------------------------------------------------------------------------------------------------

    def _fill(self, node: _Node) -> None:
        """Start the workers that an admitted node should have and has not."""
        plan = self._plan(node.cpus, node.gpus)
        is_usable = node.state is _State.ADMITTED and node.name not in self._removed
        if plan is None or not is_usable or time.monotonic() < node.start_at:
            return
        taken = {worker.slot for worker in self._workers.values() if worker.node_id == node.node_id}
        for slot in range(plan.workers):
            if slot not in taken:
                self._start(node, slot, plan)

    def _start(self, node: _Node, slot: int, plan: NodePlan) -> None:
        node.started += 1
        # Later coordinators count on from here, so that no name is given twice.
        number = max(node.started, int(time.time()))
        name = f"{self._prefix}{node.node_id}:{slot}:{number}"
        task = plan.task
        # A machine that keeps its networks elsewhere says so in its environment.
        own = Path(node.model_dir) if node.model_dir else task.settings.model_dir
        told = replace(task, settings=task.settings.model_copy(update={"model_dir": own}))
        actor = self._ray.remote(
            num_cpus=plan.cpus,
            num_gpus=plan.gpus,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=8,
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            scheduling_strategy=self._there(node),
        )(NodeActor)
        shown = f"worker {slot} on {node.name}"
        self._greet(
            name, _Worker(actor.remote(node.name, shown, told, self._roots, node.roots), node.node_id, slot, number)
        )

    def _greet(self, name: str, worker: _Worker) -> None:
        self._workers[name] = worker
        self.call(name, "facts", then=lambda answer: self._met(name, answer))

    def _met(self, name: str, answer: Answer) -> None:
        worker = self._workers.get(name)
        if worker is None:
            return
        if answer.error is not None or answer.is_lost:
            self._fail(name, worker, answer)
            return
        worker.node_name = answer.value.node
        worker.process_id = answer.value.process_id
        if self._listener is not None:
            self._listener.joined(name, answer.value.node, answer.value.capacity)
        self._ask(name)

    def _ask(self, name: str) -> None:
        self.call(name, "pulse", PULSE_SECONDS, then=lambda answer: self._heard(name, answer))

    def _heard(self, name: str, answer: Answer) -> None:
        if name not in self._workers:
            return
        if answer.is_lost:
            self._after(SILENCE_SECONDS, lambda: self._ask(name))
            return
        if answer.error is not None:
            self._fail(name, self._workers[name], answer)
            return
        node = self._nodes.get(self._workers[name].node_id)
        if node is not None and answer.value.is_ready:
            node.failed_starts = 0
        self._ask(name)
        if self._listener is not None:
            self._listener.pulsed(name, answer.value)
        if answer.value.failure is not None and node is not None:
            self._give_up(node, name, str(answer.value.failure))

    def _fail(self, name: str, worker: _Worker, answer: Answer) -> None:
        """A worker has gone: with its node, or alone."""
        is_node_there = any(node["Alive"] and node["NodeID"] == worker.node_id for node in self._ray.nodes())
        node = self._nodes.get(worker.node_id)
        where = node.name if node is not None else worker.node_name or worker.node_id[:6]
        if not is_node_there:
            self._lose(name, f"node {where} is lost", is_death=False)
            return
        reason = f"worker {worker.slot} on {where} died ({_line(answer.error)})"
        self._lose(name, reason, is_death=True)
        if node is not None:
            self._count_failure(node, reason)

    def _give_up(self, node: _Node, name: str, reason: str) -> None:
        self._lose(name, reason, is_death=True)
        self._count_failure(node, reason)

    def _count_failure(self, node: _Node, reason: str) -> None:
        node.failed_starts += 1
        node.start_at = time.monotonic() + RESTART_SECONDS
        if node.failed_starts >= MAX_FAILED_STARTS:
            self._refuse(node, f"can't run workers: {reason}")

    def _lose(self, name: str, reason: str, *, is_death: bool) -> None:
        worker = self._workers.pop(name, None)
        if worker is None:
            return
        self._ray.kill(worker.handle, no_restart=True)  # where it is only out of reach it must not go on for ever
        if self._listener is not None:
            self._listener.lost(name, reason, is_death=is_death)

    # -- answers -----------------------------------------------------------------------------------------------------

    def _answer(self, reference: Any) -> Answer:
        errors = self._ray.exceptions
        try:
            return Answer(self._ray.get(reference))
        except errors.ActorUnavailableError as error:
            return Answer(error=error, is_lost=True)
        except errors.RayTaskError as error:  # what the method raised
            cause = error.cause if isinstance(getattr(error, "cause", None), Exception) else error
            return Answer(error=cause)
        except errors.RayError as error:
            return Answer(error=error)

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, action))


@dataclass(slots=True, eq=False)
class _Node:
    node_id: str
    name: str
    cpus: float
    gpus: float
    state: _State = _State.INSPECTING
    problem: str | None = None
    host: str = ""
    model_dir: str = ""
    roots: Mapping[str, Path] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    started: int = 0
    failed_starts: int = 0
    start_at: float = 0.0


@dataclass(slots=True, eq=False)
class _Worker:
    handle: Any
    node_id: str
    slot: int
    number: int
    node_name: str = ""
    process_id: int = 0


def _line(error: BaseException | None) -> str:
    lines: Sequence[str] = [line.strip() for line in str(error or "").splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
