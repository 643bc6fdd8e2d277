from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visage.evaluation.layouts import LayoutError, read_detection, read_identification, read_people, read_verification


def people(folder: Path, **pictures: int) -> Path:
    for person, count in pictures.items():
        (folder / person).mkdir(parents=True)
        for number in range(1, count + 1):
            (folder / person / f"{person}_{number:04d}.jpg").touch()
    return folder


def test_boxes_by_picture(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2,ignore\na.jpg,1,2,3,4,\na.jpg,5,6,7,8,1\nb.jpg,,,,,\n")

    found = read_detection(tmp_path)

    np.testing.assert_array_equal(found[tmp_path / "a.jpg"].boxes_xyxy, [[1, 2, 3, 4], [5, 6, 7, 8]])
    np.testing.assert_array_equal(found[tmp_path / "a.jpg"].ignored, [False, True])
    assert len(found[tmp_path / "b.jpg"].boxes_xyxy) == 0


def test_wider_faces_listing(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "wider_face_val_bbx_gt.txt").write_text(
        "0--Parade/a.jpg\n3\n10 20 30 40 0 0 0 0 0 0 \n1 2 5 9 2 0 0 0 2 0 \n1 2 50 90 2 0 0 1 2 0 \n"
        "0--Parade/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n"
    )

    found = read_detection(tmp_path)

    faces = found[tmp_path / "images/0--Parade/a.jpg"]
    np.testing.assert_array_equal(faces.boxes_xyxy[0], [10, 20, 40, 60])
    np.testing.assert_array_equal(faces.ignored, [False, True, True])  # too low; invalid
    assert len(found[tmp_path / "images/0--Parade/b.jpg"].boxes_xyxy) == 0


def test_lfws_pairs(tmp_path: Path) -> None:
    people(tmp_path, Ada=2, Bob=1)
    (tmp_path / "pairs.txt").write_text("1\t1\nAda\t1\t2\nAda\t2\tBob\t1\n")

    templates, pairs = read_verification(tmp_path)

    assert pairs == [("Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg"), ("Ada/Ada_0002.jpg", "Bob/Bob_0001.jpg")]
    assert [templates[name].person for name in pairs[1]] == ["Ada", "Bob"]


def test_without_a_list_every_pair_is_compared(tmp_path: Path) -> None:
    assert len(read_verification(people(tmp_path, Ada=2, Bob=2))[1]) == 6


def test_thumbnails_and_deleted_pictures_are_nobody(tmp_path: Path) -> None:
    people(tmp_path, Ada=2, **{".thumbnails": 1, "@eaDir": 1, "#recycle": 1})
    (tmp_path / "Ada" / "._Ada_0001.JPG").touch()
    assert {name: len(pictures) for name, pictures in read_people(tmp_path).items()} == {"Ada": 2}


def test_templates_of_several_pictures(tmp_path: Path) -> None:
    (tmp_path / "templates.csv").write_text(
        "template,subject,image\n1,Ada,a.jpg\n1,Ada,b.jpg\n2,Bob,c.jpg\n3,Ada,d.jpg\n"
    )
    (tmp_path / "pairs.csv").write_text("template_1,template_2\n1,2\n1,3\n")

    templates, pairs = read_verification(tmp_path)

    assert templates["1"].pictures == (tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert pairs == [("1", "2"), ("1", "3")]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "neither boxes.csv nor"),
        ({"boxes.csv": "image,x1,y1,x2\n"}, r"boxes\.csv has no column y2"),
        ({"boxes.csv": "image,x1,y1,x2,y2\na,1,2,3,four\n"}, "line 2: 'four' is not a number"),
        ({"wider_face_a_bbx_gt.txt": "a.jpg\n1\n1 2 3\n"}, "line 3: ten numbers"),
        ({"wider_face_a_bbx_gt.txt": "a.jpg"}, "line 2: '' is not a number"),
        ({"wider_face_a_bbx_gt.txt": "a.jpg\n1"}, "line 3: ten numbers"),
    ],
)
def test_what_is_wrong_with_boxes_is_said_with_file_and_line(
    files: dict[str, str], message: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(LayoutError, match=message):
        read_detection(tmp_path)


def test_what_is_wrong_with_pairs_is_said(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no folders with pictures"):
        read_people(tmp_path / "absent")
    people(tmp_path, Ada=1)
    (tmp_path / "pairs.txt").write_text("Ada 1 7\n")
    with pytest.raises(LayoutError, match="line 1: there is no picture Ada_0007"):
        read_verification(tmp_path)


@pytest.mark.parametrize(
    ("pictures", "lacking"),
    [({"Ada": 2}, "different people"), ({"Ada": 1, "Bob": 1}, "one person"), ({"Ada": 1}, "pair")],
)
def test_pairs_of_one_kind_are_refused_before_anything_is_computed(
    pictures: dict[str, int], lacking: str, tmp_path: Path
) -> None:
    with pytest.raises(LayoutError, match=f"has no .*{lacking}.*; both kinds are needed"):
        read_verification(people(tmp_path, **pictures))


def test_probes_of_strangers_alone_are_refused(tmp_path: Path) -> None:
    people(tmp_path / "gallery", Ada=1)
    people(tmp_path / "probes", Bob=1)
    with pytest.raises(LayoutError, match="no person in probes/ is in gallery/"):
        read_identification(tmp_path)

    people(tmp_path / "probes", Ada=2)
    gallery, probes = read_identification(tmp_path)
    assert sorted(probe.person for probe in probes.values()) == ["Ada", "Ada", "Bob"]
    assert [entry.person for entry in gallery.values()] == ["Ada"]
