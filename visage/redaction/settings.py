"""How a film is analysed that is to be redacted: every frame, and every face that may be one."""

from __future__ import annotations

from typing import Any

from visage.config import Settings

__all__ = ["KEEP_THRESHOLD", "SCORE_THRESHOLD", "redaction_settings"]

SCORE_THRESHOLD = 0.5
KEEP_THRESHOLD = 0.3
"""Below the detectors' own: a box in vain costs less than a face that is seen."""


def redaction_settings(**overrides: Any) -> Settings:
    """Return settings for `visage.redaction`; `overrides` win, None counts as not given. Raises ValidationError."""
    given = {name: value for name, value in overrides.items() if value is not None}
    return Settings(
        **{
            "frameskip": 1,
            "embed": None,
            "score_threshold": SCORE_THRESHOLD,
            "keep_threshold": KEEP_THRESHOLD,
            **given,
        }
    )
