"""Driver calls and their errors, in one line that says what to do.

Importing this module needs CUDA for Python and raises BackendUnavailable where that is missing.
"""

from __future__ import annotations

from typing import Any, NoReturn

from stages.errors import BackendError, BackendUnavailable
from stages.installing import install_command

try:
    from cuda.bindings import driver

    # cuda.core exports its one exception nowhere else.
    from cuda.core._utils.cuda_utils import CUDAError
except ImportError as missing:
    raise BackendUnavailable(f"CUDA for Python is not installed: {install_command('tensorrt')}") from missing

__all__ = ["CUDAError", "check", "fail"]


def check(result: tuple[Any, ...], doing: str) -> Any:
    """The values of a driver call, without its status. Raises BackendError if it failed.

    Args:
        result: what `cuda.bindings.driver` returned: status, then values.
        doing: what the call was for, to begin the error with: "allocating 3 MiB of GPU memory".
    """
    status, *values = result
    if status != driver.CUresult.CUDA_SUCCESS:
        fail(RuntimeError(str(getattr(status, "name", status))), doing)
    return values[0] if len(values) == 1 else tuple(values)


# After these the driver fails every call of the process (CUDA Driver API, "CUresult").
_LOST = (
    "ILLEGAL_ADDRESS",
    "LAUNCH_FAILED",
    "LAUNCH_TIMEOUT",
    "ILLEGAL_INSTRUCTION",
    "MISALIGNED_ADDRESS",
    "HARDWARE_STACK_ERROR",
    "ECC_UNCORRECTABLE",
    "CONTEXT_IS_DESTROYED",
)


def fail(cause: Exception, doing: str) -> NoReturn:
    """Raise BackendError from a failed call: what was being done, why it failed, what helps."""
    reason = str(cause)
    if "OUT_OF_MEMORY" in reason:
        raise BackendError(f"{doing}: the GPU is out of memory; use fewer sources or a smaller batch") from cause
    if any(name in reason for name in _LOST):
        raise BackendError(f"{doing}: the GPU's context is lost ({reason}); start the program again") from cause
    raise BackendError(f"{doing}: {reason}") from cause
