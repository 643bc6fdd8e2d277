"""What holds the parts of a container together, one file a format: where it is broken, pictures may be lost."""

from __future__ import annotations

from stages.decode.chains.asf import AsfChain
from stages.decode.chains.file_bytes import Chain, FileBytes
from stages.decode.chains.flv import FlvChain
from stages.decode.chains.matroska import MatroskaChain
from stages.decode.chains.ogg import OggChain

__all__ = ["Chain", "FileBytes", "chain_of"]


def chain_of(formats: set[str], file: FileBytes, stream_id: int) -> Chain | None:
    """The chain of a container; None for one without.

    Args:
        formats: FFmpeg's names of the container.
        stream_id: the container's number of the picture stream.
    """
    if "ogg" in formats:
        return OggChain(file)
    if "matroska" in formats:
        return MatroskaChain(file)
    if "flv" in formats:
        return FlvChain(file)
    return AsfChain(file, stream_id) if "asf" in formats else None
