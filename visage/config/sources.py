"""What a user names, turned into sources: one `SourceSpec` per video, with a name that is unique in the run.

A file and an address stand for themselves, whether they exist or not: opening them tells. A folder stands for the
videos in it and below it, in sorted order; hidden names are skipped and links to folders are not followed. A pattern
that the shell did not expand stands for what it matches. Stills lie beside films as posters and thumbnails, and GIF
and APNG as pictures of web pages, so a folder gives videos only: name the others one by one or by a pattern.

Credentials stay in `SourceSpec.uri`; `repr`, `display_uri` and every error show the address without them.
"""

from __future__ import annotations

import glob
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from stages.addresses import ADDRESS, is_address, redact_credentials, with_lower_scheme
from stages.decode.signature import HEAD_BYTES, begins_like_video
from stages.decode.suffixes import PHOTOGRAPH_SUFFIXES, VIDEO_SUFFIXES, is_left_out
from stages.errors import NotAVideo, SourceError, SourceNotFound, SourceUnreadable
from visage.config.patterns import matches
from visage.home import expand_home

__all__ = [
    "SourceSpec",
    "StandardInputRefused",
    "expand_sources",
    "redact_text",
]

LIVE_SCHEMES = frozenset({"rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "udp"})
MAX_SHOWN = 3
MAX_LOOKED_INTO = 5000
NO_VIDEO_SUFFIXES = (*PHOTOGRAPH_SUFFIXES, ".gif", ".m4a", ".m4b", ".mka", ".mks", ".ogg", ".opus", ".part", ".wma")
WHOLE_ADDRESS = re.compile(ADDRESS.pattern + r"\S+", re.IGNORECASE)


class SourceSpec(BaseModel):
    """One video or camera to analyse. Serialisable: `model_dump_json` and back.

    Attributes:
        uri: path or address as FFmpeg opens it, credentials included; never shown.
        source_id: unique in a run and fit for a file name.
        is_live: it has no end and can't wait, so frames are dropped under pressure. True for RTSP, RTMP, RTP, SRT and
            UDP; an `http(s)://` address is read like a file, nothing of it is lost.
        input_format: FFmpeg's name of the container, where the address does not tell ("v4l2").
        input_options: FFmpeg's options for opening it, over our defaults.
        rotate: clockwise turn in degrees, see `Settings.rotate`; None is what the settings say.
        spans: where a scan analyses every frame: ranges of frame indices, see `stages.decode.looks.Looks`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field(repr=False)
    source_id: str
    is_live: bool = False
    input_format: str | None = None
    input_options: dict[str, str] = Field(default_factory=dict, repr=False)
    rotate: Literal[0, 90, 180, 270, "auto"] | None = None
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def display_uri(self) -> str:
        """The address without credentials, for messages, logs and tables."""
        return redact_credentials(self.uri)


class StandardInputRefused(SourceError, ValueError):
    """Raised where `-` is given as a source: containers need seeking."""


def expand_sources(
    arguments: Sequence[str],
    *,
    exclude: Sequence[str] = (),
    on_error: Callable[[SourceError], None] | None = None,
    on_left_out: Callable[[str], None] | None = None,
) -> list[SourceSpec]:
    """Turn arguments into sources, in the order given, each address once.

    Args:
        arguments: files, folders, patterns and addresses.
        on_error: called with what is wrong with an argument (a folder without videos or one that may not be listed, a
            pattern without a match); the rest is still expanded. Without it the first such error is raised.
        exclude: patterns of names, or of paths below a folder, that are left out.
        on_left_out: called with one line for a folder with files that begin like videos and are not called so.

    Raises:
        StandardInputRefused: for `-`.
    """

    def report(error: SourceError) -> None:
        if on_error is None:
            raise error
        on_error(error)

    choice = _Choice(tuple(exclude), report, on_left_out)
    uris = dict.fromkeys(uri for argument in arguments for uri in _uris(argument, choice))
    taken: set[str] = set()
    specs = []
    for uri in uris:
        source_id = _unused(_name(uri), taken)
        taken.add(_folded(source_id))
        specs.append(SourceSpec(uri=uri, source_id=source_id, is_live=_scheme(uri) in LIVE_SCHEMES))
    return specs


def redact_text(text: str) -> str:
    """Return the text with the credentials in every address removed."""
    return WHOLE_ADDRESS.sub(lambda found: redact_credentials(found[0]), text)


@dataclass(frozen=True, slots=True)
class _Choice:
    """What folders do not stand for, and where that is reported."""

    exclude: tuple[str, ...]
    report: Callable[[SourceError], None]
    on_left_out: Callable[[str], None] | None


def _uris(argument: str, choice: _Choice) -> Iterator[str]:
    report = choice.report
    if argument == "-":
        raise StandardInputRefused(
            "- (standard input) can't be read: containers need seeking; save it to a file and name the file"
        )
    if not argument:  # Path("") is the working directory
        report(SourceNotFound("one of the sources has an empty name; is a variable of the shell not set?"))
        return
    if _scheme(argument) == "file":
        argument = unquote(urlsplit(argument).path)
    elif is_address(argument):
        try:
            urlsplit(argument)
        except ValueError:  # its text may show the password
            report(SourceUnreadable(f"{redact_credentials(argument)} is not a valid address; check its host"))
        else:
            yield with_lower_scheme(argument)
        return
    path = expand_home(argument)
    if os.path.isdir(path):  # Path's own raises where a folder above may not be entered
        videos = _videos(path, choice)
        if not videos:
            report(NotAVideo(f"{path}: no videos in this folder or below it; name files or a pattern to say which"))
        yield from videos
    elif glob.has_magic(argument) and not os.path.lexists(path):
        yield from _matched(path, choice)
    else:
        yield str(path)


def _matched(pattern: Path, choice: _Choice) -> Iterator[str]:
    found = sorted(glob.glob(str(pattern), recursive=True))
    if not found:
        choice.report(SourceNotFound(f"{pattern}: no file matches this pattern"))
    for match in found:
        # A folder that a pattern happens to match was not asked for by name: without videos it is no error.
        if os.path.isdir(match):
            yield from _videos(Path(match), choice)
        elif not matches(Path(match), choice.exclude):
            yield match


def _videos(folder: Path, choice: _Choice) -> list[str]:
    def takes(below: Path) -> bool:
        return not is_left_out(below.name) and not matches(below, choice.exclude)

    def unreadable(error: OSError) -> None:
        choice.report(SourceUnreadable(f"{error.filename}: {error.strerror}; skipped, check the folder's permissions"))

    videos: list[str] = []
    others: list[str] = []
    for parent, folders, names in os.walk(folder, onerror=unreadable):
        below = Path(parent).relative_to(folder)
        folders[:] = [name for name in folders if takes(below / name)]
        for name in filter(lambda name: takes(below / name), names):
            is_video = name.lower().endswith(VIDEO_SUFFIXES)
            (videos if is_video else others).append(os.path.join(parent, name))
    if choice.on_left_out is not None and (missed := _videos_by_content(sorted(others))):
        shown = ", ".join(os.path.relpath(path, folder) for path in missed[:MAX_SHOWN])
        more = f" and {len(missed) - MAX_SHOWN} more" if len(missed) > MAX_SHOWN else ""
        choice.on_left_out(f"{folder}: left out {shown}{more}: no video suffix; name them explicitly to analyse them")
    return sorted(videos)


def _videos_by_content(paths: Sequence[str]) -> list[str]:
    """Those of the first few thousand that begin like videos. Stills, sound and what is being written are none."""
    found = []
    for path in paths[:MAX_LOOKED_INTO]:
        if path.lower().endswith(NO_VIDEO_SUFFIXES):
            continue
        try:
            with open(path, "rb", opener=_without_waiting) as file:
                if begins_like_video(file.read(HEAD_BYTES)):
                    found.append(path)
        except OSError:  # it could not be analysed either
            continue
    return found


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe has no reader or writer


def _scheme(uri: str) -> str:
    begins = ADDRESS.match(uri)
    return begins[0].removesuffix("://").lower() if begins else ""


def _name(uri: str) -> str:
    """A file's stem; a stream's host and path, without what is secret in them."""
    shown = redact_credentials(uri)
    if _scheme(uri) in LIVE_SCHEMES:
        parts = urlsplit(shown)
        name = "-".join([parts.hostname or "stream", *filter(None, unquote(parts.path).split("/"))])
    elif _scheme(uri):
        name = Path(unquote(urlsplit(shown).path)).stem or urlsplit(shown).hostname or "stream"
    else:
        name = Path(uri).stem
    return re.sub(r"[^\w.+-]+", "_", name).strip("._-") or "source"


def _unused(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while _folded(candidate) in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def _folded(name: str) -> str:
    """One for all names that are one folder on disks of cameras, of Windows and of Macs."""
    return unicodedata.normalize("NFC", name).casefold()
