"""Faces in Qdrant Edge: inside the process, on disk, with a graph once `optimize` has made one.

One process owns the folder; a second one is refused with a clear error. That takes a lock of our own, beside the
folder: Edge's own comes too late, when opening has already truncated files that the owner writes to. Writes are flushed
before `upsert` returns. `optimize` was seen to block a minute with 100,000 new points: it belongs on a thread that
nothing waits for; searches stay right meanwhile, only slower.

What is deleted is overwritten first, as Edge only marks it, and Edge's log, which would keep every vector for long, is
off. Files that `optimize` has made are not overwritten: there it stays until they are made anew.

Its files are sparse and memory-mapped: where the disk can't give what they lack, SIGBUS ends the process. So nothing is
opened or written while the disk has little room left.
"""

from __future__ import annotations

import contextlib
import importlib
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stages.errors import BackendUnavailable
from stages.frames import FloatArray
from visage.people.index.base import Condition, Hit, IndexPoint, check_vectors
from visage.people.index.errors import FaceIndexError, IndexFull, IndexInUse, IndexMismatch
from visage.storage.file_lock import file_lock

if TYPE_CHECKING:
    import qdrant_edge

__all__ = ["EdgeIndex"]

WRITE_POINTS = 1000
"""A call to Edge, which copies every point."""

SPARE_MIB = 64
"""Has to be free. A new folder takes 7 MiB where reading fills holes too, as in tmpfs, and 2,000 points up to 12."""


