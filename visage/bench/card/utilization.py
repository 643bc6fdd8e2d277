"""How busy a card's processors and its video decoder are, as nvidia-smi samples them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from types import TracebackType

__all__ = ["Utilization", "UtilizationSampler"]

QUERY = "utilization.gpu,utilization.decoder,clocks.current.video"
PERIOD_MILLISECONDS = 200
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Utilization:
    """Means over a while.

    Attributes:
        gpu_percent: of the time in which some kernel ran.
        decoder_percent: mean over the card's NVDEC engines.
        video_clock_mhz: their clock.
    """

    gpu_percent: float
    decoder_percent: float
    video_clock_mhz: float


class UtilizationSampler:
    """Samples a card's use, in percent, while its context is open; needs nvidia-smi, and raises nothing without."""

    def __init__(self, ordinal: int) -> None:
        self._ordinal = ordinal
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []

    def __enter__(self) -> UtilizationSampler:
        command = ["nvidia-smi", f"--id={self._ordinal}", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
        try:
            self._process = subprocess.Popen(
                [*command, f"--loop-ms={PERIOD_MILLISECONDS}"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        except OSError:
            self._process = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            output, _ = process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        self._lines = output.splitlines()

    def mean(self) -> Utilization | None:
        """Return the mean of all samples, in percent; None without any. To be called after the context has closed."""
        samples = [sample for line in self._lines if (sample := _parse(line)) is not None]
        if not samples:
            return None
        count = len(samples)
        return Utilization(*(sum(column) / count for column in zip(*samples, strict=True)))


def _parse(line: str) -> tuple[float, float, float] | None:
    try:
        gpu, decoder, clock = (float(value) for value in line.split(","))
    except ValueError:  # "[N/A]", or a line cut off at the end
        return None
    return gpu, decoder, clock
