"""The outbox against lists: each receiver gets the newest events in order, also after the process was begun again."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from visage.service.outbox import Outbox

RECEIVERS = ("door", "phone", "mqtt")
PEOPLE = ("p1", "p2", None)


class Letters(RuleBasedStateMachine):
    """Events are put, delivered, unnamed; receivers go, and the daemon is begun again with another limit."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "state" / "outbox.sqlite"
        self.limit = 3
        self.calls = 0
        self.puts = 0
        self.outbox = self.opened()
        self.waiting: dict[str, list[tuple[str, str | None]]] = {name: [] for name in RECEIVERS}
        self.dropped = dict.fromkeys(RECEIVERS, 0)

    def opened(self) -> Outbox:
        outbox = Outbox(self.path, limit=self.limit)
        outbox.on_put(self.count)
        return outbox

    def count(self) -> None:
        self.calls += 1

    @rule(receivers=st.sets(st.sampled_from(RECEIVERS)), person=st.sampled_from(PEOPLE))
    def put(self, receivers: set[str], person: str | None) -> None:
        self.puts += 1
        event_id = f"e{self.puts}"
        self.outbox.put(sorted(receivers), event_id, body(event_id, person))
        for receiver in receivers:
            line = self.waiting[receiver]
            line.append((event_id, person))
            while len(line) > self.limit:
                line.pop(0)
                self.dropped[receiver] += 1

    @rule(receiver=st.sampled_from(RECEIVERS), count=st.integers(1, 3))
    def deliver(self, receiver: str, count: int) -> None:
        letters = self.outbox.oldest(receiver, count)
        assert [letter.event_id for letter in letters] == [event for event, _ in self.waiting[receiver][:count]]
        for letter in letters:
            self.outbox.delivered(receiver, letter.number)
            self.outbox.delivered(receiver, letter.number)  # an answer may come twice
        del self.waiting[receiver][:count]

    @rule(known=st.sets(st.sampled_from(RECEIVERS)))
    def forget_receivers(self, known: set[str]) -> None:
        self.outbox.forget(known)
        for receiver in set(RECEIVERS) - known:
            self.waiting[receiver] = []

    @rule(known=st.sets(st.sampled_from(["p1", "p2"])))
    def erase_people(self, known: set[str]) -> None:
        changed = 0
        for line in self.waiting.values():
            for place, (event_id, person) in enumerate(line):
                if person is not None and person not in known:
                    line[place] = event_id, None
                    changed += 1
        assert self.outbox.erase(known) == changed
        for person in {"p1", "p2"} - known:  # not in what was overwritten or delivered, either
            assert f"Name of {person}".encode() not in self.path.read_bytes()

    @rule(limit=st.integers(1, 5))
    def begin_again(self, limit: int) -> None:
        self.outbox.close()
        self.limit = limit
        self.outbox = self.opened()
        self.dropped = dict.fromkeys(RECEIVERS, 0)

    @invariant()
    def every_receiver_has_what_the_model_has(self) -> None:
        for receiver, line in self.waiting.items():
            letters = self.outbox.oldest(receiver, 10)
            assert [(letter.event_id, json.loads(letter.body)) for letter in letters] == [
                (event_id, json.loads(body(event_id, person))) for event_id, person in line
            ]
            assert self.outbox.depths().get(receiver, 0) == len(line)
            assert self.outbox.dropped().get(receiver, 0) == self.dropped[receiver]
        assert self.calls == self.puts

    def teardown(self) -> None:
        self.outbox.close()
        self.folder.cleanup()


def body(event_id: str, person: str | None) -> str:
    """An event as it is written: compact JSON; a stranger has no id."""
    who = {"id": None, "name": "unknown"} if person is None else {"id": person, "name": f"Name of {person}"}
    return json.dumps({"id": event_id, "person": who}, separators=(",", ":"))


TestLetters = Letters.TestCase
TestLetters.settings = settings(max_examples=30, stateful_step_count=25)
