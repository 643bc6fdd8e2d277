"""Live pictures: single ones, MJPEG for any player, and one stream of many sources for the page.

Browsers open six connections to a host, so the page can't have an MJPEG stream a camera: it reads all sources from one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

import anyio
from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import JsonValue

from stages.frames import Faces
from visage.web.api.callers import ERRORS, Parts, ViewerCaller
from visage.web.api.streams import stream
from visage.web.context import Context
from visage.web.errors import NotFound
from visage.web.live import LivePicture
from visage.web.records import ErrorRecord

__all__ = ["router"]

BOUNDARY = "visage-picture"
SNAPSHOT_SECONDS = 3.0

router = APIRouter(tags=["live"], responses=ERRORS)


@router.get(
    "/sources/{source_id}/snapshot.jpg",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {}}},
        404: {"model": ErrorRecord, "description": "No such source, or no picture of it within three seconds."},
    },
)
async def snapshot(source_id: str, parts: Parts, _caller: ViewerCaller, annotated: bool = True) -> Response:
    """Return the source's next picture as JPEG, with its faces marked unless `annotated=false`.

    404 if the source is unknown or delivers no picture within a few seconds.
    """
    await _check_source(source_id, parts)
    with parts.live.watch({source_id}, annotated=annotated) as viewer, anyio.move_on_after(SNAPSHOT_SECONDS):
        async for picture in viewer.pictures():
            return Response(picture.jpeg, media_type="image/jpeg")
    raise NotFound(f"no picture of {source_id!r} within {SNAPSHOT_SECONDS:.0f} s; its state says why")


@router.get(
    "/sources/{source_id}/live.mjpg",
    response_class=StreamingResponse,
    responses={
        200: {"content": {f"multipart/x-mixed-replace; boundary={BOUNDARY}": {}}},
        404: {"model": ErrorRecord, "description": "No such source."},
    },
)
async def live_mjpeg(source_id: str, parts: Parts, caller: ViewerCaller) -> StreamingResponse:
    """Stream the source as MJPEG with its faces marked, for a player or a dashboard. 429 if too many are watching."""
    await _check_source(source_id, parts)

    async def pieces() -> AsyncIterator[bytes]:
        with parts.live.watch({source_id}, annotated=True) as viewer:
            yield f"--{BOUNDARY}\r\n".encode()
            async for picture in viewer.pictures():
                head = f"content-type: image/jpeg\r\ncontent-length: {len(picture.jpeg)}\r\n\r\n"
                yield head.encode() + picture.jpeg + f"\r\n--{BOUNDARY}\r\n".encode()

    return await stream(
        pieces(), f"multipart/x-mixed-replace; boundary={BOUNDARY}", is_known=partial(parts.authenticator.knows, caller)
    )


@router.get(
    "/live",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-visage-live": {}}}},
)
async def live_pictures(
    parts: Parts,
    caller: ViewerCaller,
    source: Annotated[list[str] | None, Query(max_length=64, description="Ids of the sources; all by default.")] = None,
) -> StreamingResponse:
    """Many sources in one stream: a line of JSON, which says in `bytes` how long the JPEG after it is, and so on.

    `faces` have a `box` (x, y, width and height as shares of the picture), `track`, `name`, `known` and `score`.
    """

    async def pieces() -> AsyncIterator[bytes]:
        with parts.live.watch(source, annotated=False) as viewer:
            yield b"{}\n"
            async for picture in viewer.pictures():
                yield json.dumps(_head(picture)).encode() + b"\n" + picture.jpeg

    return await stream(pieces(), "application/x-visage-live", is_known=partial(parts.authenticator.knows, caller))


async def _check_source(source_id: str, parts: Context) -> None:
    sources = await anyio.to_thread.run_sync(parts.service.sources)
    if not any(source.source_id == source_id for source in sources):
        raise NotFound(f"there is no source {source_id!r}")


def _head(picture: LivePicture) -> dict[str, JsonValue]:
    preview = picture.preview
    height, width = preview.image.shape[:2]
    return {
        "source": preview.source_id,
        "frame": preview.frame_index,
        "seconds": round(preview.pts_seconds, 3),
        "captured_at": preview.captured_at,
        "width": width,
        "height": height,
        "faces": [_face(preview.faces, row, width, height) for row in range(len(preview.faces))],
        "bytes": len(picture.jpeg),
    }


def _face(faces: Faces, row: int, width: int, height: int) -> JsonValue:
    left, top, right, bottom = faces.boxes_xyxy[row].tolist()
    identity = faces.identities[row] if faces.identities is not None else None
    return {
        "box": [
            round(share, 4) for share in (left / width, top / height, (right - left) / width, (bottom - top) / height)
        ],
        "score": round(float(faces.scores[row]), 3),
        "track": int(faces.track_ids[row]) if faces.track_ids is not None else 0,
        "name": identity.name if identity is not None else "",
        "known": identity is not None and identity.person_id is not None,
    }
