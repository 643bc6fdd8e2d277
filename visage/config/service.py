"""What the file of `visage serve` may say, section by section; `visage.config.service_file` reads it.

Passwords stand in the environment or in files; an address given with one keeps it out of every `repr`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from stages.addresses import host_and_port, with_lower_scheme
from stages.decode.suffixes import VIDEO_SUFFIXES
from visage.config.paths import AbsolutePath
from visage.config.secrets import Credentials, Secret
from visage.config.settings import Settings
from visage.config.sources import WHOLE_ADDRESS
from visage.config.timetable import Timetable
from visage.config.web import WebSettings

__all__ = [
    "CameraConfig",
    "EventType",
    "EventsConfig",
    "FilesConfig",
    "FolderConfig",
    "MqttConfig",
    "ServiceConfig",
    "WebhookConfig",
]

NAME = re.compile(r"[\w][\w.-]{0,63}", re.ASCII)

EventType: TypeAlias = Literal["track_started", "track_identified", "track_ended", "source_state"]
Fraction = Annotated[float, Field(ge=0, le=1)]
MIN_AREA = 1e-6
"""Of a polygon, as a fraction of the picture: a pixel or two of a camera's."""
HOST = re.compile(r"[^\s/:@?#\[\]]+|[0-9a-fA-F:.]*::?[0-9a-fA-F:.%\w]*:[0-9a-fA-F:.%\w]*")


def _check_area(polygon: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    following = (*polygon[1:], polygon[0])
    twice_area = sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in zip(polygon, following, strict=True))
    if abs(twice_area) < 2 * MIN_AREA:
        raise ValueError("has no area: its points lie on one line, or its halves cancel out where they cross")
    return polygon


Polygon = Annotated[tuple[tuple[Fraction, Fraction], ...], Field(min_length=3), AfterValidator(_check_area)]


class Section(BaseModel):
    """A section of the file. An unknown key, NaN or an infinite number raises ValidationError."""

    # Defaults are validated for the home folder's sake.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


class CameraConfig(Section):
    """One camera or stream. Times are in seconds; an invalid address or schedule raises ValidationError."""

    address: str = Field(repr=False, min_length=1, description="rtsp://, http(s)://..., or a device: /dev/video0.")
    credentials: Credentials = Field(default_factory=Credentials, description="User and password, if not in address.")
    transport: Literal["tcp", "udp"] = Field(
        "tcp", description="Transport of RTSP. Over UDP a lost packet tears the picture."
    )
    timeout_seconds: float = Field(5.0, gt=0, le=60, description="Longest wait for data while connecting or reading.")
    retry_first_seconds: float = Field(0.5, gt=0, description="Wait before the first attempt to reconnect.")
    retry_most_seconds: float = Field(4.0, gt=0, description="Longest wait between attempts.")
    fps_cap: float | None = Field(None, gt=0, description="Analyse at most this many frames per second.")
    rotate: Literal[0, 90, 180, 270] | None = Field(
        None,
        description="Turn the pictures clockwise by this many degrees, before regions and masks; default: "
        "analysis.rotate, if that is a number.",
    )
    regions: tuple[Polygon, ...] = Field(
        (), description="Analyse only these polygons, in fractions of width and height."
    )
    masks: tuple[Polygon, ...] = Field((), description="Never analyse or show these polygons.")
    schedule: tuple[str, ...] = Field(
        (), description="When to analyse, in local time: `mon-fri 07:00-19:30`. Empty: always."
    )
    options: dict[str, str] = Field(
        default_factory=dict, repr=False, description="FFmpeg options that override the defaults."
    )

    @field_validator("address")
    @classmethod
    def _check_address(cls, address: str) -> str:
        # The text is not repeated: it may hold a password.
        if not (WHOLE_ADDRESS.fullmatch(address) or address.startswith("/dev/")):
            raise ValueError("is not a camera's address: write rtsp://host/path, http(s)://host/path or /dev/video0")
        try:
            host_and_port(address)
        except ValueError:
            raise ValueError("has an invalid host or port: write rtsp://host:port/path") from None
        return with_lower_scheme(address)

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, schedule: tuple[str, ...]) -> tuple[str, ...]:
        Timetable.parse(schedule)
        return schedule


class FolderConfig(Section):
    """A folder whose videos are analysed once each. Times are in seconds."""

    path: AbsolutePath = Field(description="The folder; it includes its subfolders.")
    include: tuple[str, ...] = Field(
        tuple(f"*{suffix}" for suffix in VIDEO_SUFFIXES), description="Patterns of names or of paths below the folder."
    )
    exclude: tuple[str, ...] = Field((), description="Patterns of names or paths to ignore.")
    priority: int = Field(0, description="Files with a higher priority come first.")
    rotate: Literal[0, 90, 180, 270, "auto"] | None = Field(
        None, description="Turn the pictures of this folder's files, see analysis.rotate; default: that."
    )
    output: AbsolutePath | None = Field(
        None, description="Mirror tree for results; default: a folder beside each file."
    )
    polling: bool = Field(False, description="Poll for changes: for network mounts.")
    settle_seconds: float = Field(5.0, ge=0.1, description="Analyse a file once it has not changed for this long.")
    rescan_seconds: float = Field(300.0, ge=1, description="Time between scans of the whole folder.")


class FilesConfig(Section):
    """How files from all folders are processed. Times are in seconds."""

    concurrent: int | None = Field(None, ge=1, description="Files at once; default: what suits the device.")
    attempts: int = Field(5, ge=1, description="Maximum number of attempts for a file that fails.")
    retry_first_seconds: float = Field(30.0, gt=0, description="Wait before the second attempt; it doubles each time.")
    retry_most_seconds: float = Field(3600.0, gt=0, description="Longest wait between attempts.")


