"""Previews: nothing is done unless somebody wants it, and what is offered has the frame's shape and faces."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stages.frames import Faces, Frame, Observation, Picture
from stages.imaging.letterbox import shrunk
from stages.sink.preview import Preview, PreviewSink


@dataclass
class Gate:
    """Wants what it is told to want."""

    wanted: bool
    offered: list[Preview] = field(default_factory=list)

    def wants(self, source_id: str) -> bool:
        return self.wanted

    def offer(self, preview: Preview) -> None:
        self.offered.append(preview)


@dataclass(frozen=True)
class Grey:
    """A picture whose pixels are not square."""

    width: int = 720
    height: int = 576
    pixel_aspect: float = 16 / 15

    def release(self) -> None:
        pass


def observation() -> Observation:
    faces = Faces(np.array([[72, 57.6, 144, 115.2]], np.float32), np.array([0.9], np.float32))
    return Observation(Frame("door", 3, 0.3, Grey(), captured_at=5.0), faces)


def grey(picture: Picture, max_width: int) -> NDArray[np.uint8]:
    box = shrunk(picture.width, picture.height, picture.pixel_aspect, max_width)
    return np.full((box.content_height, box.content_width, 3), 90, np.uint8)


def refuse(picture: Picture, max_width: int) -> NDArray[np.uint8]:
    raise AssertionError("nobody asked for these pixels")


def test_pixels_are_not_touched_while_nobody_watches() -> None:
    gate = Gate(wanted=False)
    PreviewSink(gate, to_bgr=refuse, width=384).write(observation())
    assert gate.offered == []


def test_a_preview_has_square_pixels_and_its_faces_in_place() -> None:
    """PAL's 720x576 is shown as 768x576; half of that is 384x288."""
    gate = Gate(wanted=True)
    PreviewSink(gate, to_bgr=grey, width=384).write(observation())
    (preview,) = gate.offered
    assert preview.image.shape == (288, 384, 3)
    assert (preview.source_id, preview.frame_index, preview.captured_at) == ("door", 3, 5.0)
    np.testing.assert_allclose(preview.faces.boxes_xyxy, [[38.4, 28.8, 76.8, 57.6]], rtol=1e-6)


def test_a_small_picture_is_not_enlarged() -> None:
    gate = Gate(wanted=True)
    PreviewSink(gate, to_bgr=grey, width=1920).write(observation())
    assert gate.offered[0].image.shape == (576, 768, 3)
