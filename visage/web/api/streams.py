"""Streams that end when their reader goes, and whose refusals are plain answers.

A viewer of a camera that sends nothing must not stay counted after its browser has gone, so the connection is watched;
sending alone would notice only at the next picture.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import AnyStr

import anyio
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

__all__ = ["stream"]


async def stream(pieces: AsyncIterator[AnyStr], media_type: str) -> StreamingResponse:
    """An answer of these pieces. What the first one raises (TooMany, Unavailable) is raised here, as a plain answer."""
    first = await anext(pieces)

    async def all_of_them() -> AsyncIterator[AnyStr]:
        try:
            yield first
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]  # a generator: leaves its `with` blocks now

    return _WatchedResponse(all_of_them(), media_type=media_type, headers={"x-accel-buffering": "no"})


class _WatchedResponse(StreamingResponse):
    """Cancels its stream when the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(self._watch, receive, group.cancel_scope))
            await self.stream_response(send)
            group.cancel_scope.cancel()

    async def _watch(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()
