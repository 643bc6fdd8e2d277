"""Who is it? Probes are compared with a gallery that knows some of their people and not others.

Rank-1: of the probes whose person is in the gallery, the part whose most alike entry is that person's. Open set: at a
threshold, a probe is identified if its best entry is at least that alike and the right person's (TPIR); a stranger's
that reaches it is a false alarm (FPIR). Grother, Ngan: "Face Recognition Vendor Test", NIST IR 8009.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.frames import FloatArray
from visage.evaluation.verification import wilson

__all__ = ["IdentificationReport", "evaluate_identification"]

FALSE_ALARM_RATES = (1e-1, 1e-2)


@dataclass(frozen=True, slots=True)
class IdentificationReport:
    """How well probes are named.

    Attributes:
        probes: those whose person is in the gallery; `strangers` are the others.
        rank_1: with its 95% interval, `rank_1_low` to `rank_1_high`.
        open_set: for each false alarm rate that the number of strangers can show: (threshold, TPIR).
    """

    gallery_people: int
    probes: int
    strangers: int
    rank_1: float
    rank_1_low: float
    rank_1_high: float
    open_set: Mapping[float, tuple[float, float]]


def evaluate_identification(
    gallery: FloatArray, gallery_people: Sequence[str], probes: FloatArray, probe_people: Sequence[str]
) -> IdentificationReport:
    """Rates over probes.

    Args:
        gallery, probes: float32 (G, D) and (P, D), rows of L2 norm 1; zeros for a picture without a face,
            which matches no one.
        gallery_people, probe_people: names, a row each.

    Raises ValueError: the gallery is empty, or none of its people is among the probes.
    """
    known = np.isin(np.array(probe_people, dtype=str), np.array(gallery_people, dtype=str))
    if not len(gallery) or not known.any():
        raise ValueError("a gallery, and probes of people in it, are needed")
    similarities = probes.astype(np.float64) @ gallery.astype(np.float64).T
    best = similarities.argmax(axis=1)
    alike = similarities.max(axis=1)
    is_face = np.abs(probes).max(axis=1) > 0
    is_right = is_face & (np.array(gallery_people, dtype=str)[best] == np.array(probe_people, dtype=str))
    hits, trials = int(is_right[known].sum()), int(known.sum())
    low, high = wilson(hits, trials)
    strangers = np.sort(np.where(is_face, alike, -1.0)[~known])[::-1]
    open_set: dict[float, tuple[float, float]] = {}
    for rate in FALSE_ALARM_RATES:
        allowed = int(len(strangers) * rate)
        if allowed >= 1:
            # Just above the most alike stranger who must not pass.
            threshold = float(np.nextafter(strangers[allowed], np.inf)) if allowed < len(strangers) else -1.0
            open_set[rate] = (threshold, float((is_right[known] & (alike[known] >= threshold)).mean()))
    return IdentificationReport(
        gallery_people=len(set(gallery_people)),
        probes=trials,
        strangers=len(strangers),
        rank_1=hits / trials,
        rank_1_low=low,
        rank_1_high=high,
        open_set=open_set,
    )
