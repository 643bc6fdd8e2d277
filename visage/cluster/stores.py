"""Films in object stores, by `fsspec`: listed by whoever starts a run, and read by each worker with its own rights.

FFmpeg reads a film by ranges through an address that the store signs for a week; nothing is copied whole. Rights
come from each machine's environment, as the store's own tools have them (`AWS_ACCESS_KEY_ID`, `FSSPEC_S3_ENDPOINT_URL`
and so on), and never travel: neither do signed addresses, which stand for them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from stages.decode.suffixes import VIDEO_SUFFIXES
from stages.errors import NotAVideo, SourceNotFound, SourceUnreadable
from stages.installing import install_command
from visage.cluster.errors import ClusterError

__all__ = ["SIGNED_SECONDS", "expand_stores", "is_in_store", "signed"]

SCHEMES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
"""Of stores that sign addresses, and the library that `fsspec` needs for each."""

SIGNED_SECONDS = 7 * 24 * 3600
"""For how long a signed address is asked for: the longest that S3 grants, for a film may be read slowly."""


def is_in_store(uri: str) -> bool:
    """Return whether this is the address of something in an object store: False for paths and http(s)."""
    return urlsplit(uri).scheme.lower() in SCHEMES if "://" in uri else False


def expand_stores(arguments: Sequence[str]) -> list[str]:
    """The arguments, with each store's folder (it ends in a slash) and pattern replaced by the films that are there.

    Raises SourceNotFound, NotAVideo, SourceUnreadable, ClusterError.
    """
    return [found for argument in arguments for found in (_expand(argument) if is_in_store(argument) else [argument])]


def signed(uri: str) -> str:
    """An HTTP address from which FFmpeg can read the film for a week. Raises SourceNotFound, SourceUnreadable."""
    files = _files(uri)
    try:
        if not files.exists(uri):
            raise SourceNotFound(f"{uri} does not exist, or this machine may not see it: check its rights to the store")
        return str(files.sign(uri, expiration=SIGNED_SECONDS))
    except SourceNotFound:
        raise
    except Exception as error:  # each store's library has its own kinds
        raise SourceUnreadable(f"{uri}: the store refuses: {error}; check this machine's rights to it") from error


def _expand(uri: str) -> list[str]:
    is_pattern = any(character in uri for character in "*?[")
    if not is_pattern and not uri.endswith("/"):
        return [uri]
    scheme = uri.partition("://")[0]
    files = _files(uri)
    try:
        found = files.glob(uri) if is_pattern else files.find(uri)
    except Exception as error:  # each store's library has its own kinds
        raise SourceUnreadable(f"{uri}: the store refuses: {error}; check this machine's rights to it") from error
    if is_pattern and not found:
        raise SourceNotFound(f"{uri}: nothing in the store matches this pattern")
    names = sorted(str(path) for path in found)
    films = [name for name in names if name.lower().endswith(VIDEO_SUFFIXES) and not _is_hidden(name)]
    if not films:
        raise NotAVideo(f"{uri}: no videos there; name files or a pattern to say which")
    return [f"{scheme}://{name}" for name in films]


def _is_hidden(name: str) -> bool:
    return posixpath.basename(name).startswith(".")


def _files(uri: str) -> Any:
    scheme = urlsplit(uri).scheme.lower()
    try:
        import fsspec  # noqa: PLC0415 - an extra

        return fsspec.filesystem(scheme)
    except ImportError as error:
        raise ClusterError(
            f"{uri}: films in this store need fsspec and {SCHEMES[scheme]}: {install_command('cluster')} and "
            f"pip install {SCHEMES[scheme]}"
        ) from error
