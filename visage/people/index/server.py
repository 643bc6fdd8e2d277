"""Faces on a Qdrant server or cluster, over HTTP or gRPC; several Visages may share it.

A call that fails for want of the server is tried again with growing pauses, `ATTEMPTS` times, and then raises
IndexUnavailable: the owner keeps what was not taken and catches up later.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from stages.errors import BackendUnavailable
from stages.frames import FloatArray
from stages.installing import install_command
from visage.people.index.base import Condition, Hit, IndexPoint, check_vectors
from visage.people.index.errors import IndexMismatch, IndexUnavailable

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.models import Filter

__all__ = ["ServerIndex"]

ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.2  # doubled each time
GRPC_PORT = 6334  # the server's own
WRITE_POINTS = 256  # a request
SERVER_ERROR, TOO_MANY_REQUESTS = 500, 429  # HTTP

T = TypeVar("T")


class ServerIndex:
    """Implements `FaceIndex` on one collection of a server. Safe from any thread."""

    def __init__(
        self,
        url: str,
        collection: str,
        dimension: int,
        *,
        keys: Mapping[str, type],
        api_key: str | None = None,
        grpc_port: int | None = None,
        timeout_seconds: float = 5.0,
    ) -> None:
        """Connect when first used, so that a server which is away does not stop anybody from starting.

        Args:
            collection: made if it is not there; one for each embedding model.
            grpc_port: ask by gRPC at this port of the same host; None for HTTP.
            keys: the fields that conditions ask for, with their type: int, float or str.

        Raises:
            BackendUnavailable: qdrant-client is not installed.
        """
        try:
            client_module = importlib.import_module("qdrant_client")
        except ImportError as exc:
            raise BackendUnavailable(f"qdrant-client is not installed: {install_command('qdrant')}") from exc
        self._models = importlib.import_module("qdrant_client.models")
        self.dimension = dimension
        self._url = url
        self._collection = collection
        self._keys = dict(keys)
        self._lock = threading.Lock()
        self._is_ready = False
        self._stopping = threading.Event()
        self._client: QdrantClient = client_module.QdrantClient(
            url=url,
            api_key=api_key,
            prefer_grpc=grpc_port is not None,
            grpc_port=grpc_port or GRPC_PORT,
            timeout=max(1, round(timeout_seconds)),
            check_compatibility=False,
        )

    def __repr__(self) -> str:
        return f"<ServerIndex {self._collection}, {self.dimension}-D>"

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        for point in points:
            check_vectors(point.vector[None], self.dimension)
        models = self._models
        for start in range(0, len(points), WRITE_POINTS):
            structs = [
                models.PointStruct(id=point.point_id, vector=point.vector.tolist(), payload=dict(point.fields))
                for point in points[start : start + WRITE_POINTS]
            ]
            self._ask(partial(self._client.upsert, self._collection, points=structs, wait=True))

    def delete(self, point_ids: Sequence[int]) -> None:
        selector = self._models.PointIdsList(points=list(point_ids))
        self._ask(lambda: self._client.delete(self._collection, points_selector=selector, wait=True))

    def search(
        self, queries: FloatArray, *, limit: int, condition: Condition | None = None, exact: bool = False
    ) -> list[list[Hit]]:
        check_vectors(queries, self.dimension)
        if not len(queries) or limit < 1:
            return [[] for _ in queries]
        models, chosen = self._models, self._filter(condition)
        requests = [
            models.QueryRequest(
                query=query.tolist(), limit=limit, filter=chosen, params=models.SearchParams(exact=exact)
            )
            for query in queries
        ]
        found = self._ask(lambda: self._client.query_batch_points(self._collection, requests=requests))
        return [[Hit(int(point.id), float(point.score)) for point in response.points] for response in found]

    def count(self) -> int:
        return int(self._ask(lambda: self._client.count(self._collection, exact=True)).count)

    def optimize(self) -> bool:
        """Do nothing: the server optimizes by itself."""
        return False

    def close(self) -> None:
        self._stopping.set()
        with contextlib.suppress(Exception):  # a connection that is gone already
            self._client.close()

    def _ask(self, call: Callable[[], T]) -> T:
        """Its answer, asked for up to `ATTEMPTS` times. Raises IndexMismatch, IndexUnavailable."""
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(ATTEMPTS):
            try:
                self._prepare()
                return call()
            except IndexMismatch:
                raise
            except Exception as exc:  # httpx's, gRPC's and qdrant-client's own, which have no root in common
                is_last = attempt == ATTEMPTS - 1 or not _is_passing(exc)
                if is_last or self._stopping.wait(pause):
                    raise IndexUnavailable(
                        f"the Qdrant server does not answer ({_reason(exc)}); is it running, and the API key right?"
                    ) from exc
                pause *= 2
        raise AssertionError("unreachable")

    def _prepare(self) -> None:
        """Make what is missing of the collection and its payload indexes, once. Raises IndexMismatch."""
        with self._lock:
            if self._is_ready:
                return
            models = self._models
            if not self._client.collection_exists(self._collection):
                self._create()
            found = self._client.get_collection(self._collection)
            size = getattr(found.config.params.vectors, "size", None)
            if size != self.dimension:
                raise IndexMismatch(
                    f"the collection {self._collection} holds embeddings of length {size}, not {self.dimension}: "
                    "it belongs to another embedding model; choose another collection"
                )
            schemas = {
                int: models.PayloadSchemaType.INTEGER,
                float: models.PayloadSchemaType.FLOAT,
                str: models.PayloadSchemaType.KEYWORD,
            }
            for key in self._keys.keys() - found.payload_schema.keys():
                schema = schemas[self._keys[key]]
                self._client.create_payload_index(self._collection, key, field_schema=schema, wait=True)
            self._is_ready = True

    def _create(self) -> None:
        models = self._models
        vectors = models.VectorParams(size=self.dimension, distance=models.Distance.DOT)
        try:
            self._client.create_collection(self._collection, vectors_config=vectors)
        except Exception:
            # Another Visage may have been quicker: that is 409, 400 of old servers, or a code of gRPC's.
            if not self._client.collection_exists(self._collection):
                raise

    def _filter(self, condition: Condition | None) -> Filter | None:
        if condition is None:
            return None
        models = self._models
        parts = [
            models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
            for key, values in condition.among.items()
        ]
        parts += [
            models.FieldCondition(key=key, range=models.Range(gte=least, lt=most))
            for key, (least, most) in condition.ranges.items()
        ]
        chosen: Filter | None = models.Filter(must=parts) if parts else None
        return chosen


def _is_passing(error: Exception) -> bool:
    """Whether the same call may succeed a moment later."""
    status = getattr(error, "status_code", None)
    return not isinstance(status, int) or status >= SERVER_ERROR or status == TOO_MANY_REQUESTS


def _reason(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    return f"HTTP {status}" if isinstance(status, int) else type(error).__name__
