"""Who is given what: room, stopping, workers that fail and that go. The processes only take down what they are told."""

from __future__ import annotations

from typing import cast

from visage.config.sources import SourceSpec
from visage.fleet.messages import Add, Command, Interrupt, Stop, StopMode
from visage.fleet.process import WorkerProcess
from visage.fleet.worker_pool import WorkerPool


class Told:
    """In the place of a process."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def tell(self, command: Command) -> None:
        self.commands.append(command)

    @property
    def added(self) -> list[str]:
        return [command.spec.source_id for command in self.commands if isinstance(command, Add)]


def crew(sources: int, *capacities: int) -> tuple[WorkerPool, list[Told], list[WorkerProcess]]:
    made = WorkerPool(SourceSpec(uri=f"{number}.mp4", source_id=str(number)) for number in range(sources))
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


def test_what_a_lost_worker_read_is_told_and_what_waits_only_when_nobody_is_left() -> None:
    made, _, (first, second) = crew(3, 1, 1)
    made.mark_ready(first)
    made.mark_ready(second)
    made.give_out()
    assert made.lose(first) == (["0"], [])
    assert made.lose(second) == (["1"], ["2"])
    assert made.give_out() == []


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
