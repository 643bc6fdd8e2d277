"""A Ray cluster of several nodes on this machine, each of which can be killed, frozen and started again.

The nodes share the machine's address and have ports of their own. Nothing of it outlives the `with` block: each
node is a session of its own, and all processes of the sessions are killed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tests.servers.namespaces import Namespaces

__all__ = ["RayCluster"]

START_SECONDS = 120.0
POLL_SECONDS = 0.2

READY = "ray::RuntimeEnvAgent"
"""Is started by a node when that has joined."""

QUICK_TO_NOTICE = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
"""A node that does not answer is lost after some seconds instead of a minute."""


class RayCluster:
    """A head that works on nothing, and nodes by name.

    Attributes:
        address: for `--cluster`.
        environment: of everything that is to reach it.
    """

    def __init__(
        self,
        nodes: Sequence[str],
        *,
        cpus: int = 1,
        own: Mapping[str, Mapping[str, str]] | None = None,
        namespaces: Namespaces | None = None,
    ) -> None:
        """
        Args:
            own: variables of single nodes, by their names.
            namespaces: of the nodes, where each is to have a network of its own.
        """
        self._namespaces = namespaces
        host = "127.0.0.1" if namespaces is None else namespaces.host
        with socket.socket() as free:
            free.bind((host, 0))
            self._port = free.getsockname()[1]
        self.address = f"{host}:{self._port}"
        self.environment = {
            **os.environ,
            **QUICK_TO_NOTICE,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONWARNINGS": "ignore",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            "RAY_raylet_start_wait_time_s": str(int(START_SECONDS)),
        }
        self._names = tuple(nodes)
        self._cpus = cpus
        self._own = own or {}
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="vr", dir="/tmp"))  # sockets have short names
        self._known: set[psutil.Process] = set()

    def __enter__(self) -> RayCluster:
        try:
            self.start("head")
            self.wait_for("head")
            for name in self._names:  # one after the other: together they take too long for each other
                self.start(name)
                self.wait_for(name)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, name: str) -> None:
        """Start a node; returns at once."""
        head = ["--head", f"--port={self._port}", "--num-cpus=0", f"--temp-dir={self._folder}"]
        head += ["--include-dashboard=false"]
        node = [f"--address={self.address}", f"--num-cpus={self._cpus}"]
        options = head if name == "head" else node
        command = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--block", *options]
        command += [f"--node-name={name}", f"--node-ip-address={self._host(name)}", "--disable-usage-stats"]
        command += ["--object-store-memory=80000000", "--include-log-monitor=false"]
        if self._namespaces is not None and name != "head":
            command = [*self._namespaces.inside(name), *command]
        with (self._folder / f"{name}.err").open("wb") as said:
            self._nodes[name] = subprocess.Popen(
                command,
                env={**self.environment, **self._own.get(name, {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )

    def _host(self, name: str) -> str:
        if self._namespaces is None:
            return "127.0.0.1"
        return self._namespaces.host if name == "head" else self._namespaces.address(name)

    def processes(self, name: str, words: str = "") -> list[psutil.Process]:
        """The processes of a node, or those whose command line holds these words."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(self._nodes[name].pid)
            found = [top, *top.children(recursive=True)]
        self._known.update(found)
        return [process for process in found if words in _command(process)]

    def kill(self, name: str, words: str) -> int:
        """Kill the processes of a node whose command line holds these words; how many there were."""
        victims = self.processes(name, words)
        for process in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return len(victims)

    def freeze(self, name: str) -> list[psutil.Process]:
        """Stop all processes of a node; give what it returns to `thaw`."""
        frozen = self.processes(name)
        for process in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        return frozen

    @staticmethod
    def thaw(frozen: Sequence[psutil.Process]) -> None:
        """Let them go on."""
        for process in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def stop(self, name: str) -> None:
        """Kill a node with all its processes."""
        found = self.processes(name)
        self.thaw(found)
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._nodes[name].wait()

    def close(self) -> None:
        """Kill everything, and remove what it wrote."""
        for name in list(self._nodes):
            self.stop(name)
        for process in self._known:  # whose parents went before them
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
                process.kill()
        psutil.wait_procs(list(self._known), timeout=10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait_for(self, name: str) -> None:
        """Wait until a node that was started can take work."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._nodes[name].poll() is None:
            if self.processes(name, READY):
                return
            time.sleep(POLL_SECONDS)
        said = (self._folder / f"{name}.err").read_text()
        raise TimeoutError(f"the node {name} did not start: {said[-500:]}")


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
