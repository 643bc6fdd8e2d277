"""The retained topics that a daemon has published, kept in the state folder.

A broker keeps a retained topic for ever. What a daemon published before it was killed, reconfigured or upgraded can be
removed only by a daemon that remembers it. Topics are written down before they are published, so that a kill between
the two leaves a name too many and never one too few. Topics at another broker wait until it is configured again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from pathlib import Path

from visage.storage.atomic_write import atomic_write

__all__ = ["PublishedTopics"]

FILE = "mqtt-topics.json"

logger = logging.getLogger(__name__)


class PublishedTopics:
    """The topics published at one broker. For one task; a file that can't be read or written is logged, not raised."""

    def __init__(self, state_dir: Path, broker: str) -> None:
        """`broker`: host:port."""
        self._path = state_dir / FILE
        self._broker = broker
        self._brokers = self._read()
        self.is_first = broker not in self._brokers
        """Nothing is remembered of this broker: an older version may have published there."""
        self.topics: frozenset[str] = frozenset(self._brokers.get(broker, ()))

    def add(self, topics: Collection[str]) -> None:
        """Write down topics that are about to be published; blocks until they are on disk."""
        self._write(self.topics.union(topics))

    def discard(self, topics: Collection[str]) -> None:
        """Forget topics that were cleared; blocks until the file is on disk."""
        self._write(self.topics.difference(topics))

    def _write(self, topics: frozenset[str]) -> None:
        if topics == self.topics and not self.is_first:
            return
        self.topics = topics
        self.is_first = False
        self._brokers[self._broker] = sorted(topics)
        try:
            atomic_write(self._path, json.dumps(self._brokers, indent=1).encode())
        except OSError as error:  # the broker still gets its states; only the clean-up after a kill suffers
            logger.error("%s: published topics can't be saved: %s", self._path, error.strerror)

    def _read(self) -> dict[str, list[str]]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(broker): [str(topic) for topic in topics] for broker, topics in kept.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            logger.error("%s is damaged; topics published before are not cleared: %s", self._path, error)
            return {}
