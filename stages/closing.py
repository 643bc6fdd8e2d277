"""What is closed at the end of a `with` block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType

from typing_extensions import Self

__all__ = ["Closing"]


class Closing(ABC):
    """A context manager that closes itself, whether the block failed or not."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Release everything it holds. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
