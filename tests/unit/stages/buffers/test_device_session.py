from __future__ import annotations

import pytest

from stages.buffers import DeviceSession
from stages.errors import BackendError


class Part:
    def __init__(self, name: str, closed: list[str], *, fault: BackendError | None = None) -> None:
        self._name = name
        self._closed = closed
        self._fault = fault

    def close(self) -> None:
        self._closed.append(self._name)
        if self._fault is not None:
            raise self._fault


def test_parts_are_closed_once_and_the_last_one_first() -> None:
    closed: list[str] = []
    session = DeviceSession()
    for name in ("stream", "imaging", "backend"):
        session.own(Part(name, closed))
    session.close()
    session.close()
    assert closed == ["backend", "imaging", "stream"]


def test_a_part_that_fails_to_close_does_not_keep_the_others() -> None:
    closed: list[str] = []
    session = DeviceSession()
    session.own(Part("imaging", closed))
    session.own(Part("backend", closed, fault=BackendError("lost")))
    with pytest.raises(BackendError, match="lost"):
        session.close()
    assert closed == ["backend", "imaging"]


def test_a_stage_that_could_not_be_made_leaves_no_part_open() -> None:
    closed: list[str] = []

    def assemble(fault: BackendError | None) -> DeviceSession:
        with DeviceSession() as session:
            session.own(Part("imaging", closed))
            if fault is not None:
                raise fault
            return session

    with pytest.raises(BackendError):
        assemble(BackendError("no memory"))
    assert closed == ["imaging"]
    closed.clear()
    made = assemble(None)
    assert closed == []
    made.close()
    assert closed == ["imaging"]


def test_opening_attaches_the_stages_thread() -> None:
    attached: list[str] = []
    session = DeviceSession(attach=lambda: attached.append("now"))
    assert not attached
    session.open()
    assert attached == ["now"]
