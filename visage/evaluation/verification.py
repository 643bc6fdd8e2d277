"""Are these two faces one person's? Rates and thresholds over pairs whose answer is known.

TAR is the part of same pairs that are accepted, FAR of different ones. A threshold for a FAR is the lowest similarity
at which no more than that part is accepted; it is not stated where there are too few different pairs to see it.
Intervals: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927, at 95%.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray

__all__ = ["FALSE_ACCEPT_RATES", "OperatingPoint", "VerificationReport", "evaluate_verification", "wilson"]

FALSE_ACCEPT_RATES = (1e-1, 1e-2, 1e-3, 1e-4)

Z_95 = 1.959964  # of the normal distribution


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What accepting faces from one similarity up gives.

    Attributes:
        far: the false accept rate it was chosen for.
        threshold: faces this alike or more are accepted.
        tar: the true accept rate there, with its 95% interval, `tar_low` to `tar_high`.
    """

    far: float
    threshold: float
    tar: float
    tar_low: float
    tar_high: float


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """How well pairs of one person and of two are told apart.

    Attributes:
        balanced_accuracy: the best mean of TAR and 1 - FAR, reached at `balanced_threshold`.
        equal_error_rate: where FAR and 1 - TAR cross.
        points: for those of `FALSE_ACCEPT_RATES` that the number of pairs can show.
        roc: (FAR, TAR) at every step, from (0, 0) to (1, 1).
    """

    same_pairs: int
    different_pairs: int
    balanced_accuracy: float
    balanced_threshold: float
    equal_error_rate: float
    points: tuple[OperatingPoint, ...]
    roc: tuple[tuple[float, float], ...]


def evaluate_verification(similarities: FloatArray, is_same: NDArray[np.bool_]) -> VerificationReport:
    """Rates over pairs.

    Args:
        similarities: float32 (P,), cosines; -1 for a pair of which a face was not found: it is refused.
        is_same: bool (P,).

    Raises ValueError: there are no same or no different pairs.
    """
    same = np.sort(similarities[is_same].astype(np.float64))
    different = np.sort(similarities[~is_same].astype(np.float64))
    if not len(same) or not len(different):
        raise ValueError("pairs of one person and of different people are both needed")
    thresholds = np.unique(np.concatenate([same, different]))[::-1]  # the strictest first
    tar = 1 - np.searchsorted(same, thresholds, side="left") / len(same)
    far = 1 - np.searchsorted(different, thresholds, side="left") / len(different)
    best = int((tar - far).argmax())
    crossing = int(np.abs(far - (1 - tar)).argmin())
    return VerificationReport(
        same_pairs=len(same),
        different_pairs=len(different),
        balanced_accuracy=float((tar[best] + 1 - far[best]) / 2),
        balanced_threshold=_between(thresholds, best),
        equal_error_rate=float((far[crossing] + 1 - tar[crossing]) / 2),
        points=tuple(_points(same, different, thresholds, tar, far)),
        roc=((0.0, 0.0), *((float(x), float(y)) for x, y in zip(far, tar, strict=True))),
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95% interval of a rate, (low, high); `trials` is at least 1."""
    rate, z2 = successes / trials, Z_95**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z_95 * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


def _points(
    same: NDArray[np.float64],
    different: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    tar: NDArray[np.float64],
    far: NDArray[np.float64],
) -> Sequence[OperatingPoint]:
    points = []
    for wanted in FALSE_ACCEPT_RATES:
        if len(different) * wanted < 1:
            continue
        allowed = np.flatnonzero(far <= wanted * (1 + 1e-9))
        if not len(allowed):  # even the strictest accepts more: the most alike pairs are of different people
            points.append(
                OperatingPoint(wanted, float(np.nextafter(thresholds[0], np.inf)), 0.0, *wilson(0, len(same)))
            )
            continue
        row = int(allowed[-1])
        accepted = round(tar[row] * len(same))
        points.append(OperatingPoint(wanted, float(thresholds[row]), float(tar[row]), *wilson(accepted, len(same))))
    return points


def _between(thresholds: NDArray[np.float64], row: int) -> float:
    """Half-way to the next less strict one: no pair decides alone."""
    lower = thresholds[row + 1] if row + 1 < len(thresholds) else thresholds[row]
    return float((thresholds[row] + lower) / 2)
