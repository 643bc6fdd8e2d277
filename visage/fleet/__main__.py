"""Entry of a worker process: `python -m visage.fleet FD`, as `WorkerProcess` starts it."""

from __future__ import annotations

from visage.fleet.worker import main

main()
