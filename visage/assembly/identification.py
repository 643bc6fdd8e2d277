"""Embedding as a run wants it: with identification behind it, or by itself."""

from __future__ import annotations

from typing import Protocol

from stages.chain import Chain
from stages.contract import Stage
from stages.frames import Observation
from stages.identify.roster import Roster
from stages.identify.stage import IdentifyStage
from visage.assembly.platform import Platform

__all__ = ["KnownPeople", "embedding_stage", "identifying_stage"]


class KnownPeople(Protocol):
    """Whom faces are compared with; `visage.people.Gallery` is one."""

    @property
    def threshold(self) -> float:
        """Least cosine similarity to be somebody."""

    @property
    def margin(self) -> float:
        """How much more similar than the next person the best one has to be."""

    def roster(self) -> Roster:
        """The people of this moment; quick, from the stage's thread."""


def embedding_stage(
    platform: Platform, people: KnownPeople | None, *, release_pixels: bool
) -> Stage[Observation, Observation]:
    """Embedding, then identification where there is anybody to compare with."""
    embed = platform.embed_stage(release_pixels=release_pixels)
    if people is None:
        return embed
    return Chain(embed, identifying_stage(people))


def identifying_stage(people: KnownPeople) -> IdentifyStage:
    """Says who the faces are, by their embeddings."""
    return IdentifyStage(people.roster, threshold=people.threshold, margin=people.margin)
