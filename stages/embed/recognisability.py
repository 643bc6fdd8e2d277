"""How well a face can be recognised: what the norm of its embedding says, which the cosine throws away.

A network that was trained with a margin gives long vectors to faces that it can tell apart and short ones to those that
it can't: small, blurred, turned, covered. Where that holds for a network, the catalogue has the norm of a face that is
as good as any. Quality is then the square of the norm over that one, at most 1: it orders faces as their norms do, and
as a weight in a mean it is what the unnormalised embeddings' own lengths would be, squared.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stages.frames import Faces, FloatArray

__all__ = ["recognisability", "with_recognisability"]


def recognisability(norms: FloatArray, full_norm: float) -> FloatArray:
    """Of embeddings with these norms: float32, in [0, 1]."""
    return np.asarray(np.minimum(1.0, (norms / full_norm) ** 2), np.float32)


def with_recognisability(faces: Faces, rows: NDArray[np.intp], norms: FloatArray, full_norm: float) -> Faces:
    """The faces, those in these rows with the quality that their norms, float32 (len(rows),), give.

    The others keep theirs, which says how they are seen; 0 where they have none. `full_norm` 0 leaves all as they are.
    """
    if not full_norm:
        return faces
    quality = np.zeros(len(faces), np.float32) if faces.quality is None else faces.quality.copy()
    quality[rows] = recognisability(norms, full_norm)
    return replace(faces, quality=quality)
