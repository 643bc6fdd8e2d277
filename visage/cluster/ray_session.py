"""A connection to a Ray cluster, or one of this machine's own for as long as it is wanted."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from types import ModuleType

from stages.installing import install_command
from visage.cluster.errors import ClusterMismatch, ClusterUnreachable, RayMissing

__all__ = ["LOCAL", "NAMESPACE", "RaySession", "load_ray"]

LOCAL = "local"

NAMESPACE = "visage"
"""Of Ray: where the coordinator's and the workers' names are looked for."""

CONNECT_SECONDS = 5.0

START_SECONDS = "120"
"""Longest start of each process of a local cluster, on a machine with much to do; Ray's own limit is 30 s."""

OBJECT_STORE_BYTES = 128 << 20
"""Of a cluster of this machine's own: it carries records, never frames."""


def load_ray() -> ModuleType:
    """The library. Raises RayMissing."""
    # Read as it is imported: nothing is reported to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: PLC0415 - it is an extra, and loads for seconds
    except ImportError as error:
        raise RayMissing(f"--cluster needs Ray, which is not installed: {install_command('cluster')}") from error
    module: ModuleType = ray
    return module


class RaySession:
    """Owns this process's connection to Ray, of which there can be one. A context manager."""

    def __init__(self, address: str, *, cpus: int | None = None) -> None:
        """Connect.

        Args:
            address: `local`, or HOST:PORT of a cluster's head.
            cpus: of a local cluster.

        Raises:
            RayMissing: Ray is not installed.
            ClusterUnreachable: nothing answers there, or it refuses us.
            ClusterMismatch: it has another version.
        """
        self.address = address
        if address == LOCAL:
            _prepare_local()
        self.ray = load_ray()
        quiet = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": logging.ERROR}
        if address == LOCAL:
            self._start_local(cpus, quiet)
            return
        _check_answers(address)
        try:
            self.ray.init(address=address, **quiet)
        except (ConnectionError, TimeoutError) as error:
            raise ClusterUnreachable(f"{address}: no Ray cluster answers there ({_line(error)})") from error
        except self.ray.exceptions.AuthenticationError as error:
            raise ClusterUnreachable(
                f"{address}: the cluster wants its token: copy ~/.ray/auth_token from its head, and set "
                "RAY_AUTH_MODE=token"
            ) from error
        except (RuntimeError, ValueError) as error:
            if "version" in str(error).lower():
                raise ClusterMismatch(
                    f"{address}: the cluster has another version of Ray or Python than this machine: install the same "
                    f"on both ({_line(error)})"
                ) from error
            raise ClusterUnreachable(f"{address}: {_line(error)}") from error

    def __repr__(self) -> str:
        return f"<RaySession {self.address}>"

    def close(self) -> None:
        """Leave the cluster; a local one ends. Idempotent."""
        self.ray.shutdown()

    def __enter__(self) -> RaySession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_local(self, cpus: int | None, quiet: dict[str, object]) -> None:
        try:
            self.ray.init(
                address=LOCAL,
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                **quiet,
            )
        except Exception as error:  # Ray raises plain ones, where a process of its own is late for example
            self.ray.shutdown()
            raise ClusterUnreachable(
                f"{LOCAL}: Ray did not start on this machine ({_line(error)}): try again when it has less to do"
            ) from error


def _prepare_local() -> None:
    """What Ray reads as it is imported."""
    # Its workers are to run as readily as this process would.
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_raylet_start_wait_time_s", START_SECONDS)
    if "RAY_AUTH_MODE" not in os.environ:  # a token of its own, which no file keeps
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _check_answers(address: str) -> None:
    """Ray itself would try for a minute."""
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal() or "/" in address:
        raise ClusterUnreachable(f"{address}: the address of a Ray cluster is HOST:PORT of its head, or {LOCAL}")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS):
            pass
    except (OSError, OverflowError) as error:
        raise ClusterUnreachable(
            f"{address}: no cluster answers there ({error}): run ray start --head --port={port} on {host}, and check "
            "that no firewall is between"
        ) from error


def _line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
