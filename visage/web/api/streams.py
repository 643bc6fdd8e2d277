"""Streams that end when their reader goes or may read no more, and whose refusals are plain answers.

A viewer of a camera that sends nothing must not stay counted after its browser has gone, so the connection is watched;
sending alone would notice only at the next picture. A stream goes on for days, so its caller's token is looked up
again and again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import AnyStr

import anyio
import anyio.to_thread
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

__all__ = ["stream"]

ASK_SECONDS = 2.0


async def stream(pieces: AsyncIterator[AnyStr], media_type: str, *, is_known: Callable[[], bool]) -> StreamingResponse:
    """An answer of these pieces. What the first one raises (TooMany, Unavailable) is raised here, as a plain answer.

    `is_known`: whether the caller may go on reading; asked on a thread, now and then.
    """
    first = await anext(pieces)

    async def all_of_them() -> AsyncIterator[AnyStr]:
        try:
            yield first
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]  # a generator: leaves its `with` blocks now

    return _WatchedResponse(all_of_them(), media_type, is_known)


class _WatchedResponse(StreamingResponse):
    """Cancels its stream when the connection closes, or its caller is known no more."""

    def __init__(self, pieces: AsyncIterator[AnyStr], media_type: str, is_known: Callable[[], bool]) -> None:
        super().__init__(pieces, media_type=media_type, headers={"x-accel-buffering": "no"})
        self._is_known = is_known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(self._watch, receive, group.cancel_scope))
            group.start_soon(self._watch_caller, group.cancel_scope)
            await self.stream_response(send)
            group.cancel_scope.cancel()

    async def _watch(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def _watch_caller(self, scope: anyio.CancelScope) -> None:
        while await anyio.to_thread.run_sync(self._is_known):  # noqa: ASYNC110  # another process revokes it
            await anyio.sleep(ASK_SECONDS)
        scope.cancel()
