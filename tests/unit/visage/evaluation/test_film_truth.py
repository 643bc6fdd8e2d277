from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visage.evaluation.film_truth import FilmTruth, read_films
from visage.evaluation.layouts import LayoutError

CVAT = """<annotations><meta><task><start_frame>0</start_frame><stop_frame>9</stop_frame>{step}</task></meta>
<track id="0" label="face"><box frame="2" outside="0" xtl="0" ytl="0" xbr="10" ybr="10"/>
<box frame="4" outside="0" xtl="4" ytl="0" xbr="14" ybr="10"/>
<box frame="6" outside="1" xtl="4" ytl="0" xbr="14" ybr="10"/></track>
<track id="1" label="face"><box frame="2" outside="0" xtl="50" ytl="0" xbr="60" ybr="10">
<attribute name="person">Ada</attribute><attribute name="ignore">true</attribute></box></track>
<track id="2" label="car"><box frame="2" outside="0" xtl="5" ytl="0" xbr="60" ybr="10"/></track></annotations>"""


def film(folder: Path, suffix: str, text: str) -> FilmTruth:
    (folder / "movie.mp4").touch()
    table = folder / f"movie{suffix}"
    table.parent.mkdir(exist_ok=True, parents=True)
    table.write_text(text)
    (found,) = read_films(folder)
    return found


def test_own_table_judges_the_frames_that_have_a_row(tmp_path: Path) -> None:
    found = film(tmp_path, ".csv", "frame,x1,y1,x2,y2,person,ignore\n3,1,2,3,4,Ada,\n3,5,6,7,8,,1\n9,,,,,,\n").frames

    assert list(found) == [3, 9]
    np.testing.assert_array_equal(found[3].boxes_xyxy, [[1, 2, 3, 4], [5, 6, 7, 8]])
    assert found[3].persons == ("Ada", "")
    np.testing.assert_array_equal(found[3].ignored, [False, True])
    assert found[9].persons == ()


def test_visages_own_table_is_a_truth(tmp_path: Path) -> None:
    found = film(tmp_path, ".csv", "frame_num,face_num,x1,y1,x2,y2,confidence\n0,0,1,2,3,4,0.9\n")

    assert found.frames[0].persons == ("",)


@pytest.mark.parametrize("place", [".txt", "/gt/gt.txt"])
def test_mot_counts_frames_from_one_and_judges_all_of_them(tmp_path: Path, place: str) -> None:
    found = film(tmp_path, place, "1,7,10,20,30,40,1,1,1\n3,7,10,20,30,40,0,1,1\n").frames

    assert list(found) == [0, 1, 2]
    np.testing.assert_array_equal(found[0].boxes_xyxy, [[10, 20, 40, 60]])
    assert (found[0].persons, found[1].persons) == (("movie:7",), ())
    assert found[2].ignored.all()


def test_cvat_boxes_go_straight_between_key_frames(tmp_path: Path) -> None:
    found = film(tmp_path, ".xml", CVAT.format(step="")).frames

    assert list(found) == list(range(10))
    assert [len(truth.persons) for truth in found.values()] == [0, 0, 2, 1, 1, 1, 0, 0, 0, 0]
    np.testing.assert_array_equal(found[3].boxes_xyxy, [[2, 0, 12, 10]])
    np.testing.assert_array_equal(found[5].boxes_xyxy, [[4, 0, 14, 10]])  # until it goes outside, where it was
    assert found[2].persons == ("movie:0", "Ada")
    np.testing.assert_array_equal(found[2].ignored, [False, True])


def test_cvats_step_leaves_frames_out(tmp_path: Path) -> None:
    found = film(tmp_path, ".xml", CVAT.format(step="<frame_filter>step=2</frame_filter>")).frames

    assert list(found) == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    ("suffix", "text", "message"),
    [
        (".csv", "frame,x1,y1,x2\n", "no column y2"),
        (".csv", "x1,y1,x2,y2\n1,2,3,4\n", "no column frame"),
        (".csv", "frame,x1,y1,x2,y2\n", "has no frames"),
        (".csv", "frame,x1,y1,x2,y2\n1.5,1,2,3,4\n", "line 2: '1.5' is not a frame number"),
        (".csv", "frame,x1,y1,x2,y2\n1,5,2,3,4\n", "line 2: a box needs x2 > x1"),
        (".csv", "frame,x1,y1,x2,y2\n1,nan,2,3,4\n", "line 2: a box needs x2 > x1"),
        (".csv", "frame,x1,y1,x2,y2\nnan,1,2,3,4\n", "line 2: 'nan' is not a frame number"),
        (".txt", "1,1,2,3,4\n", "line 1: frame, id, left, top, width, height were expected"),
        (".txt", "0,1,2,3,4,5\n", "counted from 1"),
        (".xml", "<annotations", "is not XML"),
        (".xml", "<annotations/>", "has no tracks"),
    ],
)
def test_what_is_damaged_is_said_with_its_place(tmp_path: Path, suffix: str, text: str, message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        film(tmp_path, suffix, text)


def test_a_film_without_truth_and_one_with_two_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="has no films"):
        read_films(tmp_path)
    (tmp_path / "movie.mp4").touch()
    with pytest.raises(LayoutError, match=r"movie\.mp4 has no truth beside it"):
        read_films(tmp_path)
    for suffix in (".csv", ".txt"):
        (tmp_path / f"movie{suffix}").touch()
    with pytest.raises(LayoutError, match=r"has movie\.csv and movie\.txt beside it"):
        read_films(tmp_path)
