"""Renders a plan: decodes, covers, encodes; no network is asked.

Fail safe: the film has to be the one that the plan was made of, byte for byte. A frame is covered whole if nobody has
looked at it, if it lies in an uncertain stretch that nobody has confirmed, and if what it was made of is damaged,
whatever the plan says. What can't be covered in its own format is converted first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av

from stages.decode.demux import Demuxer
from stages.redact.cover import Cover
from stages.redact.film import Film, FilmFrame
from stages.redact.properties import VideoProperties
from stages.redact.video import RedactedVideo
from visage.redaction.errors import PlanRefused
from visage.redaction.plan import Plan, Schedule
from visage.redaction.planner import file_sha256
from visage.redaction.report import Rendered, report_path, write_report
from visage.redaction.signature import SigningKey

__all__ = ["RenderOptions", "render_plan"]


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How a plan is rendered.

    Attributes:
        with_sound: copy the sound.
        strips_metadata: leave out what the container states of the film: title, place, time, programs.
        force: replace a video and a report that exist.
        encoder_options: laid over those of the encoder, by FFmpeg's names.
    """

    with_sound: bool = True
    strips_metadata: bool = False
    force: bool = False
    encoder_options: dict[str, str] | None = None


def render_plan(
    plan_path: Path,
    out: Path,
    options: RenderOptions | None = None,
    *,
    film: Path | None = None,
    key: SigningKey | None = None,
    on_frame: Callable[[int], None] | None = None,
) -> Rendered:
    """Write the video, and its report beside it.

    Args:
        film: where it is, if not where the plan says.
        key: signs the report.
        on_frame: called with each frame's number.

    Raises:
        PlanRefused: the plan is damaged, or of another film.
        SourceError, OutputExists, OutputFailed, OSError
    """
    options = options or RenderOptions()
    plan = Plan.read(plan_path)
    source = film or plan_path.parent / plan.source.path
    _check_source(plan, plan_path, source, out)
    if report_path(out).exists() and not options.force:
        raise FileExistsError(
            17, "exists already; choose another name or give --force to replace it", str(report_path(out))
        )
    done = _Rendering(plan, source, options).run(out, on_frame)
    write_report(plan, plan_path, out, done, key)
    return done


def _check_source(plan: Plan, plan_path: Path, source: Path, out: Path) -> None:
    if not source.is_file():
        raise PlanRefused(f"{source}: the film of {plan_path} is not there; say where it is with --film")
    if out.exists() and out.samefile(source):
        raise PlanRefused(f"{out}: this is the film itself; choose another name")
    if source.stat().st_size != plan.source.bytes or file_sha256(source) != plan.source.sha256:
        raise PlanRefused(f"{source}: not the film that {plan_path} was made of; make a plan of it")


class _Rendering:
    """One pass."""

    def __init__(self, plan: Plan, source: Path, options: RenderOptions) -> None:
        self._plan = plan
        self._source = source
        self._options = options
        style = plan.style
        self._cover = Cover(style.method, style.shape, style.margin)
        self._covered = self._whole = 0
        self._damaged: list[tuple[int, int]] = []
        self._was_trusted = True

    def run(self, out: Path, on_frame: Callable[[int], None] | None) -> Rendered:
        film = Film(str(self._source), upright_turn_degrees=self._plan.source.rotation)
        video: RedactedVideo | None = None
        properties: VideoProperties | None = None
        try:
            video = RedactedVideo(out, force=self._options.force)
            schedule = self._plan.schedule()
            for frame in film.frames():
                if properties is None:
                    properties = self._open(video, frame)
                video.write(self._redacted(video, frame, schedule, properties), frame.seconds)
                if on_frame is not None:
                    on_frame(frame.index)
            if properties is None:
                raise PlanRefused(f"{self._source}: no picture of it can be decoded")
            video.close()
        except BaseException:
            if video is not None:
                video.abandon()
            raise
        finally:
            film.close()
        sound = "copied" if self._options.with_sound else "left out"
        return Rendered(
            frames=video.frames,
            covered=self._covered,
            whole=self._whole,
            damaged=tuple(self._damaged),
            damage=None if film.damage is None else str(film.damage),
            encoder=properties.encoder,
            sound="copied in part: it is damaged" if video.has_lost_sound else sound,
            has_metadata=not self._options.strips_metadata,
        )

    def _open(self, video: RedactedVideo, first: FilmFrame) -> VideoProperties:
        demuxer = Demuxer(str(self._source))
        try:
            properties = VideoProperties.of(demuxer.stream, first.coded)
            if self._options.encoder_options:
                properties = replace(properties, options={**properties.options, **self._options.encoder_options})
            video.open(
                properties,
                sound_of=demuxer.container if self._options.with_sound else None,
                sound_uri=str(self._source),
                metadata=None if self._options.strips_metadata else dict(demuxer.container.metadata),
            )
        finally:
            demuxer.close()
        return properties

    def _redacted(
        self, video: RedactedVideo, frame: FilmFrame, schedule: Schedule, properties: VideoProperties
    ) -> av.VideoFrame:
        """The frame as it may be seen; the decoder's own is not changed."""
        is_whole = schedule.is_whole(frame.index) or not frame.is_trusted
        boxes = schedule.boxes_at(frame.index)
        self._note_damage(frame)
        if not is_whole and not len(boxes):
            return frame.coded
        coded = frame.coded
        if coded.format.name != properties.pixel_format:
            coded = video.converted(coded, coded.width, coded.height)
        coded.make_writable()
        self._covered += 1
        if is_whole:
            self._whole += 1
            self._cover.cover_all(coded)
        else:
            self._cover.cover(coded, boxes, frame.orientation)
        return coded

    def _note_damage(self, frame: FilmFrame) -> None:
        if not frame.is_trusted:
            # Pictures that never came lie within the stretch.
            begins = frame.index if self._was_trusted else self._damaged.pop()[0]
            self._damaged.append((begins, frame.index))
        self._was_trusted = frame.is_trusted
