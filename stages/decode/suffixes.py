"""Names by which files in a folder are taken for videos, and in one of photographs for those; and names to skip.

By its own name whatever FFmpeg reads is taken. Imports nothing: the command line's help is to be quick.
"""

from __future__ import annotations

__all__ = ["PHOTOGRAPH_SUFFIXES", "VIDEO_SUFFIXES", "is_hidden"]

VIDEO_SUFFIXES = (
    *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".ivf", ".m2t", ".m2ts", ".m4v", ".mkv", ".mov"),
    *(".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv"),
    # Pictures without a container, as cameras and encoders leave them; not .mod, which is music as often.
    *(".264", ".265", ".h264", ".h265", ".hevc", ".m2v", ".mjpeg", ".mjpg", ".obu", ".y4m"),
)
PHOTOGRAPH_SUFFIXES = (".avif", ".bmp", ".jp2", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# What network storage, Windows and macOS put beside a user's files: thumbnails, what was deleted, snapshots.
HIDDEN_NAMES = frozenset(
    {"$recycle.bin", "@eadir", "@recently-snapshot", "@recycle", "@tmp", "#recycle", "#snapshot", "__macosx"}
    | {"lost+found", "recycler", "system volume information"}
)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is the system's, not its user's: `.thumbnails`, `._x.jpg`, `@eaDir`."""
    return name.startswith(".") or name.lower() in HIDDEN_NAMES
