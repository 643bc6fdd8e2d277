"""Everything a run can be told, with its defaults.

Flags win over the environment (`VISAGE_*`), which wins over the defaults. A variable that is empty, as Compose's
`${GALLERY:-}` leaves one, is as good as none.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from typing_extensions import Self

from visage.config.paths import NamedPath

__all__ = ["ANYBODY", "FORMER_NAMES", "UNKNOWN", "Settings", "renamed"]

FORMER_NAMES = {"min_face": "min_face_pixels"}
"""Settings that were renamed; a former name works for one version."""

ANYBODY, UNKNOWN = "anybody", "unknown"
"""What `refine` may be besides a name."""

logger = logging.getLogger(__name__)


class Settings(BaseSettings):
    """How videos are analysed. Serialisable: `model_dump_json` and back."""

    model_config = SettingsConfigDict(
        env_prefix="VISAGE_", env_ignore_empty=True, extra="forbid", frozen=True, allow_inf_nan=False
    )

    detector: str = Field("yunet", description="Face detector; see visage models list.")
    embedder: str = Field("sface", description="Face embedder; see visage models list.")
    embed: Literal["auto", "all", "best"] | None = Field(
        "auto",
        description="Embed all detected faces, only the best shots of each track, or none: detect only; auto: where a "
        "gallery names tracks, the best shots and what can change a name, otherwise all.",
    )
    track: bool = Field(True, description="Track faces across frames.")
    propagate: bool = Field(True, description="Follow faces through the frames that frameskip skips.")
    device: str = Field("auto", description="Device: auto, cpu or cuda:N.")
    backend: Literal["auto", "openvino", "onnxruntime", "tensorrt"] = Field(
        "auto", description="Runtime for the networks."
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field("auto", description="Numeric precision of the networks.")
    gallery: NamedPath | None = Field(
        None,
        description="Recognise the people in this gallery and store every track there; see visage people; default: "
        "no gallery.",
    )
    gallery_key: NamedPath | None = Field(None, description="Key file for an encrypted gallery.")
    index_url: str | None = Field(
        None, description="Qdrant server for the index of sightings; default: in the gallery."
    )
    index_grpc_port: int | None = Field(
        None, ge=1, le=65535, description="gRPC port of the Qdrant server; default: HTTP is used."
    )
    index_api_key: SecretStr | None = Field(None, description="API key for the Qdrant server.")
    retention_days: float | None = Field(
        None, gt=0, description="Remove sightings and unknowns older than this many days; default: all are kept."
    )
    model_dir: NamedPath = Field(Path("~/.visage/models"), description="Folder for models.")

    frameskip: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        1,
        description="Detect in every Nth frame and follow faces between them; auto: detect when movement, doubt or a "
        "cut asks for it.",
    )
    scan: bool = Field(
        False,
        description="Look at key frames only: say at a small part of the cost who is in a film, not when exactly.",
    )
    refine: str | None = Field(
        None,
        min_length=1,
        description="After the scan, analyse every frame around the faces it found: of anybody, of unknown people, or "
        "of the person with this name; default: the scan is all.",
    )
    rotate: Literal[0, 90, 180, 270, "auto"] = Field(
        0,
        description="Turn the pictures clockwise by 90, 180 or 270 degrees, beyond what the file itself asks for; "
        "auto: so that the faces at a file's beginning are upright.",
    )
    start_seconds: float = Field(0.0, ge=0, description="Start at this time.")
    end_seconds: float | None = Field(None, gt=0, description="Stop at this time.")
    detector_size: int | None = Field(
        None,
        ge=64,
        le=4096,
        multiple_of=32,
        description="Longer side of the detector's input in pixels, a multiple of 32; default: the detector's own.",
    )
    score_threshold: float | None = Field(
        None, ge=0, le=1, description="Minimum score of a face that begins a track; default: the detector's own."
    )
    keep_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Minimum score of a face that continues a track; default: 0.4, at most the score threshold.",
    )
    nms_iou: float | None = Field(
        None,
        gt=0,
        le=1,
        description="IoU above which the weaker of two boxes is dropped; default: the detector's own.",
    )
    min_face_pixels: int = Field(
        0, ge=0, description="Drop faces narrower or lower than this many pixels of the video."
    )
    min_face: int | None = Field(
        None, exclude=True, description="Former name of `min_face_pixels`; works in this version only."
    )

    detect_batch: int | None = Field(
        None, ge=1, le=64, description="Maximum number of frames per detector call; default: what suits the device."
    )
    embed_batch: int | None = Field(
        None, ge=1, le=256, description="Maximum number of faces per embedder call; default: what suits the device."
    )
    concurrent_files: int | None = Field(
        None,
        ge=1,
        description="Maximum number of files decoded at once; default: what keeps the device's decoders busy.",
    )
    batch_deadline_seconds: float | None = Field(
        None,
        ge=0,
        description="Longest wait for frames to fill a batch; default: 0.01 with a camera, else what suits the device.",
    )
    inbox_capacity: int | None = Field(
        None, ge=1, description="Maximum number of decoded frames that wait per source; default: what suits the device."
    )
    queue_capacity: int | None = Field(
        None,
        ge=1,
        description="Maximum number of frames that wait between later stages; default: what suits the device.",
    )
    threads: int = Field(
        0, ge=0, description="Number of CPU threads for networks and decoders; 0: all that this process may use."
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Number of processes that share the videos; default: what the GPUs need, one on CPUs.",
    )
    drain_seconds: float = Field(10.0, gt=0, description="Longest time a stop may take before it becomes an abort.")

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, values: object) -> object:
        return renamed(values) if isinstance(values, dict) else values

    @field_validator("embed", mode="before")
    @classmethod
    def _name_embedding(cls, value: object) -> object:
        """True and False, as code says it, and the words that an environment variable can hold."""
        words = {"true": "all", "1": "all", "false": None, "0": None, "none": None}
        return words.get(str(value).lower(), value)

    @field_validator("rotate", mode="before")
    @classmethod
    def _number_turn(cls, value: object) -> object:
        """An environment variable holds text."""
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @field_validator("frameskip", mode="before")
    @classmethod
    def _check_frameskip(cls, value: object) -> object:
        if value != "auto" and not re.fullmatch(r"0*[1-9]\d*", str(value).strip()):
            raise ValueError(f"{str(value)!r} is neither a number from 1 up nor auto")
        return value

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.end_seconds is not None and self.end_seconds <= self.start_seconds:
            raise ValueError(f"the end, {self.end_seconds:g} s, must come after the start, {self.start_seconds:g} s")
        return self

    @model_validator(mode="after")
    def _check_tracking(self) -> Self:
        if self.frameskip == "auto" and not (self.track and self.propagate):
            raise ValueError("frameskip auto follows faces: it needs track and propagate")
        if self.embed == "best" and not self.track:
            raise ValueError("embed best chooses a track's best shots: it needs track")
        if self.gallery is not None and not self.embed:
            raise ValueError("people are recognised by embeddings: gallery needs embed")
        return self

    @model_validator(mode="after")
    def _check_scan(self) -> Self:
        if self.refine is not None and not self.scan:
            raise ValueError(f"refine {self.refine} goes on from a scan: it needs scan")
        if self.scan and self.frameskip != 1:
            raise ValueError("a scan chooses the frames it looks at: leave frameskip at 1")
        if self.refine is not None and not self.track:
            raise ValueError("refine follows the faces that the scan found: it needs track")
        if self.refine not in (None, ANYBODY) and self.gallery is None:
            raise ValueError(f"refine {self.refine} needs a gallery, to know who is who; or refine {ANYBODY}")
        return self

    @model_validator(mode="after")
    def _check_thresholds(self) -> Self:
        keep, score = self.keep_threshold, self.score_threshold
        if keep is not None and score is not None and keep > score:
            raise ValueError(f"the keep threshold, {keep:g}, must not exceed the score threshold, {score:g}")
        return self

    @field_validator("device")
    @classmethod
    def _check_device(cls, device: str) -> str:
        kind, _, number = device.partition(":")
        if device not in ("auto", "cpu", "cuda") and not (kind == "cuda" and number.isdigit()):
            raise ValueError(f"{device!r} is not auto, cpu, cuda or cuda:N")
        return device

    @property
    def embeds(self) -> Literal["auto", "all", "best"] | None:
        """Which faces are embedded: `embed`, as "all" where auto means just that."""
        return "all" if self.embed == "auto" and (self.gallery is None or not self.track) else self.embed

    @property
    def cuda_ordinal(self) -> int:
        """The number of the GPU that `device` names; 0 for auto and cuda."""
        return int(self.device.partition(":")[2] or 0)

    @property
    def cpu_threads(self) -> int:
        """The number of CPU threads to use: `threads`, or all processors that this process may run on."""
        return self.threads or len(os.sched_getaffinity(0))


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values by today's names, with a warning for each former one. Where both are given, today's wins."""
    given = dict(values)
    for former, name in FORMER_NAMES.items():
        value = given.pop(former, None)
        if value is not None:
            logger.warning("the setting %s is now called %s; the old name will be removed", former, name)
            given.setdefault(name, value)
    return given
