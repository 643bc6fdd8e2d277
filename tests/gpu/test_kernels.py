"""Letterbox and crop kernels against float64 arithmetic, on noise, the hardest picture for a sampler.

Tolerances: a uint8 result is the reference rounded, give or take 0.1 levels: float32 coordinates are good to 1e-4
pixels, and noise has slopes of several hundred levels a pixel. A float16 result also has float16's own rounding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import CudaStream
from stages.buffers.device import DeviceArray
from stages.buffers.transfer import Readback
from stages.frames import FloatArray
from stages.imaging.colour import Matrix
from stages.imaging.device.imaging import DeviceImaging
from stages.imaging.device.picture import SurfaceLayout
from stages.imaging.device.tensor import TensorFormat
from stages.imaging.letterbox import DetectorInput
from stages.imaging.tones import TOP, Tones, Transfer
from tests.gpu.reference import crop_reference, letterbox_reference
from tests.gpu.surfaces import NV12, P010, Surfaces, layout_of

TOLERANCE = 0.1
ROUNDED = 0.5 + TOLERANCE
INPUT = DetectorInput(longest=128, pad_value=114)
NORMALISED = {"is_rgb": True, "mean": (127.5, 120.0, 110.0), "gain": (1 / 128, 1 / 100, 1 / 64)}
POISON = 0xCD

LAYOUTS = {
    "nv12": layout_of(384, 216),
    "odd sides": layout_of(193, 109),
    "portrait, odd": layout_of(75, 251),
    "smaller than the input": layout_of(50, 30),
    "one pixel": layout_of(1, 1),
    "no padding": layout_of(320, 180, padding=0),
    "ten bit": layout_of(161, 91, samples=P010),
    "ten bit, full range, BT.2020": layout_of(160, 90, samples=P010, is_full_range=True, matrix=Matrix.BT2020),
    "full range, BT.601": layout_of(160, 90, is_full_range=True, matrix=Matrix.ITU601),
    "SMPTE 240M": layout_of(160, 90, matrix=Matrix.SMPTE240M),
    "turned by 90": layout_of(201, 99, rotation=90),
    "turned by 180": layout_of(201, 99, rotation=180),
    "turned by 270, ten bit": layout_of(201, 99, rotation=270, samples=P010),
    "wide pixels": layout_of(180, 144, pixel_aspect=64 / 45),
    "wide pixels, turned by 90": layout_of(180, 144, pixel_aspect=64 / 45, rotation=90),
    "more than eight to one": layout_of(1201, 401),
}


@pytest.fixture(scope="module")
def imaging(device: CudaDevice) -> Iterator[DeviceImaging]:
    imaging = DeviceImaging(device, detector_input=INPUT, max_batch=4, crop_size=40, max_crops=16)
    yield imaging
    imaging.close()


@pytest.fixture
def read(device: CudaDevice) -> Iterator[Readback]:
    readback = Readback(device, 4 << 20)
    yield readback
    readback.close()


def poisoned(tensor: DeviceArray, stream: CudaStream) -> DeviceArray:
    """The tensor's memory with a pattern in it, so that an element not written shows."""
    stream.fill(tensor, POISON)
    return tensor


def transforms_for(layout: SurfaceLayout, size: int) -> FloatArray:
    """Crops inside, over each border, far outside, turned, enlarged and 12 times reduced."""
    width, height = layout.orientation.upright_size(layout.width, layout.height)
    rng = np.random.default_rng(width * height)
    centres = [(0.5, 0.5), (0, 0), (1, 0.3), (0.6, 1), (-3, 0.5), (0.4, 0.6), (0.5, 0.5)]
    scales = [1.0, 0.31, 1.7, 2.4, 1.0, 3.6, 12.0]
    maps = []
    for (x, y), scale in zip(centres, scales, strict=True):
        angle = rng.uniform(-np.pi, np.pi)
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.full(2, (size - 1) / 2)
        maps.append(np.column_stack([linear, np.array([x * width, y * height]) - linear @ middle]))
    return np.array(maps, np.float32)


