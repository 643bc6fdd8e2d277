"""What a surface of NVDEC tells of itself: its samples, and how its planes lie to each other."""

from __future__ import annotations

import ctypes

from av.video.plane import VideoPlane

from stages.imaging.colour import BYTE_BITS, NV12, P010, YuvSamples

__all__ = ["chroma_row", "surface_samples"]

MAX_BETWEEN = 128
"""Rows between luma and chroma that are copied along, to copy both at once: decoders round heights up to blocks."""


def chroma_row(planes: tuple[VideoPlane, ...]) -> int:
    """Return how many rows below the luma's first row U and V begin, if both share one block of memory; else 0."""
    luma, chroma = planes
    rows, rest = divmod(chroma.buffer_ptr - luma.buffer_ptr, luma.line_size)
    is_one_block = rest == 0 and chroma.line_size == luma.line_size and luma.height <= rows <= luma.height + MAX_BETWEEN
    return rows if is_one_block else 0


class _DLTensor(ctypes.Structure):
    """The head of DLPack's DLTensor (dlpack.h), as far as its element type."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
    )


_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype = ctypes.c_void_p
_capsule_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)


def surface_samples(luma: VideoPlane) -> YuvSamples:
    """Return NV12 for 8-bit and P010 for 10-bit luma; before PyAV 18 only DLPack tells which, in bits."""
    if luma.line_size < luma.width * P010.sample_bytes:  # a row has no room for more than bytes
        return NV12
    capsule = luma.__dlpack__()
    tensor = _DLTensor.from_address(_capsule_pointer(capsule, b"dltensor"))
    return NV12 if tensor.bits == BYTE_BITS else P010
