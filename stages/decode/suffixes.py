"""File names that count as videos or photographs in a folder, and names that are skipped.

By its own name whatever FFmpeg reads is taken. Imports nothing: the command line's help is to be quick.
"""

from __future__ import annotations

__all__ = ["PHOTOGRAPH_SUFFIXES", "VIDEO_SUFFIXES", "is_left_out"]

VIDEO_SUFFIXES = (
    *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".ivf", ".m2t", ".m2ts", ".m4v", ".mkv", ".mov"),
    *(".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv"),
    # Of recorders, action cameras, camcorders and television.
    *(".dav", ".insv", ".lrv", ".m1v", ".mpe", ".tod", ".trp", ".wtv"),
    # Pictures without a container, as cameras and encoders leave them; not .mod, which is music as often.
    *(".264", ".265", ".h264", ".h265", ".hevc", ".m2v", ".mjpeg", ".mjpg", ".obu", ".y4m"),
)
PHOTOGRAPH_SUFFIXES = (
    *(".avif", ".bmp", ".heic", ".heif", ".hif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff"),
    ".webp",
)

# What storage, synchronisation and operating systems keep for themselves among people's files, in lower case.
_FOLDERS_OF_SYSTEMS = frozenset(
    {
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "@sharebin",
        "@tmp",
        "__macosx",
    }
    | {"lost+found", "network trash folder", "recycled", "recycler", "system volume information"}
)
_UNFINISHED_PREFIXES = ("~syncthing~", "~$")


def is_left_out(name: str) -> bool:
    """Return whether files and folders of this name are always skipped: hidden, deleted or still being written."""
    lowered = name.lower()
    return name.startswith(".") or lowered in _FOLDERS_OF_SYSTEMS or lowered.startswith(_UNFINISHED_PREFIXES)
