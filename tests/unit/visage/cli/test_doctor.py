"""The doctor says what is there and how to get what is not."""

from __future__ import annotations

import dataclasses

import pytest

from stages.installing import install_command
from visage.cli.doctor import Verdict, examine
from visage.observe.machine import Machine, describe_machine


@pytest.fixture(scope="module")
def machine() -> Machine:
    return describe_machine()


def test_this_machine_can_run(machine: Machine) -> None:
    assert not [finding for finding in examine(machine) if finding.verdict is Verdict.MISSING]


def test_it_names_processor_memory_and_libraries(machine: Machine) -> None:
    texts = {finding.subject: finding.text for finding in examine(machine)}
    assert machine.cpu in texts["processor"]
    assert texts["memory"].endswith("GiB")
    assert f"numpy {machine.libraries['numpy']}" in texts["libraries"]
    assert "h264" in texts["codecs"]


def test_everything_that_is_amiss_comes_with_a_remedy(machine: Machine) -> None:
    poor = dataclasses.replace(machine, memory_bytes=2**30, libraries={}, gpus=())
    amiss = [finding for finding in examine(poor) if finding.verdict is not Verdict.OK]
    assert {"memory", "openvino"} <= {finding.subject for finding in amiss}
    assert all(finding.remedy for finding in amiss)


def test_a_display_without_sdl_says_what_to_install(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    without = dataclasses.replace(machine, libraries={})
    (display,) = [finding for finding in examine(without) if finding.subject == "display"]
    assert display.remedy == install_command("show")
