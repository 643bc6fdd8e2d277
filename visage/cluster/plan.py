"""What the workers of one node are told: how many there are, with how many processors or cards each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visage.assembly.spread import FILES_A_CARD
from visage.config import Settings
from visage.fleet.messages import Task
from visage.runtime.job import JobOutputs

__all__ = ["NodePlan", "plan_node"]

WORKERS_A_CARD = 6
CORES_A_WORKER = 2
MIN_CONCURRENT = 2


@dataclass(frozen=True, slots=True)
class NodePlan:
    """The workers of a node, which are alike.

    Attributes:
        workers: how many.
        cpus, gpus: what each is granted by Ray; several share a card.
    """

    workers: int
    cpus: float
    gpus: float
    task: Task


def plan_node(
    settings: Settings,
    *,
    cpus: float,
    gpus: float,
    log_level: int,
    outputs: Sequence[JobOutputs] = (),
    naming: tuple[float, float] | None = None,
) -> NodePlan | None:
    """Return what to start on a node with these resources of Ray's; None where there is nothing for us.

    A node with cards gets workers for each, as a machine alone does; one without gets one worker for its processors, or
    `settings.workers`. The threads of the networks are set by us: `OMP_NUM_THREADS`, which Ray sets, binds no OpenVINO.
    """
    cores, cards = int(cpus), int(gpus)
    uses_cards = cards > 0 and settings.device != "cpu" and settings.backend not in ("openvino", "onnxruntime")
    if not cores and not uses_cards:
        return None
    if uses_cards:
        a_card = settings.workers or max(1, min(WORKERS_A_CARD, cores // (CORES_A_WORKER * cards)))
        workers, device, share = a_card * cards, "cuda:0", 1 / a_card  # Ray shows each the one card that it may use
        concurrent = -(-(settings.concurrent_files or FILES_A_CARD) // a_card)
    else:
        a_card = workers = min(settings.workers or 1, cores)
        device, share = "cpu" if cards == 0 else settings.device, 0.0
        concurrent = -(-(settings.concurrent_files or max(MIN_CONCURRENT, cores)) // workers)
    threads = max(1, min(settings.threads or cores, cores) // workers)
    chosen = settings.model_copy(
        update={
            "device": device,
            "threads": threads,
            "concurrent_files": concurrent,
            "workers": a_card,
            "index_api_key": None,  # the coordinator alone speaks with the index
            "gallery_key": None,
        }
    )
    task = Task(chosen, concurrent, log_level, outputs=tuple(outputs), naming=naming)
    return NodePlan(workers, float(min(cores, workers * threads)) / workers if cores else 0.0, share, task)
