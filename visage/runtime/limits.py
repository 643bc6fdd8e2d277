"""How much of everything a pipeline holds at once; memory and latency follow from it."""

from __future__ import annotations

from dataclasses import dataclass

from visage.runtime.inboxes import OverflowPolicy

__all__ = ["SINK_BATCH", "PipelineLimits"]

SINK_BATCH = 16
"""Most items that the sink thread takes at once."""


@dataclass(frozen=True, slots=True)
class PipelineLimits:
    """The largest batches, queues and waits of a pipeline; waits are in seconds.

    Attributes:
        detect_batch: most frames a detect call gets.
        embed_batch: most faces an embed call gets (a frame with more comes alone).
        batch_deadline_seconds: longest wait for a batch of frames to fill while only files are read.
        live_deadline_seconds: the same with a live source among them.
        inbox_capacity: frames that may wait for each file.
        live_inbox_capacity: frames that may wait for each live source: older ones are worth little.
        queue_capacity: frames that may wait between later stages.
        concurrent_sources: most sources decoded at once; the others wait for their turn.
    """

    detect_batch: int = 4
    embed_batch: int = 8
    batch_deadline_seconds: float = 0.01
    live_deadline_seconds: float = 0.01
    inbox_capacity: int = 8
    live_inbox_capacity: int = 8
    queue_capacity: int = 8
    concurrent_sources: int = 4

    def deadline_seconds(self, *, with_live: bool) -> float:
        """Return the longest wait, in seconds, for a batch to fill, with or without a live source being read."""
        return self.live_deadline_seconds if with_live else self.batch_deadline_seconds

    def inbox_room(self, policy: OverflowPolicy) -> int:
        """Return the number of frames that may wait for a source with this policy; at least 1."""
        return self.inbox_capacity if policy is OverflowPolicy.WAIT else self.live_inbox_capacity

    def most_pictures(self, policy: OverflowPolicy) -> int:
        """Return how many pictures a lone source of this policy can hold: waiting, in threads, and between them.

        An embed batch may be all that waited for it: frames without faces to embed weigh nothing.
        """
        at_decode = self.inbox_room(policy) + 1
        at_sink = self.queue_capacity + min(SINK_BATCH, self.queue_capacity)
        return at_decode + self.detect_batch + 2 * self.queue_capacity + at_sink
