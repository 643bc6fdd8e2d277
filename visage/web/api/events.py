"""Events: tracks that start, are identified and end, and sources that change their state, as they happen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from pydantic import JsonValue

from visage.web.api.callers import ERRORS, Parts, ViewerCaller
from visage.web.api.streams import stream

__all__ = ["router"]

router = APIRouter(prefix="/events", tags=["events"], responses=ERRORS)


@router.get(
    "",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"example": "id: 4\nevent: track_started\ndata: {...}\n\n"}}}},
)
async def follow_events(
    parts: Parts, caller: ViewerCaller, last_event_id: Annotated[str | None, Header(max_length=200)] = None
) -> StreamingResponse:
    """Server-sent events: `track_started`, `track_identified`, `track_ended`, `source_state`; `status` with all sources
    every two seconds; `lost` with a number when the reader was too slow. `Last-Event-ID` goes on after an event."""

    async def messages() -> AsyncIterator[str]:
        with listening as listener:
            async for message in listener.messages():
                yield message

    feed = await anyio.to_thread.run_sync(parts.remembered) if last_event_id else parts.feed
    listening = feed.listen(last_event_id)
    return await stream(messages(), "text/event-stream", is_known=partial(parts.authenticator.knows, caller))


@router.get("/recent")
def recent_events(
    parts: Parts, _caller: ViewerCaller, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> list[JsonValue]:
    """Return the last events, newest first. They are lost on a restart; forgotten people are not named in them."""
    return [event.record for event in parts.remembered().recent(limit)]
