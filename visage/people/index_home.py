"""Where a gallery keeps its index of sightings: Qdrant Edge in its folder, a Qdrant server, or memory if encrypted."""

from __future__ import annotations

import logging
import re
import shutil
import uuid
from pathlib import Path

from visage.people.binding import GalleryBinding
from visage.people.database import Database
from visage.people.errors import GalleryLocked
from visage.people.index.base import FaceIndex
from visage.people.index.edge import EdgeIndex
from visage.people.index.errors import FaceIndexError, IndexFull, IndexInUse, IndexMismatch
from visage.people.index.memory import MemoryIndex
from visage.people.index.server import ServerIndex
from visage.people.sightings import KEYS

__all__ = ["IndexHome"]

logger = logging.getLogger(__name__)


class IndexHome:
    """The place of one gallery's index. Opens nothing by itself."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        belonging: GalleryBinding,
        *,
        url: str | None,
        grpc_port: int | None,
        api_key: str | None,
    ) -> None:
        """Raises GalleryLocked for an encrypted gallery and a server, which would hold its embeddings readable."""
        if url is not None and belonging.cipher.is_encrypted:
            raise GalleryLocked(f"{folder}: is encrypted, and a Qdrant server would hold its embeddings readable")
        self._folder = folder / "sightings"
        self._database = database
        self._belonging = belonging
        self._url = url
        self._grpc_port = grpc_port
        self._api_key = api_key

    @property
    def is_volatile(self) -> bool:
        """Whether the index loses everything when it is closed."""
        return self._belonging.cipher.is_encrypted

    def open(self) -> FaceIndex:
        """The index, which is the caller's to close. Raises FaceIndexError, such as IndexInUse."""
        dimension = self._belonging.dimension
        if self._url is not None:
            return ServerIndex(
                self._url,
                self._collection(),
                dimension,
                keys=KEYS,
                api_key=self._api_key,
                grpc_port=self._grpc_port,
            )
        return MemoryIndex(dimension) if self.is_volatile else self._open_edge(dimension)

    def _open_edge(self, dimension: int) -> EdgeIndex:
        """One that is damaged is made again, since SQLite has all of it."""
        try:
            return EdgeIndex(self._folder, dimension, keys=KEYS)
        except (IndexFull, IndexInUse, IndexMismatch):
            raise
        except FaceIndexError as error:
            if not self._folder.is_dir():
                raise
            logger.warning("rebuilding the index of sightings: %s", error)
            shutil.rmtree(self._folder)
            return EdgeIndex(self._folder, dimension, keys=KEYS)

    def _collection(self) -> str:
        """Its own on a server: the numbers of two galleries' sightings are the same."""
        with self._database.transaction():
            own = self._database.meta("collection")
            if not isinstance(own, str):
                model = re.sub("[^A-Za-z0-9]+", "-", self._belonging.model)
                own = f"visage-{model}-{uuid.uuid4().hex[:12]}"
                self._database.set_meta("collection", own)
        return own
