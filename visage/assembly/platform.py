"""Where a run's pixels and networks live: the host's processors, or a card. One platform serves one pipeline."""

from __future__ import annotations

from typing import Protocol

from stages.contract import FrameSource, Stage
from stages.decode.array_source import ArrayFrames
from stages.frames import Frame, Observation
from stages.imaging.patches import PatchReader
from visage.config.sources import SourceSpec
from visage.runtime.job import Pictures

__all__ = ["Pictures", "Platform"]


class Platform(Pictures, Protocol):
    """Makes the parts of a pipeline that depend on the device."""

    @property
    def description(self) -> str:
        """Device, backends and precision, for people and for the metadata of outputs."""

    @property
    def detect_batch(self) -> int:
        """Most frames a detect call gets."""

    @property
    def embed_batch(self) -> int:
        """Most faces an embed call gets."""

    @property
    def batch_deadline_seconds(self) -> float:
        """Longest wait for a batch of frames to fill while only files are read."""

    @property
    def inbox_capacity(self) -> int:
        """Decoded frames that may wait for each file."""

    @property
    def queue_capacity(self) -> int:
        """Frames that may wait between two stages."""

    @property
    def concurrent_files(self) -> int:
        """How many files it pays to decode at once."""

    def open_patch_reader(self) -> PatchReader:
        """What tracking reads pictures with; its owner closes it."""

    @property
    def score_threshold(self) -> float:
        """Least score of a face that is reported by itself."""

    def detect_stage(self, *, release_pixels: bool, keeps_weak: bool = False) -> Stage[Frame, Observation]:
        """The stage that finds faces; its owner closes it.

        keeps_weak: faces from the keep threshold on, for a tracker to choose from; otherwise from `score_threshold` on.
        """

    def embed_stage(self, *, release_pixels: bool, averages_mirrored: bool = False) -> Stage[Observation, Observation]:
        """The stage that embeds them; its owner closes it.

        averages_mirrored: embed the mean of each face and its mirror image, at twice the cost.
        """

    def frame_source(self, spec: SourceSpec, *, concurrent: int, frames: ArrayFrames | None = None) -> FrameSource:
        """A source's decoder, not yet open.

        Args:
            concurrent: how many will be decoded at once.
            frames: pictures to take instead of what the address names.
        """

    def memory_bytes(self) -> tuple[int, int] | None:
        """Memory of the card in use, and all of it; None without one. From any thread."""

    def close(self) -> None:
        """Free what the platform itself holds; its stages and sources belong to the pipeline."""