class EdgeIndex:
    """Implements `FaceIndex` on a folder, which it owns until `close`."""

    def __init__(self, folder: Path, dimension: int, *, keys: Mapping[str, type]) -> None:
        """Open the folder, or make it. One that still has Edge's log, of an earlier version, is emptied.

        Args:
            keys: the fields that conditions ask for, with their type: int, float or str.

        Raises:
            IndexInUse: another process has it open.
            IndexFull: its disk is nearly full.
            IndexMismatch: it holds vectors of another length.
            BackendUnavailable: qdrant-edge-py is not installed.
        """
        try:
            self._edge = importlib.import_module("qdrant_edge")
        except ImportError as exc:
            raise BackendUnavailable("qdrant-edge-py is not installed: pip install qdrant-edge-py==0.9.0") from exc
        self.dimension = dimension
        self._folder = folder
        self._lock = threading.Lock()
        with contextlib.ExitStack() as stack:
            stack.enter_context(_owning(folder))
            _check_room(folder)
            self._shard: qdrant_edge.EdgeShard | None = self._open(keys)
            self._owned = stack.pop_all()

    def __repr__(self) -> str:
        return f"<EdgeIndex {self._folder.name}, {self.dimension}-D{'' if self._shard else ', closed'}>"

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        edge = self._edge
        for point in points:
            check_vectors(point.vector[None], self.dimension)
        with self._writing() as shard:
            for start in range(0, len(points), WRITE_POINTS):
                chunk = points[start : start + WRITE_POINTS]
                shard.update(
                    edge.UpdateOperation.upsert_points(
                        [edge.Point(point.point_id, point.vector.tolist(), dict(point.fields)) for point in chunk]
                    )
                )
            shard.flush()

    def delete(self, point_ids: Sequence[int]) -> None:
        edge, nobody = self._edge, [1.0, *[0.0] * (self.dimension - 1)]
        with self._writing() as shard:
            for start in range(0, len(point_ids), WRITE_POINTS):
                chunk = list(point_ids[start : start + WRITE_POINTS])
                shard.update(
                    edge.UpdateOperation.upsert_points(
                        [edge.Point(point_id, nobody, {}) for point_id in chunk],
                        update_mode=edge.UpdateMode.UpdateOnly,
                    )
                )
                shard.flush()
                shard.update(edge.UpdateOperation.delete_points(chunk))
            shard.flush()

    def search(
        self, queries: FloatArray, *, limit: int, condition: Condition | None = None, exact: bool = False
    ) -> list[list[Hit]]:
        check_vectors(queries, self.dimension)
        if not len(queries) or limit < 1:
            return [[] for _ in queries]
        edge, chosen = self._edge, self._filter(condition)
        parameters = edge.SearchParams(exact=exact)
        requests = [
            edge.QueryRequest(limit=limit, query=edge.Query.Nearest(query.tolist()), filter=chosen, params=parameters)
            for query in queries
        ]
        with self._errors():
            found = self._opened().query_batch(edge.QueryBatchRequest(requests))
        return [[Hit(int(point.id), float(point.score)) for point in points] for points in found]

    def count(self) -> int:
        with self._errors():
            return int(self._opened().count(self._edge.CountRequest(exact=True)))

    def optimize(self) -> bool:
        with self._errors():
            return bool(self._opened().optimize())

    def close(self) -> None:
        with self._lock:
            shard, self._shard = self._shard, None
        with self._owned, self._errors():
            if shard is not None:
                shard.flush()
                shard.close()

    def _open(self, keys: Mapping[str, type]) -> qdrant_edge.EdgeShard:
        edge = self._edge
        shard: qdrant_edge.EdgeShard
        schemas = {int: "Integer", float: "Float", str: "Keyword"}
        try:
            if (self._folder / "wal").is_dir():
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(self._folder / "segments")  # first: a process killed here starts over
                shutil.rmtree(self._folder)
            if self._folder.is_dir() and any(self._folder.iterdir()):
                shard = edge.EdgeShard.load(str(self._folder))
            else:
                self._folder.mkdir(parents=True, exist_ok=True)
                vectors = edge.EdgeVectorParams(size=self.dimension, distance=edge.Distance.Dot)
                shard = edge.EdgeShard.create(str(self._folder), edge.EdgeConfig(vectors=vectors, wal_enabled=False))
            for key, kind in keys.items():  # making an index that is there already does nothing
                schema = getattr(edge.PayloadSchemaType, schemas[kind])
                shard.update(edge.UpdateOperation.create_field_index(key, schema))
            self._check_dimension(shard)
        except IndexMismatch:
            raise
        except Exception as exc:  # Edge raises nothing more precise
            raise FaceIndexError(f"{self._folder}: can't be opened ({exc})") from exc
        return shard

    def _check_dimension(self, shard: qdrant_edge.EdgeShard) -> None:
        points, _ = shard.scroll(self._edge.ScrollRequest(limit=1, with_vector=True))
        if points and isinstance(points[0].vector, list) and len(points[0].vector) != self.dimension:
            shard.close()
            raise IndexMismatch(
                f"{self._folder} holds embeddings of length {len(points[0].vector)}, not {self.dimension}: "
                "it belongs to another embedding model"
            )

    def _opened(self) -> qdrant_edge.EdgeShard:
        shard = self._shard
        if shard is None:
            raise FaceIndexError(f"{self._folder}: the index is closed")
        return shard

    @contextlib.contextmanager
    def _writing(self) -> Iterator[qdrant_edge.EdgeShard]:
        with self._lock, self._errors():
            _check_room(self._folder)
            yield self._opened()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FaceIndexError:
            raise
        except Exception as exc:  # Edge raises nothing more precise
            raise FaceIndexError(f"{self._folder}: {exc}") from exc

    def _filter(self, condition: Condition | None) -> qdrant_edge.Filter | None:
        if condition is None:
            return None
        edge = self._edge
        parts = [
            edge.FieldCondition(key, match=edge.MatchAny(any=list(values))) for key, values in condition.among.items()
        ]
        parts += [
            edge.FieldCondition(key, range=edge.RangeFloat(gte=least, lt=most))
            for key, (least, most) in condition.ranges.items()
        ]
        return edge.Filter(must=parts) if parts else None


def _check_room(folder: Path) -> None:
    """Raises IndexFull. Some file systems do not know their size."""
    disk = shutil.disk_usage(folder.parent)
    if disk.total and disk.free < SPARE_MIB << 20:
        raise IndexFull(
            f"{folder}: its disk has less than {SPARE_MIB} MiB left, and an index needs room to grow; free some"
        )


@contextlib.contextmanager
def _owning(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process as well. Raises IndexInUse, FaceIndexError."""
    with contextlib.ExitStack() as held:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(file_lock(folder.with_name(folder.name + ".lock"), timeout_seconds=0))
        except TimeoutError as exc:
            raise IndexInUse(
                f"{folder}: open in another process; use that one (the daemon's page or API), or stop it"
            ) from exc
        except OSError as exc:
            raise FaceIndexError(f"{folder}: can't be opened ({exc})") from exc
        yield