def error(actual: NDArray[np.generic], expected: NDArray[np.float64]) -> float:
    assert actual.shape == expected.shape
    return float(np.abs(actual.astype(np.float64) - expected).max())


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_letterbox_is_the_mean_of_the_samples_under_each_pixel(
    layout: SurfaceLayout, imaging: DeviceImaging, surfaces: Surfaces, stream: CudaStream, read: Readback
) -> None:
    picture, planes = surfaces.random(layout)
    poisoned(imaging.letterbox([picture], stream=stream), stream)
    actual = read(imaging.letterbox([picture], stream=stream), stream=stream)
    assert error(actual, letterbox_reference(planes, INPUT)[None]) <= ROUNDED


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_crop_is_the_mean_of_the_samples_under_each_pixel_and_black_outside(
    layout: SurfaceLayout, imaging: DeviceImaging, surfaces: Surfaces, stream: CudaStream, read: Readback
) -> None:
    picture, planes = surfaces.random(layout)
    transforms = transforms_for(layout, 40)
    poisoned(imaging.crop([picture], [transforms], 40, stream=stream), stream)
    actual = read(imaging.crop([picture], [transforms], 40, stream=stream), stream=stream)
    assert error(actual, np.stack([crop_reference(planes, t, 40) for t in transforms])) <= ROUNDED


@pytest.mark.parametrize("transfer", Transfer)
def test_tones_are_the_host_s(
    transfer: Transfer, imaging: DeviceImaging, surfaces: Surfaces, stream: CudaStream, read: Readback
) -> None:
    # Noise holds colours far outside BT.709, near whose border tables of ten bits are steep: most of it has to agree.
    tones = Tones(transfer, is_wide=True)
    layout = layout_of(160, 90, samples=P010, matrix=Matrix.BT2020, tones=tones)
    picture, planes = surfaces.random(layout)
    transforms = transforms_for(layout, 40)
    for actual, plain in (
        (imaging.letterbox([picture], stream=stream), letterbox_reference(planes, DetectorInput(longest=128))[None]),
        (
            imaging.crop([picture], [transforms], 40, stream=stream),
            np.stack([crop_reference(planes, transform, 40) for transform in transforms]),
        ),
    ):
        shown = read(actual, stream=stream)
        expected = np.empty(plain.shape, np.uint8)
        for place, one in enumerate(plain):
            tones.map(np.rint(one * TOP / 255).astype(np.uint16), expected[place])
        inside = plain.min(-1) > 0  # not the constant around the picture
        off = np.abs(shown.astype(int) - expected)[inside]
        assert np.quantile(off, 0.98) <= 3
        assert off.mean() <= 1


def test_a_batch_mixes_sizes_depths_and_rotations(
    imaging: DeviceImaging, surfaces: Surfaces, stream: CudaStream, read: Readback
) -> None:
    layouts = [
        layout_of(320, 180),
        layout_of(160, 90, samples=P010, is_full_range=True),
        layout_of(181, 321, rotation=90),
        layout_of(640, 360, rotation=180, matrix=Matrix.ITU601),
    ]
    made = [surfaces.random(layout) for layout in layouts]
    pictures = [picture for picture, _ in made]
    tensor = imaging.letterbox(pictures, stream=stream)
    expected = np.stack([letterbox_reference(planes, INPUT) for _, planes in made])
    assert error(read(tensor, stream=stream), expected) <= ROUNDED
    counts = [2, 0, 3, 1]
    transforms = [transforms_for(layout, 33)[:count] for layout, count in zip(layouts, counts, strict=True)]
    crops = read(imaging.crop(pictures, transforms, 33, stream=stream), stream=stream)
    expected = np.stack(
        [crop_reference(planes, t, 33) for (_, planes), some in zip(made, transforms, strict=True) for t in some]
    )
    assert error(crops, expected) <= ROUNDED


@pytest.mark.parametrize("samples", [NV12, P010], ids=["nv12", "p010"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_float_tensors_are_planar_and_normalised(
    dtype: str, samples: object, device: CudaDevice, surfaces: Surfaces, stream: CudaStream, read: Readback
) -> None:
    form = TensorFormat(dtype, **NORMALISED)  # type: ignore[arg-type]  # parametrize knows no Literal
    imaging = DeviceImaging(device, detector_input=INPUT, max_batch=2, crop_size=40, max_crops=8, tensor_format=form)
    layout = layout_of(201, 117, samples=samples)  # type: ignore[arg-type]  # likewise
    picture, planes = surfaces.random(layout)

    def normalised(bgr: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.moveaxis((bgr[..., ::-1] - form.mean) * form.gain, -1, -3)

    tolerance = TOLERANCE * max(form.gain) + (2.0**-10 if dtype == "float16" else 0.0)
    poisoned(imaging.letterbox([picture], stream=stream), stream)
    actual = read(imaging.letterbox([picture], stream=stream), stream=stream)
    assert error(actual, normalised(letterbox_reference(planes, INPUT))[None]) <= tolerance
    transforms = transforms_for(layout, 40)
    actual = read(imaging.crop([picture], [transforms], 40, stream=stream), stream=stream)
    expected = normalised(np.stack([crop_reference(planes, t, 40) for t in transforms]))
    assert error(actual, expected) <= tolerance
    imaging.close()
