"""When somebody is who they look like: one rule for the pipeline's tracks, for stills, and for tracks that are stored.

Compared is the mean of a track's embeddings. Each look is off in its own way, above all where a face is small or
moves, so that the mean of many is closer to the person and further from others than most of them: measured, with
what it was chosen by, in docs/people.md. A mean of few looks has to be more alike than one of many.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NamingRule"]

SINGLE = 0.035
"""How much more alike one look has to be than the mean of many; two half as much more, and so on."""

KEPT = 0.03
"""How much less alike a track may become before it loses its name, so that names do not flicker."""


@dataclass(frozen=True, slots=True)
class NamingRule:
    """Of one gallery.

    Attributes:
        threshold: least cosine of the mean of many looks to a picture of somebody.
        margin: how much more alike than the next person the best one has to be.
    """

    threshold: float
    margin: float

    def names(self, similarity: float, runner_up: float, looks: int) -> bool:
        """Whether the best of all people is who it is; `runner_up`: cosine to anybody else, `looks`: in the mean."""
        return similarity >= self.threshold + SINGLE / max(looks, 1) and similarity - runner_up >= self.margin

    def keeps(self, similarity: float) -> bool:
        """Whether a track that has the best one's name already still has it."""
        return similarity >= self.threshold - KEPT
