"""The device heads against greedy suppression with votes in float64, on random outputs, ties, crowds, broken numbers.

Boxes and landmarks agree to 0.01 pixels of the input (float32); the same anchors stay, in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.buffers import HostStream
from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import CudaStream
from stages.buffers.device import DeviceArray, PinnedArray
from stages.detect.heads.device.device_records import FIRST_RECORDS
from stages.detect.heads.device.readback import ReadbackHead
from stages.detect.heads.device.yolo import DeviceYoloHead
from stages.detect.heads.device.yunet import DeviceYuNetHead
from stages.detect.heads.families import head_family
from stages.detect.heads.yunet import YuNetHead
from stages.errors import ModelMismatch
from stages.frames import Faces, FloatArray
from stages.imaging.letterbox import DetectorInput, Letterbox
from tests.gpu.reference import Detection, greedy

INPUT = DetectorInput(longest=640)
SHAPE = (384, 640)
STRIDES = (8, 16, 32)
ANCHORS = sum((SHAPE[0] // s) * (SHAPE[1] // s) for s in STRIDES)
THRESHOLD, IOU = 0.6, 0.3
PLACES = [
    INPUT.fit(1920, 1080),
    INPUT.fit(1280, 720),
    Letterbox(0.4, 0.31, 7, 3, 600, 370),
]
Outputs = dict[str, FloatArray]
Upload = Callable[[Outputs], dict[str, DeviceArray]]


@pytest.fixture
def upload(device: CudaDevice, stream: CudaStream) -> Iterator[Upload]:
    owned: list[tuple[PinnedArray, DeviceArray]] = []

    def upload(outputs: Outputs) -> dict[str, DeviceArray]:
        arrays = {}
        for name, output in outputs.items():
            pinned, array = (
                device.allocate_pinned(output.shape, output.dtype),
                device.allocate(output.shape, output.dtype),
            )
            owned.append((pinned, array))
            pinned.array[...] = output
            stream.upload(pinned, array)
            arrays[name] = array
        return arrays

    yield upload
    stream.synchronize()
    for pinned, array in owned:
        device.free_pinned(pinned)
        device.free(array)


@pytest.fixture(scope="module")
def yunet(device: CudaDevice) -> Iterator[DeviceYuNetHead]:
    head = DeviceYuNetHead(
        device, detector_input=INPUT, max_batch=4, score_threshold=THRESHOLD, nms_iou=IOU, max_faces=64
    )
    yield head
    head.close()


@pytest.fixture(scope="module")
def yolo(device: CudaDevice) -> Iterator[DeviceYoloHead]:
    head = DeviceYoloHead(
        device,
        detector_input=INPUT,
        max_batch=4,
        score_threshold=THRESHOLD,
        nms_iou=IOU,
        max_faces=64,
    )
    yield head
    head.close()


def yunet_outputs(seed: int, count: int, *, mean_faces: float) -> Outputs:
    """Random outputs with about `mean_faces` anchors above the threshold a frame, some with equal scores."""
    rng = np.random.default_rng(seed)
    outputs: Outputs = {}
    for stride in STRIDES:
        cells = (SHAPE[0] // stride) * (SHAPE[1] // stride)
        is_face = rng.random((count, cells, 1)) < mean_faces / ANCHORS
        classes = np.where(is_face, rng.integers(7, 13, is_face.shape) / 10, rng.uniform(-0.2, 0.3, is_face.shape))
        outputs[f"cls_{stride}"] = classes.astype(np.float32)
        outputs[f"obj_{stride}"] = np.where(is_face, 0.9, rng.random(is_face.shape)).astype(np.float32)
        outputs[f"bbox_{stride}"] = rng.normal(0, 0.7, (count, cells, 4)).astype(np.float32)
        outputs[f"kps_{stride}"] = rng.normal(0, 1, (count, cells, 10)).astype(np.float32)
    return outputs


def yunet_candidates(outputs: Outputs, frame: int) -> list[Detection]:
    found: list[Detection] = []
    first = 0
    for stride in STRIDES:
        columns = SHAPE[1] // stride
        classes, objects, boxes, points = (outputs[f"{kind}_{stride}"][frame] for kind in ("cls", "obj", "bbox", "kps"))
        for cell in range(len(classes)):
            # In float32, as equal scores must stay equal.
            squared = np.float32(np.clip(classes[cell, 0], 0, 1)) * np.float32(np.clip(objects[cell, 0], 0, 1))
            if squared >= np.float32(THRESHOLD**2):
                column, row = cell % columns, cell // columns
                dx, dy, w, h = map(float, boxes[cell])
                x, y = (column + dx) * stride, (row + dy) * stride
                w, h = math.exp(w) * stride / 2, math.exp(h) * stride / 2
                landmarks = [
                    ((column + float(px)) * stride, (row + float(py)) * stride) for px, py in points[cell].reshape(5, 2)
                ]
                found.append(Detection(float(np.sqrt(squared)), first + cell, (x - w, y - h, x + w, y + h), landmarks))
        first += len(classes)
    return found


def yolo_output(seed: int, count: int, channels: int, *, mean_faces: float) -> Outputs:
    rng = np.random.default_rng(seed)
    output = rng.uniform(0, 640, (count, channels, ANCHORS))
    output[:, 2:4] = rng.uniform(5, 120, (count, 2, ANCHORS))
    is_face = rng.random((count, ANCHORS)) < mean_faces / ANCHORS
    output[:, 4] = np.where(
        is_face, rng.integers(60, 99, is_face.shape) / 100 + 0.001, rng.uniform(0, 0.59, is_face.shape)
    )
    return {"output0": output.astype(np.float32)}


def yolo_candidates(outputs: Outputs, frame: int) -> list[Detection]:
    output = outputs["output0"][frame]
    found: list[Detection] = []
    for anchor in np.flatnonzero(output[4] >= np.float32(THRESHOLD)):
        values = [float(v) for v in output[:, anchor]]
        x, y, w, h, score = values[:5]
        landmarks = [(values[5 + 3 * k], values[6 + 3 * k]) for k in range((len(values) - 5) // 3)]
        found.append(Detection(score, int(anchor), (x - w / 2, y - h / 2, x + w / 2, y + h / 2), landmarks))
    return found


def check(faces: Faces, expected: list[Detection], place: Letterbox) -> None:
    """The same faces in the same order, in source pixels."""
    np.testing.assert_allclose(faces.scores, [d.score for d in expected], rtol=1e-6)
    if not expected:
        return
    tolerance = 0.01 / min(place.scale_x, place.scale_y)
    scale, offset = np.array([place.scale_x, place.scale_y]), np.array([place.offset_x, place.offset_y])
    boxes = (np.array([d.box for d in expected]).reshape(-1, 2, 2) - offset) / scale
    np.testing.assert_allclose(faces.boxes_xyxy, boxes.reshape(-1, 4), atol=tolerance)
    if faces.landmarks is not None:
        points = (np.array([d.landmarks for d in expected]) - offset) / scale
        np.testing.assert_allclose(faces.landmarks, points, atol=tolerance)


@pytest.mark.parametrize("mean_faces", [0, 2, 30, 400])
@pytest.mark.parametrize("seed", [1, 2])
def test_yunet_keeps_what_greedy_suppression_keeps(
    seed: int, mean_faces: float, yunet: DeviceYuNetHead, upload: Upload, stream: CudaStream
) -> None:
    outputs = yunet_outputs(seed, len(PLACES), mean_faces=mean_faces)
    found = yunet.decode(upload(outputs), PLACES, SHAPE, stream=stream)
    for frame, (faces, place) in enumerate(zip(found, PLACES, strict=True)):
        check(faces, greedy(yunet_candidates(outputs, frame), IOU)[:64], place)


@pytest.mark.parametrize("channels", [5, 20])
@pytest.mark.parametrize("mean_faces", [0, 2, 30, 400])
def test_yolo_keeps_what_greedy_suppression_keeps(
    mean_faces: float, channels: int, yolo: DeviceYoloHead, upload: Upload, stream: CudaStream
) -> None:
    outputs = yolo_output(3, len(PLACES), channels, mean_faces=mean_faces)
    found = yolo.decode(upload(outputs), PLACES, SHAPE, stream=stream)
    for frame, (faces, place) in enumerate(zip(found, PLACES, strict=True)):
        assert (faces.landmarks is not None) == (channels == 20)
        check(faces, greedy(yolo_candidates(outputs, frame), IOU)[:64], place)


def test_yunet_on_the_card_agrees_with_yunet_on_the_host(
    yunet: DeviceYuNetHead, upload: Upload, stream: CudaStream
) -> None:
    outputs = yunet_outputs(11, len(PLACES), mean_faces=20)
    host: Mapping[str, NDArray[np.generic]] = dict(outputs)
    expected = YuNetHead(score_threshold=THRESHOLD, nms_iou=IOU).decode(host, PLACES, SHAPE, stream=HostStream())
    found = yunet.decode(upload(outputs), PLACES, SHAPE, stream=stream)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-6)
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=0.05)
        assert one.landmarks is not None
        assert other.landmarks is not None
        np.testing.assert_allclose(one.landmarks, other.landmarks, atol=0.05)


def test_weak_candidates_change_no_strong_face_on_the_card(
    device: CudaDevice, yunet: DeviceYuNetHead, upload: Upload, stream: CudaStream
) -> None:
    outputs = yunet_outputs(12, len(PLACES), mean_faces=400)
    for stride in STRIDES:
        is_weak = np.random.default_rng(stride).random(outputs[f"cls_{stride}"].shape) < 0.5
        outputs[f"cls_{stride}"][is_weak] *= 0.3
    plain = yunet.decode(upload(outputs), PLACES, SHAPE, stream=stream)
    host: Mapping[str, NDArray[np.generic]] = dict(outputs)
    expected = YuNetHead(score_threshold=0.4, nms_iou=IOU, strong_threshold=THRESHOLD).decode(
        host, PLACES, SHAPE, stream=HostStream()
    )
    head = DeviceYuNetHead(
        device,
        detector_input=INPUT,
        max_batch=4,
        score_threshold=0.4,
        nms_iou=IOU,
        strong_threshold=THRESHOLD,
        max_faces=1024,
    )
    try:
        mixed = head.decode(upload(outputs), PLACES, SHAPE, stream=stream)
    finally:
        head.close()
    for strong, faces, other in zip(plain, mixed, expected, strict=True):
        assert len(faces) > len(strong)
        np.testing.assert_array_equal(faces.boxes_xyxy[: len(strong)], strong.boxes_xyxy)
        np.testing.assert_allclose(faces.boxes_xyxy, other.boxes_xyxy, atol=0.05)


def test_what_is_not_a_number_is_not_a_face(yunet: DeviceYuNetHead, upload: Upload, stream: CudaStream) -> None:
    outputs = yunet_outputs(5, 1, mean_faces=3)
    expected = greedy(yunet_candidates(outputs, 0), IOU)
    outputs["cls_16"][0, np.flatnonzero(outputs["cls_16"][0, :, 0] < 0.5)[:50]] = np.nan
    (faces,) = yunet.decode(upload(outputs), PLACES[:1], SHAPE, stream=stream)
    check(faces, expected, PLACES[0])


def test_equal_boxes_with_equal_scores_are_one_face_to_the_last_bit(
    yunet: DeviceYuNetHead, upload: Upload, stream: CudaStream
) -> None:
    """Neither the winner of a tie nor the mean of the votes depends on which thread comes first."""
    outputs = yunet_outputs(0, 1, mean_faces=0)
    cells = [700, 701, 702, 703]
    outputs["cls_8"][0, cells] = outputs["obj_8"][0, cells] = 0.8
    columns = SHAPE[1] // 8
    for cell in cells:  # all boxes around the same point, landmarks all over
        outputs["bbox_8"][0, cell] = [700 % columns - cell % columns, 0, 2, 2]
        outputs["kps_8"][0, cell] = (cell - 700) / 7
    landmarks = []
    for _ in range(10):
        (faces,) = yunet.decode(upload(outputs), PLACES[:1], SHAPE, stream=stream)
        check(faces, greedy(yunet_candidates(outputs, 0), IOU), PLACES[0])
        assert len(faces) == 1
        landmarks.append(faces.landmarks)
    assert all(np.array_equal(landmarks[0], again) for again in landmarks)  # type: ignore[arg-type]


def test_a_frame_costs_half_a_kilobyte_of_bus_and_no_allocation(
    device: CudaDevice, yunet: DeviceYuNetHead, upload: Upload, stream: CudaStream
) -> None:
    arrays = upload(yunet_outputs(8, 3, mean_faces=2))
    before = device.statistics()
    found = yunet.decode(arrays, PLACES, SHAPE, stream=stream)
    after = device.statistics()
    assert max(map(len, found)) <= FIRST_RECORDS
    assert after.bytes_to_host - before.bytes_to_host == 16 + 3 * FIRST_RECORDS * 64
    assert (after.allocations, after.frees) == (before.allocations, before.frees)


def test_outputs_of_another_network_are_refused(
    yunet: DeviceYuNetHead, yolo: DeviceYoloHead, upload: Upload, stream: CudaStream
) -> None:
    outputs = yunet_outputs(1, 1, mean_faces=1)
    del outputs["kps_16"]
    with pytest.raises(ModelMismatch, match=r"kps_16 .* no such output"):
        yunet.decode(upload(outputs), PLACES[:1], SHAPE, stream=stream)
    with pytest.raises(ModelMismatch, match="one output"):
        yolo.decode(upload(outputs), PLACES[:1], SHAPE, stream=stream)
    many = upload(yunet_outputs(1, 5, mean_faces=1))
    with pytest.raises(ModelMismatch, match="5 frames"):
        yunet.decode(many, [PLACES[0]] * 5, SHAPE, stream=stream)


def test_a_head_without_a_kernel_decodes_what_it_reads_back(device: CudaDevice, stream: CudaStream) -> None:
    """Same faces as the host's head of the same outputs; a second, larger batch grows the page-locked memory."""
    family = head_family("yolo")
    host = family.head(score_threshold=0.4, nms_iou=0.5)
    head = ReadbackHead(device, host)
    rng = np.random.default_rng(3)
    anchors = sum((64 // stride) ** 2 for stride in (8, 16, 32))
    for count in (1, 3):
        values = rng.random((count, 5, anchors), np.float32) * np.array([[64], [64], [20], [20], [1]], np.float32)
        array, pinned = device.allocate(values.shape, values.dtype), device.allocate_pinned(values.shape, values.dtype)
        pinned.array[...] = values
        stream.upload(pinned, array)
        letterboxes = [Letterbox(1.0, 1.0, 0, 0, 64, 64)] * count
        found = head.decode({"output0": array}, letterboxes, (64, 64), stream=stream)
        expected = host.decode({"output0": values}, letterboxes, (64, 64), stream=stream)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours.boxes_xyxy, theirs.boxes_xyxy)
            np.testing.assert_array_equal(ours.scores, theirs.scores)
        device.free(array)
        device.free_pinned(pinned)
    head.close()
    head.close()
