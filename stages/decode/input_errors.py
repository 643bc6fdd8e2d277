"""Translates errors of FFmpeg and the file system into `stages.errors`: one line for a person, without credentials."""

from __future__ import annotations

import errno
import os
import stat
from urllib.parse import urlsplit

import av

from stages.addresses import is_address
from stages.decode.pyav import reads_format
from stages.errors import NotAVideo, SourceError, SourceNotFound, SourceUnreadable

__all__ = ["STALL_SECONDS", "check_file", "no_picture", "translated", "without_address"]

STALL_SECONDS = 30.0
"""Longest wait for the next picture, whatever else a server says: some go on talking without one, byte by byte, in
reports of a stream that stands still, or in sound. Segments of a live playlist come every ten seconds or so."""


def check_file(path: str) -> None:
    """Raises SourceNotFound, SourceUnreadable or NotAVideo for what opening would wait for, or tell less clearly."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise SourceNotFound(f"{path} does not exist; check the name") from exc
    except OSError as exc:
        raise SourceUnreadable(f"{path} can't be read: {exc.strerror}; check the permissions above it") from exc
    if stat.S_ISDIR(status.st_mode):
        raise NotAVideo(f"{path} is a directory; name the videos in it")
    if stat.S_ISFIFO(status.st_mode):  # opening it would wait for a writer, and nothing could end that
        raise NotAVideo(f"{path} is a pipe, and containers need seeking; save it to a file and name the file")
    if stat.S_ISCHR(status.st_mode):  # reading a terminal would wait for keys
        raise NotAVideo(
            f"{path} is a device, not a file; a camera of this machine belongs in the file of `visage serve`"
        )
    if stat.S_ISSOCK(status.st_mode):
        raise NotAVideo(f"{path} is a socket, not a file; name a video")
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise NotAVideo(f"{path} is empty; copy or record it again")


def translated(error: av.error.FFmpegError, label: str) -> SourceError:
    """Return the error to be raised for a source that can't be opened, with its remedy."""
    if isinstance(error, FileNotFoundError):
        return SourceNotFound(f"{label} does not exist; check the name")
    if isinstance(error, PermissionError):
        return SourceUnreadable(f"{label} can't be read: no permission; change its mode or owner")
    if isinstance(error, (av.error.InvalidDataError, av.error.EOFError)):
        return _no_video(label)
    if isinstance(error, av.error.ExitError):
        return SourceUnreadable(f"{label} answers, but sent no video for {STALL_SECONDS:.0f} s; restart the camera")
    advice = ""
    if is_address(label):
        advice = "; check address, network and server"
    elif isinstance(error, av.error.PatchWelcomeError) or error.errno == errno.EIO:
        advice = "; it may be damaged: play it to check"  # headers that make no sense end in these, too
    return SourceUnreadable(f"{label} can't be opened: {error.strerror}{advice}")


def _no_video(label: str) -> SourceError:
    if urlsplit(label).path.lower().endswith(".mpd") and not reads_format("dash"):
        return SourceUnreadable(f"{label} is a DASH manifest, and this FFmpeg reads none; give HLS or the file itself")
    if is_address(label):
        return SourceUnreadable(f"{label} can't be opened: it sent nothing, or no video; check address and server")
    return NotAVideo(f"{label} is not a video that FFmpeg knows, or its end is missing; play it to check")


def without_address(error: av.error.FFmpegError) -> OSError:
    """Return the error to chain or keep in place of FFmpeg's.

    FFmpeg's own carries a traceback and the address, which may hold a password.
    """
    if isinstance(error, av.error.ExitError):
        return no_picture()
    return OSError(error.errno, error.strerror)


def no_picture() -> TimeoutError:
    """Return the error for a server that has sent no picture for STALL_SECONDS."""
    return TimeoutError(f"no picture came for {STALL_SECONDS:.0f} s")
