"""What a line of the log is about, for programs: fields beside its sentence.

In JSON they are `source` (as in events and metrics), `event` (what happened: `camera.reconnecting`) and `error` (the
kind of failure). As text they are left out, as the sentence says the same.
"""

from __future__ import annotations

__all__ = ["EVENT", "FIELDS", "about"]

EVENT = "what"
"""Under this name until it is written: structlog calls the sentence `event`."""

FIELDS = ("source", EVENT, "error")


def about(event: str, source: str | None = None, *, error: BaseException | None = None) -> dict[str, object]:
    """Return the fields for `extra` of a logging call; those that are None are left out."""
    fields = {"source": source, EVENT: event, "error": None if error is None else type(error).__name__}
    return {name: value for name, value in fields.items() if value is not None}
