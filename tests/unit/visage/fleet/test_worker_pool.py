"""Who is given what: room, stopping, workers that fail and that go. The processes only take down what they are told."""

from __future__ import annotations

from typing import cast

from visage.config.sources import SourceSpec
from visage.fleet.messages import Add, Command, Interrupt, Stop, StopMode
from visage.fleet.process import WorkerProcess
from visage.fleet.worker_pool import Loss, WorkerPool


class Told:
    """In the place of a process."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def tell(self, command: Command) -> None:
        self.commands.append(command)

    @property
    def added(self) -> list[str]:
        return [command.spec.source_id for command in self.commands if isinstance(command, Add)]


def crew(sources: int, *capacities: int, live: bool = False) -> tuple[WorkerPool, list[Told], list[WorkerProcess]]:
    made = WorkerPool(SourceSpec(uri=f"{number}.mp4", source_id=str(number), is_live=live) for number in range(sources))
    told = [Told() for _ in capacities]
    processes = [cast("WorkerProcess", one) for one in told]
    for process, capacity in zip(processes, capacities, strict=True):
        made.add(process, capacity)
    return made, told, processes


def test_nobody_is_given_anything_before_it_is_ready_and_then_who_has_most_room() -> None:
    made, told, (first, second) = crew(5, 2, 2)
    assert made.give_out() == []
    made.mark_ready(first)
    assert made.give_out() == ["0", "1"]
    made.mark_ready(second)
    assert made.give_out() == ["2", "3"]
    made.mark_read(first, {"1"})
    assert made.give_out() == ["4"]
    assert [one.added for one in told] == [["0", "1", "4"], ["2", "3"]]


def test_a_worker_whose_stage_failed_gets_nothing_more() -> None:
    made, told, (first, second) = crew(4, 1, 1)
    made.mark_ready(first)
    made.mark_ready(second)
    made.give_out()
    made.retire(first)
    made.mark_read(first, {"0"})
    assert made.give_out() == []
    made.mark_read(second, {"1"})
    assert made.give_out() == ["2"]
    assert [one.added for one in told] == [["0"], ["1", "2"]]


def test_a_lost_worker_s_file_is_begun_again_once_and_first_and_what_waits_fails_with_the_last_worker() -> None:
    made, told, (first, second, third) = crew(4, 1, 1, 1)
    for process in (first, second, third):
        made.mark_ready(process)
    made.give_out()
    made.mark_read(second, {"1"})
    assert made.lose(first) == Loss(again=("0",))
    assert made.give_out() == ["0"]
    assert told[1].commands[-1] == Add(SourceSpec(uri="0.mp4", source_id="0"), again=True)
    assert made.lose(second) == Loss(failed=("0",))
    assert made.lose(third) == Loss(again=("2",), left=("2", "3"))
    assert made.give_out() == []


def test_a_live_source_is_not_begun_again() -> None:
    """What was seen of it would be missing without a word."""
    made, _, (first, second) = crew(1, 1, 1, live=True)
    made.mark_ready(first)
    made.give_out()
    made.mark_ready(second)
    assert made.lose(first) == Loss(failed=("0",))


def test_another_worker_is_started_only_in_the_place_of_one_that_was_ready_and_for_something() -> None:
    made, _, (first, second) = crew(3, 1, 1)
    started: list[WorkerProcess] = []

    def start() -> WorkerProcess:
        started.append(cast("WorkerProcess", Told()))
        return started[-1]

    made.replace(first, start)  # its networks were never loaded
    assert made.lose(first) == Loss()
    made.mark_ready(second)
    made.give_out()
    made.replace(second, start)
    assert made.lose(second) == Loss(again=("0",))
    made.mark_ready(started[0])
    assert made.give_out() == ["0"]
    made.stop(Stop(StopMode.DRAIN))
    made.replace(started[0], start)
    assert made.lose(started[0]) == Loss(failed=("0",))
    assert len(started) == 1


def test_nothing_is_given_out_after_the_word_to_stop() -> None:
    made, (one,), (process,) = crew(2, 1)
    made.mark_ready(process)
    made.give_out()
    assert made.stop(Stop(StopMode.DRAIN)) == ["1"]
    made.mark_read(process, {"0"})
    assert made.give_out() == []
    assert one.commands[-1] == Stop(StopMode.DRAIN)


def test_only_who_reads_a_source_is_told_to_leave_it() -> None:
    made, told, (first, second) = crew(2, 1, 1)
    made.mark_ready(first)
    made.mark_ready(second)
    made.give_out()
    made.interrupt("1")
    assert Interrupt("1") not in told[0].commands
    assert told[1].commands[-1] == Interrupt("1")
