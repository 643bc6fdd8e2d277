"""What can go wrong with a redaction, one line each, with what to do.

RedactionError
├── PlanRefused        also ValueError: not a plan, or not of this film
├── ResultsRefused     also ValueError: the results of a run that no plan can be made of
├── KeyRefused         also ValueError: not an Ed25519 key
└── ReportRefused      also ValueError: not a report, or not true
"""

from __future__ import annotations

__all__ = ["KeyRefused", "PlanRefused", "RedactionError", "ReportRefused", "ResultsRefused"]


class RedactionError(Exception):
    """The base of everything that this package raises on purpose."""


class PlanRefused(RedactionError, ValueError):
    """Raised when a file is not a plan, or a plan does not belong to the film."""


class ResultsRefused(RedactionError, ValueError):
    """Raised when no plan can be made of a run's results."""


class KeyRefused(RedactionError, ValueError):
    """Raised when a file is not an Ed25519 key."""


class ReportRefused(RedactionError, ValueError):
    """Raised when a report, or a file that it names, is not what was signed."""
