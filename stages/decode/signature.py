"""Whether a file begins as one of the containers that hold films, whatever it is called."""

from __future__ import annotations

__all__ = ["HEAD_BYTES", "begins_like_video"]

HEAD_BYTES = 1024

_BEGINNINGS = (
    b"\x1a\x45\xdf\xa3",  # Matroska
    b"FLV\x01",
    bytes.fromhex("3026b2758e66cf11"),  # ASF
    b"\x00\x00\x01\xba",  # MPEG-PS
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01",  # MXF
    b".RMF",
    b"DHAV",
    b"nut/multimedia container",
    b"\xb7\xd8\x00\x20\x37\x49\xda\x11",  # WTV
)
_STILL_OR_SOUND_BRANDS = (b"M4A ", b"M4B ", b"avif", b"heic", b"heix", b"mif1", b"jp2 ", b"crx ")
_OGG_FILMS = (b"\x80theora", b"OVP80", b"BBCD")
_TS_SYNC, _TS_LENGTHS = 0x47, (188, 192, 204)


def begins_like_video(head: bytes) -> bool:
    """`head`: the file's first `HEAD_BYTES` bytes."""
    if head.startswith(_BEGINNINGS):
        return True
    if head[4:8] in (b"ftyp", b"moov", b"wide", b"mdat"):
        return head[8:12] not in _STILL_OR_SOUND_BRANDS
    if head.startswith(b"RIFF"):
        return head[8:12] == b"AVI "
    if head.startswith(b"OggS"):
        return any(name in head for name in _OGG_FILMS)
    return any(
        len(head) > start + 3 * length and all(head[start + k * length] == _TS_SYNC for k in range(4))
        for length in _TS_LENGTHS
        for start in (0, 4)
    )
