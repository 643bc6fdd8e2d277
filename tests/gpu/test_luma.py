"""`DevicePatchReader` against float64 arithmetic on noise, and against `HostPatchReader` on textures.

Tolerances: on noise, a byte is the reference rounded, give or take 0.1 levels, as for the other kernels; of deep
samples it is their high byte, so a level may be missing. OpenCV rounds twice, and before version 5 places its samples
to 1/32 pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.buffers import BufferPool
from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import CudaStream
from stages.errors import PoolClosed
from stages.imaging.colour import YuvSamples
from stages.imaging.device.patches import MAX_PATCHES, MAX_THUMBNAILS, DevicePatchReader
from stages.imaging.device.picture import DevicePicture, SurfaceLayout
from stages.imaging.host.admission import HostAdmission
from stages.imaging.host.patches import HostPatchReader
from stages.imaging.host.picture import HostPicture
from stages.imaging.letterbox import DetectorInput
from stages.imaging.patches import PATCH_SIDE, THUMBNAIL_SIZE, PatchWindow
from tests.gpu.reference import Planes
from tests.gpu.surfaces import NV12, P010, Surfaces, layout_of
from tests.unit.stages.pictures import tagged_frame
from tests.unit.stages.track.scenes import texture

ROUNDED = 0.6
LAYOUTS = {
    f"{name}, {rotation}": layout_of(width, height, samples=samples, rotation=rotation, is_full_range=rotation == 180)
    for name, samples, width, height in (
        ("nv12", NV12, 640, 360),
        ("odd sides", NV12, 411, 733),
        ("ten bit", P010, 641, 361),
        ("small", NV12, 161, 91),
    )
    for rotation in (0, 90, 180, 270)
}
LAYOUTS["wide pixels, turned by 90"] = layout_of(360, 288, pixel_aspect=64 / 45, rotation=90)
LAYOUTS["4K"] = layout_of(3840, 2160)

PLACES = {
    "enlarged": (0.5, 0.5, 30),
    "almost as it is": (0.4, 0.6, 63.7),
    "shrunken": (0.6, 0.45, 150.3),
    "shrunken a lot": (0.5, 0.5, 400),
    "over the left border": (0.0, 0.4, 80),
    "over the right border": (1.0, 0.6, 150),
    "over the top": (0.5, 0.0, 80),
    "over the lower right corner": (1.0, 1.0, 333),
    "just outside": (-0.3, 0.5, 40),
    "far outside": (1e6, -1e6, 80),
    "larger than the picture": (0.5, 0.5, 3000),
}
"""The face's middle, as parts of the picture, and its side in pixels."""


@pytest.fixture(scope="module")
def luma(device: CudaDevice) -> Iterator[DevicePatchReader]:
    luma = DevicePatchReader(device)
    yield luma
    luma.close()


def windows_on(layout: SurfaceLayout) -> list[PatchWindow]:
    width, height = layout.orientation.upright_size(layout.width, layout.height)
    boxes = np.array(
        [
            [x * width - side / 2, y * height - side / 2, x * width + side / 2, y * height + side / 2]
            for x, y, side in PLACES.values()
        ],
        np.float32,
    )
    return [PatchWindow.around(box, layout.orientation.upright_pixel_aspect) for box in boxes]


def patch_reference(planes: Planes, window: PatchWindow) -> NDArray[np.float64]:
    """Code values. Shrinking by a whole factor starts at the region's corner, which its own margins decide."""
    column, row = np.meshgrid(np.arange(PATCH_SIDE), np.arange(PATCH_SIDE))
    across = np.asarray(window.left + (column + 0.5) * window.step_x - 0.5, np.float64)
    down = np.asarray(window.top + (row + 0.5) * window.step_y - 0.5, np.float64)
    x, y = planes.upright_to_stored(across, down)
    height, width = planes.luma.shape
    steps = (window.step_y, window.step_x) if planes.layout.orientation.swaps_sides else (window.step_x, window.step_y)
    factor = max(1, int(min(steps)))

    def first(positions: NDArray[np.float64], step: float, limit: int) -> int:
        """The region's first sample: the patch's, or where the 129th would be, and a margin of two shrunken ones."""
        least = positions.min() - (step if positions.flat[-1] < positions.flat[0] else 0)
        return int(np.clip(math.floor(least + 1e-9) - 2 * factor, 0, limit))

    def end(positions: NDArray[np.float64], step: float, limit: int) -> int:
        most = positions.max() + (0 if positions.flat[-1] < positions.flat[0] else step)
        return int(np.clip(math.ceil(most - 1e-9) + 2 * factor, 0, limit))

    left, top = first(x, steps[0], width), first(y, steps[1], height)
    columns, rows = (end(x, steps[0], width) - left) // factor, (end(y, steps[1], height) - top) // factor
    black = black_of(planes.layout)
    if min(columns, rows) < 1:
        return np.full((PATCH_SIDE, PATCH_SIDE), black)
    region = planes.luma[top : top + rows * factor, left : left + columns * factor]
    shrunken = region.reshape(rows, factor, columns, factor).mean(axis=(1, 3))
    padded = np.pad(shrunken, 1, constant_values=black)
    u = ((x + 0.5 - left) / factor + 0.5).clip(0, columns + 0.999999)
    v = ((y + 0.5 - top) / factor + 0.5).clip(0, rows + 0.999999)
    i, j = u.astype(int), v.astype(int)
    above = padded[j, i] + (u - i) * (padded[j, i + 1] - padded[j, i])
    below = padded[j + 1, i] + (u - i) * (padded[j + 1, i + 1] - padded[j + 1, i])
    return np.asarray(above + (v - j) * (below - above))


