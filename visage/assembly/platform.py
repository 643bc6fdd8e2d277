"""The device of a run's pixels and networks: the host's processors, or a card. One platform serves one pipeline."""

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
    """Makes the parts of a pipeline that depend on the device. Stages and sources are the pipeline's to close."""

    @property
    def description(self) -> str:
        """Device, backends and precision, for messages and the metadata of outputs."""

    @property
    def detect_batch(self) -> int:
        """The number of frames in one call of the detector, at most."""

    @property
    def embed_batch(self) -> int:
        """The number of faces in one call of the embedder, at most."""

    @property
    def batch_deadline_seconds(self) -> float:
        """Longest wait in seconds for a batch of frames to fill while only files are read."""

    @property
    def inbox_capacity(self) -> int:
        """The number of decoded frames that may wait for each file."""

    @property
    def queue_capacity(self) -> int:
        """The number of frames that may wait between two stages."""

    @property
    def concurrent_files(self) -> int:
        """The number of files worth decoding at once."""

    def open_patch_reader(self) -> PatchReader:
        """What tracking reads pictures with; its owner closes it."""

    @property
    def score_threshold(self) -> float:
        """Lowest detection score, in [0, 1], at which a face is reported by itself."""

    def detect_stage(self, *, release_pixels: bool, keeps_weak: bool = False) -> Stage[Frame, Observation]:
        """The stage that finds faces; its owner closes it.

        keeps_weak: faces from the keep threshold on, for a tracker to choose from; otherwise from `score_threshold` on.
        """

    def embed_stage(self, *, release_pixels: bool, averages_mirrored: bool = False) -> Stage[Observation, Observation]:
        """The stage that embeds them; its owner closes it.

        averages_mirrored: embed the mean of each face and its mirror image, at twice the cost.
        """

    def frame_source(self, spec: SourceSpec, *, concurrent: int, frames: ArrayFrames | None = None) -> FrameSource:
        """Return a source's decoder, not yet open; the caller opens and closes it.

        Args:
            concurrent: how many sources will be decoded at once.
            frames: pictures to read instead of the address; None reads the address.
        """

    def memory_bytes(self) -> tuple[int, int] | None:
        """Memory of the card in use, and all of it; None without one. From any thread."""

    def close(self) -> None:
        """Close what the platform itself owns; its stages and sources belong to the pipeline.

        Safe to call more than once.
        """
