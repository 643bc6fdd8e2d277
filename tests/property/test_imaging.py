"""Crops are what their definition says, for any transform, matrix, range, depth and rotation."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.buffers import HostStream
from stages.imaging.host.admission import HostAdmission
from stages.imaging.host.imaging import HostImaging
from stages.imaging.letterbox import DetectorInput
from stages.imaging.orientation import Orientation
from tests.unit.stages.imaging import reference
from tests.unit.stages.imaging.frames import smooth_planes, yuv_frame

SIZE = 32

FORMATS = {"yuv420p": 8, "nv12": 8, "yuv420p10le": 10, "p010le": 10}


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    pix_fmt=st.sampled_from(sorted(FORMATS)),
    matrix=st.sampled_from(["bt601", "bt709", "bt2020"]),
    is_full_range=st.booleans(),
    rotation_degrees=st.sampled_from([0, 90, 180, 270]),
    scale=st.floats(0.3, 9.0),
    angle=st.floats(-np.pi, np.pi),
)
def test_a_crop_equals_its_definition(
    seed: int,
    pix_fmt: str,
    matrix: str,
    is_full_range: bool,
    rotation_degrees: int,
    scale: float,
    angle: float,
) -> None:
    rng = np.random.default_rng(seed)
    bits = FORMATS[pix_fmt]
    width, height = int(rng.integers(150, 400)), int(rng.integers(150, 400))
    planes = smooth_planes(rng, width, height, bits)
    orientation = Orientation(rotation_degrees)
    upright = orientation.upright_size(width, height)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # The crop's centre lies somewhere in the picture, so that crops reach over its border, too.
    centre = rng.uniform(0, 1, 2) * upright
    transform = np.column_stack([linear, centre - linear @ [SIZE / 2, SIZE / 2]]).astype(np.float32)

    frame = yuv_frame(planes, pix_fmt, matrix=matrix, is_full_range=is_full_range)
    picture = HostAdmission(DetectorInput(64), capacity=1).admit(frame, orientation)
    assert picture is not None
    crop = HostImaging(max_batch=1).crop([picture], [transform[None]], SIZE, stream=HostStream())[0]

    unit = 2 ** (bits - 8)
    black = (0 if is_full_range else 16 * unit, 128 * unit, 128 * unit)
    samples = reference.crop(
        (planes[0], planes[1], planes[2]),
        transform.astype(np.float64),
        SIZE,
        rotation_degrees=rotation_degrees,
        black=black,
    )
    expected = reference.to_bgr(samples, matrix=matrix, is_full_range=is_full_range, bits=bits)
    error = np.abs(crop - expected)
    # Inside, rounding of samples and of OpenCV's coordinates (1/32 pixel) leaves a level or two. Where the picture
    # ends, 1/32 pixel of the step to black and the halved chroma samples can make more, in a thin line.
    assert np.median(error) <= 1.5
    assert np.quantile(error, 0.9) <= 4
    assert error.mean() <= 3