def thumbnail_reference(planes: Planes) -> NDArray[np.float64]:
    """Code values: the mean of all that lies in each of 64 x 36 equal parts of every stride-th sample."""
    layout = planes.layout
    stride = max(1, min(layout.width, layout.height) // (4 * THUMBNAIL_SIZE[1]))
    kept = planes.luma[::stride, ::stride]
    columns, rows = layout.orientation.upright_size(*THUMBNAIL_SIZE)
    stored = shares(rows, kept.shape[0]) @ kept @ shares(columns, kept.shape[1]).T
    return np.rot90(stored, -layout.orientation.rotation_degrees // 90)


def shares(cells: int, size: int) -> NDArray[np.float64]:
    """(cells, size): what part of each cell each sample is."""
    edges = np.arange(cells + 1)[:, None] * size / cells
    samples = np.arange(size)
    overlap = np.minimum(edges[1:], samples + 1) - np.maximum(edges[:-1], samples)
    return overlap.clip(0) * cells / size


def black_of(layout: SurfaceLayout) -> float:
    return 0.0 if layout.encoding.is_full_range else 16 * 2.0 ** (layout.samples.bits - 8)


def assert_bytes(actual: NDArray[np.uint8], codes: NDArray[np.float64], samples: YuvSamples) -> None:
    assert actual.shape == codes.shape
    assert actual.dtype == np.uint8
    if samples.bits == 8:
        assert np.abs(actual - codes).max() <= ROUNDED
        return
    missed = codes / 2 ** (samples.bits - 8) - actual  # in [0, 1): the high byte is cut off, not rounded
    assert missed.min() >= -0.1
    assert missed.max() < 1.1


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_patch_is_what_its_window_shows(layout: SurfaceLayout, luma: DevicePatchReader, surfaces: Surfaces) -> None:
    picture, planes = surfaces.random(layout)
    windows = windows_on(layout)
    (patches,) = luma.patches([picture], [windows])
    for patch, window in zip(patches, windows, strict=True):
        assert_bytes(patch, patch_reference(planes, window), layout.samples)
    assert (patches[list(PLACES).index("far outside")] == black_of(layout) / 2 ** (layout.samples.bits - 8)).all()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_thumbnail_is_the_upright_picture_s_mean(
    layout: SurfaceLayout, luma: DevicePatchReader, surfaces: Surfaces
) -> None:
    picture, planes = surfaces.random(layout)
    (thumbnail,) = luma.thumbnails([picture])
    assert thumbnail.shape == THUMBNAIL_SIZE[::-1]
    assert_bytes(thumbnail, thumbnail_reference(planes), layout.samples)


def admitted(planes: Planes) -> HostPicture:
    """The same samples in host memory, where a CPU's decoder would leave them."""
    layout = planes.layout
    frame = av.VideoFrame(layout.width, layout.height, "nv12" if layout.samples.bits == 8 else "p010le")
    if layout.encoding.is_full_range:
        frame.color_range = 2
    chroma = np.full((layout.chroma_rows, 2 * ((layout.width + 1) // 2)), 128)
    for plane, codes in zip(frame.planes, (planes.luma, chroma), strict=True):
        stored = np.frombuffer(memoryview(plane), layout.samples.dtype).reshape(plane.height, -1)
        stored[:, : codes.shape[1]] = codes * 2**layout.samples.shift
    picture = HostAdmission(DetectorInput(64), capacity=1).admit(frame, layout.orientation, detect=False)
    assert picture is not None
    return picture


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_host_and_card_show_the_same(layout: SurfaceLayout, luma: DevicePatchReader, surfaces: Surfaces) -> None:
    shown = texture(3, layout.height, layout.width).astype(float) * 2 ** (layout.samples.bits - 8)
    on_card, planes = surfaces.showing(layout, shown)
    on_host = admitted(planes)
    windows = windows_on(layout)
    (ours,), (theirs,) = luma.patches([on_card], [windows]), HostPatchReader().patches([on_host], [windows])
    for place, one, other in zip(PLACES, ours, theirs, strict=True):
        difference = np.abs(one.astype(int) - other.astype(int))
        # A picture's edge is a step of up to 255 levels, and a 32nd of it is 8; with OpenCV 5 it is 1.
        assert difference.max() <= 8, place
        assert difference.mean() < 0.5, place
    (one,), (other,) = luma.thumbnails([on_card]), HostPatchReader().thumbnails([on_host])
    assert np.abs(one.astype(int) - other.astype(int)).max() <= 1


def test_a_batch_mixes_sizes_depths_and_rotations(luma: DevicePatchReader, surfaces: Surfaces) -> None:
    """More of both than one launch takes."""
    layouts = [layout_of(320, 180), layout_of(160, 90, samples=P010), layout_of(181, 321, rotation=90)]
    made = [surfaces.random(layout) for layout in layouts]
    rows = [row % len(made) for row in range(MAX_THUMBNAILS + 3)]
    pictures = [made[row][0] for row in rows]
    for row, thumbnail in zip(rows, luma.thumbnails(pictures), strict=True):
        assert_bytes(thumbnail, thumbnail_reference(made[row][1]), layouts[row].samples)
    windows = [windows_on(layouts[row])[: number % 4] for number, row in enumerate(rows)]
    patches = luma.patches(pictures, windows)
    assert sum(map(len, patches)) > MAX_PATCHES
    for row, some, shown in zip(rows, windows, patches, strict=True):
        for window, patch in zip(some, shown, strict=True):
            assert_bytes(patch, patch_reference(made[row][1], window), layouts[row].samples)


def test_what_was_read_stays_as_it_was(luma: DevicePatchReader, surfaces: Surfaces) -> None:
    """Tracks compare a patch with one of seconds ago."""
    layout = layout_of(320, 180)
    first, second = (surfaces.random(layout)[0] for _ in range(2))
    window = windows_on(layout)[0]
    ((patch,),), (thumbnail,) = luma.patches([first], [[window]]), luma.thumbnails([first])
    kept = patch.copy(), thumbnail.copy()
    luma.patches([second], [[window]])
    luma.thumbnails([second])
    np.testing.assert_array_equal(patch, kept[0])
    np.testing.assert_array_equal(thumbnail, kept[1])
    assert patch.base is None


def test_the_steady_state_allocates_nothing(device: CudaDevice, luma: DevicePatchReader, surfaces: Surfaces) -> None:
    layout = layout_of(320, 180)
    pictures = [surfaces.random(layout)[0] for _ in range(3)]
    before = device.statistics()
    for count in range(20):
        luma.thumbnails(pictures)
        luma.patches(pictures, [windows_on(layout) * count] * 3)
    after = device.statistics()
    assert (after.allocations, after.frees) == (before.allocations, before.frees)
    thumbnails, patches = 20 * 3, 3 * len(PLACES) * sum(range(20))
    assert after.bytes_to_host - before.bytes_to_host == thumbnails * 64 * 36 + patches * PATCH_SIDE**2


def test_where_there_is_nothing_to_read_the_card_is_not_asked(
    device: CudaDevice, luma: DevicePatchReader, surfaces: Surfaces
) -> None:
    picture, _ = surfaces.random(layout_of(64, 38))
    before, last_use = device.statistics(), picture.last_use
    assert luma.patches([picture], [[]]) == [[]]
    assert luma.patches([], []) == []
    assert luma.thumbnails([]) == []
    assert device.statistics() == before
    assert picture.last_use is last_use


@pytest.mark.parametrize("what", ["thumbnails", "patches"])
def test_reading_waits_for_who_wrote_the_picture_and_is_over_when_the_call_returns(
    what: str, device: CudaDevice, luma: DevicePatchReader, surfaces: Surfaces, stream: CudaStream
) -> None:
    """The write is queued behind long work. Afterwards the owner releases, and decode may overwrite at once."""
    layout = layout_of(320, 180)
    pool = BufferPool(1, lambda: device.allocate((layout.nbytes,)), free=device.free)
    lease = pool.lease(stream=stream)
    ballast = device.allocate((1 << 30,))
    for _ in range(100):
        stream.fill(ballast, 0)
    stream.fill(lease.buffer, 77)
    picture = DevicePicture(lease, layout, stream.record())
    is_waiting = not picture.last_use.is_done
    window = windows_on(layout)[0]
    seen = luma.thumbnails([picture])[0] if what == "thumbnails" else luma.patches([picture], [[window]])[0][0]
    assert is_waiting, "the card was too fast for this test: lengthen the work before the write"
    assert (seen == 77).all()
    assert picture.last_use.is_done
    picture.release()
    pool.close()
    device.free(ballast)


def test_a_released_picture_can_not_be_read(luma: DevicePatchReader, surfaces: Surfaces) -> None:
    layout = layout_of(64, 38)
    picture, _ = surfaces.random(layout)
    picture.release()
    with pytest.raises(PoolClosed):
        luma.thumbnails([picture])
    with pytest.raises(PoolClosed):
        luma.patches([picture], [windows_on(layout)])


def test_pictures_of_another_memory_are_refused(luma: DevicePatchReader) -> None:
    with pytest.raises(TypeError, match="not on the card"):
        luma.thumbnails([tagged_frame(1).picture])


def test_closing_gives_all_memory_back(device: CudaDevice, surfaces: Surfaces) -> None:
    picture, _ = surfaces.random(layout_of(64, 38))
    before = device.statistics().bytes_allocated
    luma = DevicePatchReader(device)
    luma.thumbnails([picture])
    luma.close()
    luma.close()
    assert device.statistics().bytes_allocated == before
