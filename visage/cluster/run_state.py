"""What a run on a cluster keeps on this machine's disk, so that it goes on where it was after it was killed.

One folder a run, named after what the run makes: the same command finds it again. A lock lets one process at a time
have it; when every film of the run has ended the ledger goes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from stages.addresses import is_address
from visage.cluster.errors import ClusterError
from visage.cluster.lease import JobState
from visage.cluster.ledger import LeaseLedger
from visage.config import Settings
from visage.config.result_settings import result_settings
from visage.config.sources import SourceSpec
from visage.home import expand_home
from visage.storage.file_lock import file_lock

__all__ = ["RunState", "contents_of"]

HOME_VARIABLE = "VISAGE_CLUSTER_DIR"
DEFAULT_HOME = "~/.visage/cluster"

LEDGER = "ledger.sqlite"


class RunState:
    """Holds the folder of one run until `close`.

    Attributes:
        run_id: the same for the same settings and outputs; fit for a file name.
        goes_on: an earlier process began this run, and did not get to its end.
    """

    def __init__(self, settings: Settings, outputs: Mapping[str, str], *, home: Path | None = None) -> None:
        """Raises ClusterError where another process has this run, OSError.

        Args:
            outputs: where the results go, by kind.
            home: the folder of all runs, on a local disk.
        """
        makes = {**{name: os.path.abspath(path) for name, path in outputs.items()}, **result_settings(settings)}
        digest = hashlib.blake2b(json.dumps(makes, sort_keys=True, default=str).encode(), digest_size=6)
        self.run_id = digest.hexdigest()
        home = home or expand_home(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME)
        self._folder = home / self.run_id
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = contextlib.ExitStack()
        try:
            self._lock.enter_context(file_lock(self._folder / "lock", timeout_seconds=0))
        except TimeoutError as error:
            raise ClusterError(f"{self._folder}: another process is at work on this run; wait for it") from error
        self.goes_on = (self._folder / LEDGER).exists()
        self.ledger = LeaseLedger(self._folder / LEDGER)

    def __repr__(self) -> str:
        return f"<RunState {self._folder}>"

    def close(self) -> None:
        """Give the folder back; without a ledger where nothing is left to do. Safe to call twice."""
        with self._lock:
            counts = self.ledger.counts()
            self.ledger.close()
            if not counts[JobState.WAITING] and not counts[JobState.LEASED]:
                for path in self._folder.glob(f"{LEDGER}*"):
                    path.unlink(missing_ok=True)


def contents_of(sources: Sequence[SourceSpec]) -> dict[str, str]:
    """Return by id where each source is, its size in bytes and when it was changed; of addresses the first alone."""
    return {spec.source_id: _content(spec.uri) for spec in sources}


def _content(uri: str) -> str:
    if is_address(uri):
        return uri
    try:
        found = os.stat(uri)
    except OSError:  # a node may have it
        return os.path.abspath(uri)
    return f"{os.path.abspath(uri)} {found.st_size} {found.st_mtime_ns}"
