"""Workers that start before it is known what for are used, or ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from visage.head_start import HeadStart, likely_workers

ENTRY = "tests.unit.visage.waiting_worker"


def test_those_that_wait_are_taken_first_and_the_rest_is_ended() -> None:
    with HeadStart(2, entry=ENTRY) as head_start:
        waiting = len(head_start)
        taken = head_start.launch()
        left = [*head_start._waiting]
    assert (waiting, len(head_start)) == (2, 0)
    assert left[0].process.poll() is not None
    taken.connection.send("task")
    assert taken.connection.recv() == ("task", True)
    taken.connection.close()
    assert taken.process.wait(timeout=60) == 0


def test_without_one_that_waits_a_process_is_started() -> None:
    with HeadStart(entry=ENTRY) as head_start:
        started = head_start.launch()
    started.connection.send("task")
    assert started.connection.recv() == ("task", False)
    started.connection.close()
    assert started.process.wait(timeout=60) == 0


def test_as_many_as_there_are_films_and_pairs_of_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = tmp_path / "driver"
    driver.touch()
    films = tmp_path / "films"
    films.mkdir()
    for number in range(20):
        (films / f"{number}.mp4").touch()
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(12))
    assert likely_workers([str(films)], {}, driver=driver) == 6
    assert likely_workers(["a.mp4", "rtsp://camera/1"], {}, driver=driver) == 2
    assert likely_workers([str(films)], {}, driver=tmp_path / "none") == 0


@pytest.mark.parametrize("settings", [{"device": "cpu"}, {"backend": "openvino"}, {"backend": "onnxruntime"}])
def test_none_where_the_processors_were_asked_for(settings: dict[str, object], tmp_path: Path) -> None:
    assert likely_workers(["a.mp4", "b.mp4"], settings, driver=tmp_path) == 0


def test_none_where_the_environment_asks_for_the_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAGE_DEVICE", "cpu")
    assert likely_workers(["a.mp4", "b.mp4"], {"device": None}, driver=tmp_path) == 0
