from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from stages.backends.base import HostTensor
from stages.backends.scripted import ScriptedBackend
from stages.buffers import Stream
from stages.detect.stage import DetectStage
from stages.errors import BackendError
from stages.frames import Faces
from stages.imaging.letterbox import DetectorInput, Letterbox
from tests.unit.stages.pictures import TaggedImaging, TaggedPicture, tagged_frame


class TagHead:
    """As many faces as the picture's tag says; widths are 10, 20, 30 ... pixels."""

    def decode(
        self,
        outputs: Mapping[str, HostTensor],
        letterboxes: Sequence[Letterbox],
        shape: tuple[int, int],
        *,
        stream: Stream,
    ) -> list[Faces]:
        assert len(outputs["tag"]) == len(letterboxes)
        return [self._faces(int(tag)) for tag in outputs["tag"]]

    @staticmethod
    def _faces(count: int) -> Faces:
        boxes = np.array([[0, 0, 10 * (k + 1), 100] for k in range(count)], np.float32).reshape(-1, 4)
        return Faces(boxes, np.ones(count, np.float32))


def tags(batch: HostTensor) -> dict[str, HostTensor]:
    return {"tag": batch[:, 0, 0, 0]}


def make_stage(imaging: TaggedImaging, backend: ScriptedBackend, min_face_pixels: int = 0) -> DetectStage[HostTensor]:
    return DetectStage[HostTensor](
        detector_input=DetectorInput(),
        imaging=imaging,
        backend=backend,
        head=TagHead(),
        min_face_pixels=min_face_pixels,
    )


def test_frames_of_one_shape_share_a_call_and_keep_their_places() -> None:
    imaging, backend = TaggedImaging(), ScriptedBackend(tags)
    sizes = [(640, 360), (480, 640), (1920, 1080), (480, 640)]
    frames = [tagged_frame(tag, *size) for tag, size in enumerate(sizes)]
    found = make_stage(imaging, backend).process(frames)
    assert [item.frame for item in found] == frames
    assert [len(item.faces) for item in found] == [0, 1, 2, 3]
    assert imaging.shapes == [[(640, 360), (1920, 1080)], [(480, 640), (480, 640)]]


def test_a_call_is_never_larger_than_the_backend_takes() -> None:
    backend = ScriptedBackend(tags, max_batch=3)
    found = make_stage(TaggedImaging(), backend).process([tagged_frame(tag) for tag in range(8)])
    assert backend.batch_sizes == [3, 3, 2]
    assert [len(item.faces) for item in found] == list(range(8))


def test_small_faces_are_dropped() -> None:
    (found,) = make_stage(TaggedImaging(), ScriptedBackend(tags), min_face_pixels=30).process([tagged_frame(5)])
    np.testing.assert_array_equal(found.faces.boxes_xyxy[:, 2], [30, 40, 50])


def test_pixels_are_kept_for_the_next_stage_unless_this_is_the_last() -> None:
    for is_last in (False, True):
        stage = DetectStage[HostTensor](
            detector_input=DetectorInput(),
            imaging=TaggedImaging(),
            backend=ScriptedBackend(tags),
            head=TagHead(),
            release_pixels=is_last,
        )
        frame = tagged_frame(1)
        stage.process([frame])
        assert isinstance(frame.picture, TaggedPicture)
        assert frame.picture.releases == is_last


def test_a_failing_backend_fails_the_batch_and_closing_frees_it() -> None:
    backend = ScriptedBackend(tags, faults={0: BackendError("lost")})
    stage = make_stage(TaggedImaging(), backend)
    with pytest.raises(BackendError, match="lost"):
        stage.process([tagged_frame(1)])
    stage.close()
    assert backend.is_closed
