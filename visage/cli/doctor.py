"""`visage doctor`: what this machine has, what Visage will use and why, what is missing and how to get it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import typer

from visage.cli.options import ModelDirOption

if TYPE_CHECKING:
    from visage.config.settings import Settings
    from visage.observe.machine import Machine

__all__ = ["Finding", "Verdict", "choices", "doctor", "examine"]

# What `visage run` cannot do without: the package by import name.
CORE_LIBRARIES = {
    **{name: name for name in ("av", "numpy", "onnxruntime", "h5py", "pyarrow")},
    "cv2": "opencv-python-headless",
}
DECODERS = ("h264", "hevc", "vp9", "av1", "mpeg4", "mpeg2video", "prores", "mjpeg")
# Below this, 1080p frames in flight and a compiled network begin to swap.
MIN_MEMORY_BYTES = 2 * 2**30


class Verdict(Enum):
    """What a finding means for the user: MISSING stops videos from being analysed, NOTE costs speed or an output."""

    OK = "ok"
    NOTE = "note"  # works without
    MISSING = "missing"  # `visage run` does not work without


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked; `remedy` is a command to type or a thing to do, empty if there is none."""

    verdict: Verdict
    subject: str
    text: str
    remedy: str = ""


def doctor(model_dir: ModelDirOption = None) -> None:
    """Report what this machine has, what Visage will use and why, and what is missing.

    A clip of five frames is decoded, its face found and embedded. Exits with 1 if videos can't be analysed here, or not
    yet because models are missing.
    """
    from visage.cli.run_settings import make_settings  # noqa: PLC0415
    from visage.observe.machine import describe_machine  # noqa: PLC0415

    settings = make_settings({"model_dir": model_dir})
    machine = describe_machine()
    findings = [*examine(machine), *choices(settings, has_gpu=bool(machine.gpus))]
    for finding in findings:
        print(f"{finding.verdict.value:>8}  {finding.subject:<10}  {finding.text}")
        if finding.remedy:
            print(f"{'':>8}  {'':<10}  -> {finding.remedy}")
    missing = [finding.subject for finding in findings if finding.verdict is Verdict.MISSING]
    if missing:
        print(f"\nVideos can't be analysed here yet: see {', '.join(missing)}.")
        raise typer.Exit(1)
    print("\nThis machine can analyse videos. Try: visage demo")


def examine(machine: Machine) -> Iterator[Finding]:
    """Check everything that a run needs, from the machine up. Loads no networks; never raises."""
    yield Finding(Verdict.OK, "system", f"{machine.system}, Python {machine.python}")
    yield _processor(machine)
    yield _memory(machine)
    yield from _graphics(machine)
    yield from _libraries(machine)
    yield from _codecs()
    yield _display(machine)


def choices(settings: Settings, *, has_gpu: bool = False) -> Iterator[Finding]:
    """Check which models are here, whether a clip can be analysed, and what a run with these settings would use.

    Yields the findings as they are made: loading the networks takes seconds. Never raises BackendError.
    """
    from stages.errors import BackendError  # noqa: PLC0415
    from visage.assembly import ModelPlan, choose_platform  # noqa: PLC0415
    from visage.models import ModelStore  # noqa: PLC0415

    store = ModelStore(settings.model_dir)
    absent = [name for name in (settings.detector, settings.embedder) if not store.verify(name).is_ok]
    if absent:
        remedy = f"visage models fetch {' '.join(absent)}  (the first run does it, too)"
        yield Finding(Verdict.MISSING, "models", f"not in {settings.model_dir}: {', '.join(absent)}", remedy)
        yield _trial(settings, has_models=False, has_gpu=has_gpu)
        return
    yield Finding(Verdict.OK, "models", f"{settings.detector} and {settings.embedder} in {settings.model_dir}")
    trial = _trial(settings, has_models=True, has_gpu=has_gpu)
    yield trial
    if trial.verdict is not Verdict.OK:
        return
    try:
        platform = choose_platform(settings, ModelPlan.of(settings))
    except BackendError as error:
        yield Finding(Verdict.MISSING, "use", str(error))
    else:
        yield Finding(Verdict.OK, "use", platform.description)