class MqttConfig(Section):
    """An MQTT broker that receives events and states; Home Assistant discovers them there."""

    host: str = Field(min_length=1, description="The broker.")
    port: int = Field(1883, ge=1, le=65535, description="8883 is usual with TLS.")
    tls: bool = Field(False, description="Encrypt, and check the broker's certificate.")
    credentials: Credentials = Field(default_factory=Credentials, description="User and password, if it asks for any.")
    ca_file: AbsolutePath | None = Field(None, description="PEM file of a private CA, beside the system's store.")
    client_id: str | None = Field(
        None, min_length=1, description="Unique at the broker; default: visage- and the installation's id."
    )
    topic_prefix: str = Field("visage", pattern=r"^[^#+\s]+$", description="Topics begin with it.")
    discovery_prefix: str | None = Field(
        "homeassistant", description="Prefix of Home Assistant's discovery; null for no discovery."
    )
    pictures: bool = Field(False, description="Publish a picture of each recognised face, which the broker passes on.")
    presence_half_life_seconds: float = Field(
        300.0, gt=0, le=86_400, description="Time in which the confidence that a person is still there halves."
    )

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        if not HOST.fullmatch(host):  # the text is not repeated: it may hold a password
            raise ValueError(
                "is not a host's name: write it alone, such as broker.lan; port and tls are keys beside it"
            )
        return host

    @staticmethod
    def topic_level(source_id: str) -> str:
        """Return a source's level in its topics, in characters that Home Assistant allows in ids, too."""
        return re.sub(r"[^\w-]", "_", source_id, flags=re.ASCII)


class WebhookConfig(Section):
    """A URL that events are posted to. An invalid one raises ValidationError; times are in seconds."""

    url: str = Field(repr=False, pattern=r"^https?://", description="Address to post to.")
    secret: Secret = Field(default_factory=Secret, description="Key of the HMAC-SHA256 signature.")
    ca_file: AbsolutePath | None = Field(None, description="PEM file of a private CA, beside the system's store.")
    kinds: tuple[EventType, ...] = Field((), description="Kinds of events to post; empty: all.")
    timeout_seconds: float = Field(10.0, gt=0, le=120, description="Longest wait for an answer.")

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        try:
            host, _ = host_and_port(url)
        except ValueError:
            host = None
        if not host:  # the text is not repeated: it may hold a password
            raise ValueError("has no host or an invalid port (valid: 1 to 65535): write http(s)://host:port/path")
        return url


class EventsConfig(Section):
    """The receivers of events: a file, an MQTT broker and webhooks."""

    jsonl: AbsolutePath | None = Field(None, description="File that gets one line per event.")
    mqtt: MqttConfig | None = Field(None, description="An MQTT broker.")
    webhooks: dict[str, WebhookConfig] = Field(default_factory=dict, description="Webhook receivers, by name.")
    queue_limit: int = Field(
        100_000, ge=100, description="Maximum number of events kept for an absent receiver; the oldest are dropped."
    )


class ServiceConfig(Section):
    """The whole configuration file of the daemon. `load_service_config` raises ConfigError with all problems."""

    state_dir: AbsolutePath = Field(
        Path("~/.visage/service"), description="Folder for the ledger and the queues; one daemon per folder."
    )
    analysis: Settings = Field(
        default_factory=lambda: Settings(embed="best"), description="Settings of the analysis, as for `visage run`."
    )
    cameras: dict[str, CameraConfig] = Field(default_factory=dict, description="Cameras, by name.")
    folders: dict[str, FolderConfig] = Field(default_factory=dict, description="Watched folders, by name.")
    files: FilesConfig = Field(default_factory=FilesConfig, description="How files are processed.")
    events: EventsConfig = Field(default_factory=EventsConfig, description="Where events are sent.")
    web: WebSettings = Field(default_factory=WebSettings, description="The API and the page.")
    drain_seconds: float = Field(
        4.0, gt=0, le=60, description="Longest time a stop may take to finish what is in flight."
    )

    @field_validator("analysis", mode="before")
    @classmethod
    def _embed_best(cls, analysis: object) -> object:
        """A daemon that runs for months embeds a track's best shots, unless it is told otherwise."""
        if isinstance(analysis, dict) and not {"embed", "track"} & set(analysis) and not os.environ.get("VISAGE_EMBED"):
            return {**analysis, "embed": "best"}
        return analysis

    @field_validator("analysis")
    @classmethod
    def _check_refine(cls, analysis: Settings) -> Settings:
        if analysis.refine is not None:
            raise ValueError(
                f"refine {analysis.refine} is for visage run; the daemon scans files, or analyses them whole"
            )
        return analysis

    @field_validator("cameras", "folders")
    @classmethod
    def _check_names(cls, named: dict[str, Section]) -> dict[str, Section]:
        for name in named:
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} is not a valid name: use up to 64 letters, digits, dots, dashes, underscores"
                )
        return named

    @model_validator(mode="after")
    def _check_distinct(self) -> ServiceConfig:
        twice = set(self.cameras) & set(self.folders)
        if twice:
            raise ValueError(f"{sorted(twice)[0]!r} is the name of a camera and of a folder; rename one")
        paths: dict[str, str] = {}
        for name, folder in self.folders.items():
            other = paths.setdefault(os.path.realpath(folder.path), name)
            if other != name:
                raise ValueError(f"folders {other!r} and {name!r} are one path, {folder.path}; remove one")
        if self.events.mqtt is not None:
            names: dict[str, str] = {}
            for name in (*self.cameras, *self.folders):
                other = names.setdefault(MqttConfig.topic_level(name), name)
                if other != name:
                    raise ValueError(f"{other!r} and {name!r} would share an MQTT topic; rename one")
        return self
