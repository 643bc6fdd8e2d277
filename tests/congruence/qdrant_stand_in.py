"""A stand-in for a Qdrant server over real HTTP: the REST calls that `ServerIndex` makes, on Python's own server.

It checks and answers as Qdrant's REST API describes, with exact search. It is no proof of a real server's behaviour:
set VISAGE_QDRANT_URL to run the same tests against one.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

__all__ = ["QdrantStandIn"]


class QdrantStandIn:
    """Listens on loopback while it is a context manager."""

    def __init__(self, api_key: str | None = None) -> None:
        self.api_key = api_key
        self.failures = 0
        """So many further calls are answered with 503."""
        self.collections: dict[str, dict[str, Any]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> QdrantStandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: list[str], body: dict[str, Any]) -> Any:
        """The `result` of a call; raises KeyError for what is not there, FileExistsError for what is."""
        name = path[1]
        rest = "/".join(path[2:])
        if rest == "exists":
            return {"exists": name in self.collections}
        if method == "PUT" and not rest:
            made: dict[str, Any] = {"vectors": body["vectors"], "points": {}, "keys": {}}
            if self.collections.setdefault(name, made) is not made:
                raise FileExistsError(name)
            return True
        collection = self.collections[name]
        points: dict[int, dict[str, Any]] = collection["points"]
        if method == "GET" and not rest:
            return _description(collection)
        if rest == "index":
            collection["keys"][body["field_name"]] = body["field_schema"]
        elif method == "PUT" and rest == "points":
            for point in body["points"]:
                assert len(point["vector"]) == collection["vectors"]["size"]
                points[point["id"]] = point
        elif rest == "points/delete":
            for point_id in body["points"]:
                points.pop(point_id, None)
        elif rest == "points/count":
            return {"count": len(points)}
        elif rest == "points/query/batch":
            return [{"points": _query(points, search)} for search in body["searches"]]
        else:
            raise KeyError(rest)
        return {"operation_id": 1, "status": "completed"}


def _query(points: dict[int, dict[str, Any]], search: dict[str, Any]) -> list[dict[str, Any]]:
    found = [
        {"id": number, "version": 1, "score": float(np.dot(point["vector"], search["query"]["nearest"]))}
        for number, point in points.items()
        if all(_holds(point["payload"], part) for part in (search.get("filter") or {}).get("must", []))
    ]
    return sorted(found, key=lambda hit: -hit["score"])[: search["limit"]]


def _holds(payload: dict[str, Any], part: dict[str, Any]) -> bool:
    value = payload.get(part["key"])
    if part.get("match") is not None:
        return value in part["match"]["any"]
    limits = part["range"]
    return (
        value is not None
        and (limits.get("gte") is None or value >= limits["gte"])
        and (limits.get("lt") is None or value < limits["lt"])
    )


def _description(collection: dict[str, Any]) -> dict[str, Any]:
    hnsw = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000}
    optimizer = {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 0}
    return {
        "status": "green",
        "optimizer_status": "ok",
        "segments_count": 1,
        "points_count": len(collection["points"]),
        "config": {
            "params": {"vectors": collection["vectors"]},
            "hnsw_config": hnsw,
            "optimizer_config": {**optimizer, "flush_interval_sec": 5},
        },
        "payload_schema": {key: {"data_type": kind, "points": 0} for key, kind in collection["keys"].items()},
    }


def _handler(stand_in: QdrantStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            path = self.path.partition("?")[0].strip("/").split("/")
            if stand_in.api_key is not None and self.headers.get("api-key") != stand_in.api_key:
                self._reply(403, {"status": {"error": "forbidden"}})
            elif stand_in.failures > 0:
                stand_in.failures -= 1
                self._reply(503, {"status": {"error": "starting"}})
            else:
                try:
                    self._reply(200, {"result": stand_in.answer(self.command, path, body), "status": "ok", "time": 0.0})
                except KeyError:
                    self._reply(404, {"status": {"error": "not found"}})
                except FileExistsError as error:
                    self._reply(409, {"status": {"error": f"Wrong input: Collection `{error}` already exists!"}})

        do_GET = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - names that BaseHTTPRequestHandler looks for

        def _reply(self, status: int, content: dict[str, Any]) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Tests stay quiet."""

    return Handler
