"""The doctor says what is there and how to get what is not."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from stages.installing import install_command
from tests.models import Seed
from visage.cli import trial
from visage.cli.doctor import Verdict, choices, examine
from visage.cli.trial import TrialFailed, try_clip
from visage.config import Settings
from visage.models import ModelStore
from visage.observe.machine import Machine, describe_machine

PROJECT = Path(__file__).parents[4]


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


def test_without_models_it_says_how_to_get_them_and_tries_to_decode(tmp_path: Path) -> None:
    models, tried = choices(Settings(model_dir=tmp_path))
    assert (models.verdict, tried.verdict) == (Verdict.MISSING, Verdict.OK)
    assert models.remedy.startswith("visage models fetch yunet sface")
    assert "decoded 5 frames; face detection was not tried" in tried.text


@pytest.mark.parametrize("has_models", [True, False])
def test_frames_that_do_not_come_through_are_told_with_the_cause(
    models: ModelStore, tmp_path: Path, has_models: bool
) -> None:
    clip = tmp_path / "broken.mp4"
    clip.write_bytes(b"no video")
    with pytest.raises(TrialFailed, match=r"^[^\n]*broken\.mp4[^\n]*$"):
        try_clip(Settings(model_dir=models.model_dir), has_models=has_models, has_gpu=False, clip=clip)


def test_a_machine_that_decodes_nothing_is_not_called_fit(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    store = seed("yunet", "sface")
    monkeypatch.setattr(trial, "TIMEOUT_SECONDS", 0.01)  # a hang, as far as the doctor can tell
    *_, tried = choices(Settings(model_dir=store.model_dir))
    assert (tried.verdict, tried.subject) == (Verdict.MISSING, "trial")
    assert "was not analysed within 0.01 s" in tried.text


def test_the_doctor_leaves_no_trace_at_home(models: ModelStore, tmp_path: Path) -> None:
    """Seen in 2026-11: its own import of ONNX Runtime kept a device id below ~/.cache."""
    done = subprocess.run(
        [sys.executable, "-c", "from visage.cli.main import main; main()", "doctor"],
        env={"HOME": str(tmp_path), "PYTHONPATH": str(PROJECT), "VISAGE_MODEL_DIR": str(models.model_dir)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.rglob("*")) == []
