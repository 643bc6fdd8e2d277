"""How errors are reported: one line on standard error, and with debug logging the traceback."""

from __future__ import annotations

import logging
import sys
import traceback

from stages.errors import StageError
from visage.observe.printable import printable

__all__ = ["report"]


def report(error: BaseException, *, about: str = "") -> None:
    """Write `visage: error: ...` to standard error; with debug logging, the traceback as well. Never raises.

    Args:
        about: the input concerned; put first unless the error's text contains it. Empty for none.
    """
    text = _describe(error)
    is_named = about in text or about.replace("***@", "") in text
    print(f"visage: error: {printable(text if is_named else f'{about}: {text}')}", file=sys.stderr)
    if logging.getLogger("visage").isEnabledFor(logging.DEBUG):
        traceback.print_exception(error)


def _describe(error: BaseException) -> str:
    from visage.clips.errors import ClipsRefused  # noqa: PLC0415
    from visage.cluster.errors import ClusterError  # noqa: PLC0415
    from visage.config.sources import redact_text  # noqa: PLC0415
    from visage.evaluation.layouts import LayoutError  # noqa: PLC0415
    from visage.models import ModelError  # noqa: PLC0415
    from visage.people.errors import PeopleError  # noqa: PLC0415
    from visage.redaction.errors import RedactionError  # noqa: PLC0415
    from visage.report.errors import ArchiveRefused  # noqa: PLC0415
    from visage.runtime.errors import RuntimeFailure  # noqa: PLC0415
    from visage.service.errors import ServiceError  # noqa: PLC0415
    from visage.service.supervision import leaves  # noqa: PLC0415
    from visage.web.errors import WebError  # noqa: PLC0415

    kinds = (StageError, ModelError, PeopleError, RuntimeFailure, ServiceError, WebError, LayoutError, RedactionError)
    expected = (*kinds, ArchiveRefused, ClipsRefused, ClusterError, OSError)
    failed = leaves(error)
    error = failed[0] if len(failed) == 1 else error  # a group's own text does not tell
    message = str(error)
    if isinstance(error, OSError) and type(error).__module__ == "builtins" and error.filename is not None:
        message = f"{error.filename}: {error.strerror}"  # without Python's "[Errno 17]"
    text = redact_text(" ".join(message.split()))
    if isinstance(error, expected):
        return text
    return f"{type(error).__name__}: {text} (this is a bug; --log-level debug shows where)"
