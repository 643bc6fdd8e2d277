"""What several pipelines count, added up; and a worker's log lines, which arrive as they were written."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator

import pytest

from visage.fleet.forwarder import OURS, pass_logs_on
from visage.fleet.merge import merged_queues, merged_stages
from visage.runtime.queue import QueueStatistics
from visage.runtime.state import PipelineState
from visage.runtime.statistics import PipelineStatistics
from visage.runtime.worker import StageStatistics


def pipeline(stages: tuple[StageStatistics, ...], queues: dict[str, QueueStatistics]) -> PipelineStatistics:
    return PipelineStatistics(PipelineState.RUNNING, (), stages, queues)


def test_stages_and_queues_of_one_name_are_added_up() -> None:
    """One worker embeds, the other one does not."""
    first = pipeline(
        (StageStatistics("detect", 2, 8, 0.5), StageStatistics("embed", 1, 8, 0.25)),
        {"embed": QueueStatistics(1, 8, 4, 10, 0.5, 0.25), "sink": QueueStatistics(2, 8, 8, 10, 0.0, 1.0)},
    )
    second = pipeline((StageStatistics("detect", 3, 9, 1.5),), {"sink": QueueStatistics(3, 16, 5, 7, 0.5, 0.5)})
    assert merged_stages([first, second]) == (
        StageStatistics("detect", 5, 17, 2.0),
        StageStatistics("embed", 1, 8, 0.25),
    )
    assert merged_queues([first, second]) == {
        "embed": QueueStatistics(1, 8, 4, 10, 0.5, 0.25),
        "sink": QueueStatistics(5, 24, 13, 17, 0.5, 1.5),
    }


def test_without_workers_there_is_nothing_to_add_up() -> None:
    assert merged_stages([]) == ()
    assert merged_queues([]) == {}


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in OURS}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, own in levels.items():
        logging.getLogger(name).setLevel(own)


@pytest.mark.usefixtures("logs_as_before")
def test_a_record_can_be_pickled_and_says_what_it_said() -> None:
    """Arguments and tracebacks are made text: they may hold what another process can't load."""
    sent: list[logging.LogRecord] = []
    pass_logs_on(sent.append, logging.INFO)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("visage.fleet").exception("%s failed %d times", object, 3)
    (record,) = [pickle.loads(pickle.dumps(record)) for record in sent]
    assert record.getMessage().startswith("<class 'object'> failed 3 times\nTraceback")
    assert record.getMessage().endswith("ValueError: broken")
    assert record.exc_info is None


@pytest.mark.usefixtures("logs_as_before")
def test_other_libraries_are_heard_from_warnings_up() -> None:
    sent: list[logging.LogRecord] = []
    pass_logs_on(sent.append, logging.DEBUG)
    logging.getLogger("stages.decode").debug("ours")
    logging.getLogger("somelibrary").info("theirs")
    logging.getLogger("somelibrary").warning("theirs, and bad")
    assert [record.getMessage() for record in sent] == ["ours", "theirs, and bad"]


@pytest.mark.usefixtures("logs_as_before")
def test_a_record_that_can_not_be_sent_stops_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(record: logging.LogRecord) -> None:
        raise BrokenPipeError("the owner is gone")

    pass_logs_on(refuse, logging.INFO)
    logging.getLogger("visage").error("said")
    assert "the owner is gone" in capsys.readouterr().err
