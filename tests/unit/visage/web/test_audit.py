"""The audit log on a disk that is full, and after a crash."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.visage.web.serving import running
from visage.web.audit import AuditLog

# In a process of its own: the limit of a file's size is the process's, as a disk's end would be.
FULL = """
import resource, signal, sys
from pathlib import Path
from visage.web.audit import AuditLog
from visage.web.errors import Unavailable

log = AuditLog(Path(sys.argv[1]))
def note(who): log.record(who=who, client="c", action="a", subject="s", outcome="o")
note("before")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = log.path.stat().st_size
for more in (1, 40, 99):  # none of a line, some of it, all but its end
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + min(more, size - 1), resource.RLIM_INFINITY))
    try:
        note("during")
    except Unavailable:
        print("refused", flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
note("after")
print([entry["who"] for entry in log.latest(9)])
"""


def test_a_full_disk_costs_the_entries_of_its_time_alone(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    command = [sys.executable, "-c", FULL, str(file)]
    told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert told.stdout.splitlines() == ["refused"] * 3 + ["['after', 'before']"], told.stderr
    assert [json.loads(line)["who"] for line in file.read_text().splitlines()] == ["before", "after"]


@pytest.mark.parametrize("half", [b'{"at": "2026-11-30T', b'{"who": "M\xc3', b"null\n", b"\x00" * 40])
def test_a_half_line_of_a_crash_breaks_nothing(tmp_path: Path, half: bytes) -> None:
    """Over HTTP: reading, and what is written to the log first, go on."""
    file = tmp_path / "audit.jsonl"
    AuditLog(file).record(who="before", client="c", action="a", subject="s", outcome="o")
    with open(file, "ab") as log:
        log.write(half)
    with running(tmp_path) as site, site.local() as client:
        assert client.delete("/api/v1/people/p9").status_code == 404
        answer = client.get("/api/v1/audit")
    assert answer.status_code == 200
    told = [(entry["who"], entry["subject"]) for entry in answer.json()]
    assert ("local (admin)", "p9") in told
    assert told[-1] == ("before", "s")
