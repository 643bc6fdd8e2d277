"""What can go wrong between the stages.

RuntimeFailure
├── QueueClosed         the other end has finished: normal, ends a loop
├── QueueAborted        the pipeline is being torn down: drop everything
└── StageFailed         a stage raised; names it, the cause is chained
"""

from __future__ import annotations

__all__ = ["QueueAborted", "QueueClosed", "RuntimeFailure", "StageFailed"]


class RuntimeFailure(Exception):
    """Root of the tree."""


class QueueClosed(RuntimeFailure):
    """`put`: the queue takes no more. `get`: it is empty and nothing more will come."""


class QueueAborted(RuntimeFailure):
    """The queue was aborted; its items are gone."""


class StageFailed(RuntimeFailure):
    """A stage can't go on, so neither can the pipeline."""

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(f"the {stage} stage failed: {cause}")
        self.stage = stage
        self.cause = cause

    def __reduce__(self) -> tuple[type[StageFailed], tuple[str, BaseException]]:
        """Pickles with its own arguments rather than with the message."""
        return type(self), (self.stage, self.cause)