def _trial(settings: Settings, *, has_models: bool, has_gpu: bool) -> Finding:
    from visage.cli.trial import FRAMES, TrialFailed, try_clip  # noqa: PLC0415

    try:
        try_clip(settings, has_models=has_models, has_gpu=has_gpu)
    except TrialFailed as failure:
        remedy = "visage run FILE --log-level debug  (shows where it fails)"
        return Finding(Verdict.MISSING, "trial", f"a short clip could not be analysed: {failure}", remedy)
    if has_models:
        return Finding(Verdict.OK, "trial", f"decoded {FRAMES} frames, found and embedded the face in each")
    return Finding(Verdict.OK, "trial", f"decoded {FRAMES} frames; face detection was not tried, for want of models")


def _processor(machine: Machine) -> Finding:
    features = ", ".join(machine.cpu_features) or "no vector instructions that speed up networks"
    return Finding(
        Verdict.OK, "processor", f"{machine.cpu}: {machine.usable_cores:g} of {machine.cores} cores; {features}"
    )


def _memory(machine: Machine) -> Finding:
    text = f"{machine.memory_bytes / 2**30:.1f} GiB"
    if machine.memory_bytes >= MIN_MEMORY_BYTES:
        return Finding(Verdict.OK, "memory", text)
    return Finding(Verdict.NOTE, "memory", f"only {text}", "visage run --detect-batch 1 --embed-batch 1 ...")


def _graphics(machine: Machine) -> Iterator[Finding]:
    from stages.backends.availability import nvidia_status, onnxruntime_status, tensorrt_status  # noqa: PLC0415

    for ordinal in range(len(machine.gpus) or 1):
        status = nvidia_status(ordinal)
        if status.ok:
            yield Finding(Verdict.OK, "gpu", status.detail)
            status = tensorrt_status(ordinal)
        yield Finding(Verdict.OK if status.ok else Verdict.NOTE, "tensorrt", status.detail, status.hint)
        if nvidia_status(ordinal).ok and not status.ok:
            instead = onnxruntime_status(ordinal)
            yield Finding(Verdict.OK if instead.ok else Verdict.NOTE, "onnx cuda", instead.detail, instead.hint)


def _libraries(machine: Machine) -> Iterator[Finding]:
    from stages.backends.telemetry import import_onnxruntime  # noqa: PLC0415
    from visage.observe.tried import untried_line  # noqa: PLC0415

    for name, package in CORE_LIBRARIES.items():
        try:
            if name == "onnxruntime":
                import_onnxruntime()
            else:
                importlib.import_module(name)
        except ImportError as error:
            remedy = f"pip install --force-reinstall {package}"
            yield Finding(Verdict.MISSING, "library", f"{name} can't be imported: {error}", remedy)
    versions = ", ".join(f"{name} {version}" for name, version in machine.libraries.items())
    yield Finding(Verdict.OK, "libraries", versions)
    line = untried_line()
    if line is not None:
        yield Finding(Verdict.NOTE, "libraries", line, "install Visage into a fresh environment")
    if "openvino" not in machine.libraries:
        yield Finding(
            Verdict.NOTE,
            "openvino",
            "not installed: networks run on ONNX Runtime, which is slower here",
            "pip install openvino",
        )


def _codecs() -> Iterator[Finding]:
    try:
        from av.codec import Codec  # noqa: PLC0415
        from av.codec.codec import UnknownCodecError  # noqa: PLC0415
    except ImportError:
        return  # reported as a library
    missing = []
    for name in DECODERS:
        try:
            Codec(name, "r")
        except UnknownCodecError:
            missing.append(name)
    present = ", ".join(name for name in DECODERS if name not in missing)
    if missing:
        remedy = "pip install --force-reinstall av  (its own wheels have them)"
        yield Finding(Verdict.NOTE, "codecs", f"decodes {present}; not {', '.join(missing)}", remedy)
    else:
        yield Finding(Verdict.OK, "codecs", f"decodes {present} and whatever else FFmpeg supports")


def _display(machine: Machine) -> Finding:
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return Finding(Verdict.NOTE, "display", "none: --show is not available", "visage run --annotate out.mp4 ...")
    if "pygame-ce" not in machine.libraries:
        from stages.installing import install_command  # noqa: PLC0415

        return Finding(Verdict.NOTE, "display", "present, but --show needs SDL", install_command("show"))
    return Finding(Verdict.OK, "display", "present: --show works")
