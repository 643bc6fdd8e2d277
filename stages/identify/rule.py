"""When a face gets a name: one rule for the pipeline's tracks, for stills, and for stored tracks.

The rule compares the mean of a track's embeddings. Each sample errs in its own way, above all where a face is small or
moves, so the mean of many is closer to the person and further from others than most of them. The mean also gathers
what two people have in common, so more than half of the samples, weighted by quality, must agree by themselves. The
numbers were chosen by the measurements in docs/people.md.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NamingRule"]

FEW_SAMPLES = 0.01
"""Cosine above the threshold that the mean of one sample needs; that of two half as much, and so on. Of 33,462 pairs of
strangers the most alike is at SFace's threshold, 0.480; docs/people.md has what this costs and gains."""

AGREEING = 0.06
"""Cosine below the threshold with which a sample by itself still agrees."""

AGREEING_SHARE = 0.5
"""Of the samples, by quality: more have to agree before a track gets a name."""

KEPT = 0.03
KEPT_SHARE = 0.35
"""Cosine below the threshold, and share of the samples, with which a track keeps its name: names do not flicker."""


@dataclass(frozen=True, slots=True)
class NamingRule:
    """The rule with one gallery's thresholds, which are cosines in -1 to 1.

    Attributes:
        threshold: lowest cosine of the mean of many samples to a person's picture.
        margin: cosine by which the best person has to surpass the next.
    """

    threshold: float
    margin: float

    def agrees(self, sample_similarity: float) -> bool:
        """Return whether one sample with this cosine to a person, -1 to 1, supports that person."""
        return sample_similarity >= self.threshold - AGREEING

    def names(self, similarity: float, runner_up: float, *, samples: int, share: float = 1.0) -> bool:
        """Return whether a track gets the best person's name.

        Args:
            similarity, runner_up: cosine of the mean to that person's closest picture, and to anyone else's; -1 to 1.
            samples: the number of samples in the mean.
            share: the share of them that support the person, weighted by quality, 0 to 1.
        """
        is_alike = similarity >= self.threshold + FEW_SAMPLES / max(samples, 1)
        return is_alike and similarity - runner_up >= self.margin and share > AGREEING_SHARE

    def keeps(self, similarity: float, share: float) -> bool:
        """Return whether a track that has the best person's name keeps it; `share` as in `names`, 0 to 1."""
        return similarity >= self.threshold - KEPT and share > KEPT_SHARE
