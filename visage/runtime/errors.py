"""Errors between the stages.

RuntimeFailure
├── QueueClosed         the other end has finished: normal, ends a loop
├── QueueAborted        the pipeline is being torn down: drop everything
└── StageFailed         a stage raised; names it, the cause is chained
"""

from __future__ import annotations

__all__ = ["QueueAborted", "QueueClosed", "RuntimeFailure", "StageFailed"]


class RuntimeFailure(Exception):
    """The base of everything that the runtime raises."""


class QueueClosed(RuntimeFailure):
    """Raised by `put`: the queue takes no more; by `get`: it is empty and nothing more will come."""


class QueueAborted(RuntimeFailure):
    """Raised at both ends of a queue that was aborted; its items are gone."""


class StageFailed(RuntimeFailure):
    """Raised where a stage, and so the pipeline, can't go on; the stage's error is its cause."""

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(f"the {stage} stage failed: {cause}")
        self.stage = stage
        self.cause = cause

    def __reduce__(self) -> tuple[type[StageFailed], tuple[str, BaseException]]:
        """Pickles with its own arguments rather than with the message."""
        return type(self), (self.stage, self.cause)
