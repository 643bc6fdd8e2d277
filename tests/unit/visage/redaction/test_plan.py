from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips import write_clip
from tests.unit.visage.redaction.films import plan_of, squares
from visage.redaction.errors import PlanRefused
from visage.redaction.plan import Plan, Track


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(write_clip(tmp_path / "film.mp4", images=squares(4)), 100, uncertain=((5, 9), (7, 20)))


def test_a_plan_is_read_as_it_was_written(plan: Plan, tmp_path: Path) -> None:
    plan.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == plan
    assert (tmp_path / "plan.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (["format"], "something", "format"),
        (["version"], 2, "version"),
        (["tracks", 0, "boxes"], [[5, 0, 0, 1, 1], [5, 0, 0, 1, 1]], "track 1: frames must grow"),
        (["tracks", 0, "boxes"], [], "tracks.0.boxes"),
        (["tracks", 0, "boxes"], [[-1, 0, 0, 1, 1]], "tracks.0.boxes.0.0"),
        (["uncertain", 0, "last"], 2, "uncertain stretch 1: it ends before it begins"),
        (["uncertain", 1, "id"], 1, "two stretch entries have one id"),
        (["source", "sha256"], "x", "source.sha256"),
        (["extra"], 1, "extra"),
    ],
)
def test_a_wrong_plan_is_refused_in_one_line(
    plan: Plan, tmp_path: Path, place: list[Any], value: Any, told: str
) -> None:
    content = json.loads(plan.model_dump_json())
    inner = content
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(content))
    with pytest.raises(PlanRefused) as refused:
        Plan.read(path)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": "visage-redaction-plan"}'])
def test_what_is_no_plan_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(PlanRefused, match="not a plan"):
        Plan.read(tmp_path / "plan.json")


def test_sides_go_in_a_straight_line_between_entries() -> None:
    track = Track(id=1, boxes=[(10, 0, 0, 10, 10), (20, 10, 0, 30, 10), (22, 10, 0, 30, 10)])
    assert track.box_at(9) is None
    assert track.box_at(10) == (0, 0, 10, 10)
    assert track.box_at(15) == (5, 0, 20, 10)
    assert track.box_at(22) == (10, 0, 30, 10)
    assert track.box_at(23) is None


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30), st.booleans()), max_size=6),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=3),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), st.booleans()), max_size=4),
)
def test_the_schedule_says_what_the_plan_says(
    tracks: list[tuple[int, int, bool]], analysed: list[tuple[int, int]], stretches: list[tuple[int, int, bool]]
) -> None:
    plan = Plan.model_validate(
        {
            "source": {
                "path": "film.mp4",
                "sha256": "0" * 64,
                "bytes": 1,
                "width": 10,
                "height": 10,
                "rotation": 0,
                "frames": 90,
                "clock": [[0, 0.0]],
            },
            "analysed": [(first, first + more) for first, more in analysed],
            "tracks": [
                {"id": number, "boxes": [(first, 1, 1, 2, 2), (first + 1 + more, 3, 3, 4, 4)], "keep": keep}
                for number, (first, more, keep) in enumerate(tracks, 1)
            ],
            "uncertain": [
                {
                    "id": number,
                    "first": first,
                    "last": first + more,
                    "reasons": ["ends"],
                    "confirmed_by": "Ada" if confirmed else None,
                }
                for number, (first, more, confirmed) in enumerate(stretches, 1)
            ],
        }
    )
    schedule = plan.schedule()
    for frame in range(95):
        boxes = [box for track in plan.tracks if not track.keep and (box := track.box_at(frame)) is not None]
        assert sorted(schedule.boxes_at(frame).tolist()) == sorted(np.array(boxes, np.float32).reshape(-1, 4).tolist())
        assert schedule.is_whole(frame) == plan.is_covered_whole(frame)
