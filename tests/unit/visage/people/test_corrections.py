"""Corrections: what somebody says about a sighting holds, is an example, can be taken back, and goes when it has to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.frames import FloatArray, Identity
from tests.unit.visage.people.scenes import add, gallery, near, person, track
from visage.people import Gallery, roster_cache
from visage.people.correction_rule import CorrectionKind
from visage.people.errors import CorrectionRefused, NameRefused, NoSuchPerson
from visage.people.exchange import export_gallery, import_gallery

ADA, BOB, STRANGER = person(1), person(2), person(3)


@pytest.fixture(autouse=True)
def fresh_rosters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_cache, "ROSTER_SECONDS", 0.0)


def see(opened: Gallery, face: FloatArray | None, number: int = 1, *, at: float = 1000.0, **where: object) -> str:
    """Record a track of a file as a run does; the id of its sighting."""
    start = float(str(where.get("start", 10.0 * number)))
    uri = str(where.get("uri", "/films/a.mkv"))
    box = np.array(where.get("box", [10, 20, 50, 60]), np.float32)
    seen = replace(track(face, number, start=start, at=at), best_box_xyxy=box)
    opened.record(seen, uri=uri, session=at)
    return opened.sightings(limit=1)[0].sighting_id if at else ""


def names(opened: Gallery) -> list[str]:
    """Of all sightings, oldest first."""
    return [one.name for one in sorted(opened.sightings(), key=lambda one: int(one.sighting_id[1:]))]


def again(opened: Gallery, face: FloatArray | None, number: int, **where: object) -> None:
    """The film is analysed again: other numbers of tracks, other rows, other embeddings of the same faces."""
    see(opened, face, number, at=5000.0, **where)
    opened.replace_sightings("cam-1", "/films/a.mkv", (0.0, 10_000.0), before=5000.0)


@pytest.mark.parametrize("kind", list(CorrectionKind)[:3])
def test_a_correction_holds_when_the_film_is_analysed_again(tmp_path: Path, kind: CorrectionKind) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        add(opened, "Bob", BOB)
        name = {CorrectionKind.IS: "Bob", CorrectionKind.IS_NOT: "Ada"}.get(kind)
        opened.correct([see(opened, near(ADA, 1))], kind, name=name)
        expected = {CorrectionKind.IS: "Bob", CorrectionKind.IS_NOT: "Unknown 1", CorrectionKind.IGNORE: "ignored"}[
            kind
        ]
        assert names(opened) == [expected]
        again(opened, near(ADA, 1, 0.79), 7, start=10.2)
        assert names(opened)[0].rstrip("123") == expected.rstrip("123")
    with gallery(tmp_path) as opened:  # by another process
        again(opened, near(ADA, 1), 3, start=9.9)
        assert names(opened)[0].rstrip("123") == expected.rstrip("123")


def test_the_pipelines_decision_does_not_overrule_a_correction(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        ada = add(opened, "Ada", ADA)
        opened.correct([see(opened, near(ADA, 1))], CorrectionKind.IS_NOT, name="Ada")
        sure = replace(track(near(ADA, 1), 4, start=10.0, at=5000.0), identity=Identity(ada, "Ada", 0.99, 10.0))
        opened.record(replace(sure, best_box_xyxy=np.array([10, 20, 50, 60], np.float32)), uri="/films/a.mkv")
        assert "Ada" not in names(opened)


def test_another_face_of_the_same_moment_is_not_meant(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        opened.correct([see(opened, near(STRANGER, 1), box=[200, 20, 240, 60])], CorrectionKind.IS, name="Bob")
        again(opened, near(ADA, 2), 7, start=10.0)
        assert names(opened) == ["Ada"]


def test_a_face_without_an_embedding_is_known_by_its_place(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        opened.correct([see(opened, None)], CorrectionKind.IS, name="Ada")
        again(opened, None, 7, start=10.0, box=[12, 21, 52, 60])
        assert names(opened) == ["Ada"]
        see(opened, None, 8, at=6000.0, start=10.0, box=[300, 20, 340, 60])
        assert names(opened) == ["Ada", "unknown"]


def test_a_film_that_was_moved_is_known_by_its_content(tmp_path: Path) -> None:
    film, moved = tmp_path / "a.mkv", tmp_path / "b.mkv"
    film.write_bytes(b"a film")
    with gallery(tmp_path / "people") as opened:
        add(opened, "Ada", ADA)
        opened.correct([see(opened, near(ADA, 1), uri=str(film))], CorrectionKind.IS, name="Bob")
        film.rename(moved)
        see(opened, near(ADA, 1), 5, at=5000.0, start=10.0, uri=str(moved))
        assert names(opened) == ["Bob", "Bob"]
        film.write_bytes(b"another film")
        see(opened, near(ADA, 1), 6, at=6000.0, start=10.0, uri=str(film))
        assert names(opened)[-1] != "Ada"  # it looks more like the face that is Bob's
        assert len(opened.correction_history()[0].sightings) == 2


def test_who_looks_like_a_refused_face_is_not_named(tmp_path: Path) -> None:
    double = near(ADA, 5, 0.6)
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        opened.correct([see(opened, double)], CorrectionKind.IS_NOT, name="Ada")
        see(opened, near(double, 6, 0.9), 2, uri="/films/b.mkv", at=2000.0)
        assert "Ada" not in names(opened)
        see(opened, near(ADA, 7, 0.9), 3, uri="/films/c.mkv", at=3000.0)
        assert names(opened)[-1] == "Ada"


def test_an_ignored_face_stays_ignored_elsewhere_and_under_other_light(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        opened.correct([see(opened, STRANGER)], CorrectionKind.IGNORE)
        see(opened, near(STRANGER, 2, 0.6), 2, uri="/films/b.mkv", at=2000.0)
        assert names(opened) == ["ignored", "ignored"]
        assert opened.unknowns(all_of_them=True) == []
        opened.undo_correction()
        see(opened, near(STRANGER, 3, 0.9), 3, uri="/films/c.mkv", at=3000.0)
        first, _, third = names(opened)
        assert first == third
        assert first.startswith("Unknown ")


def test_two_who_are_different_are_clustered_apart(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        one = see(opened, near(STRANGER, 1, 0.95), 1)
        other = see(opened, near(STRANGER, 2, 0.95), 2, at=2000.0)
        assert len(set(names(opened))) == 1
        opened.correct([one, other], CorrectionKind.DIFFERENT)
        opened.cluster_again()
        assert len(set(names(opened))) == 2
        see(opened, near(STRANGER, 1, 0.94), 8, at=5000.0, start=10.0)
        see(opened, near(STRANGER, 2, 0.94), 9, at=5000.0, start=20.0)
        opened.replace_sightings("cam-1", "/films/a.mkv", (0.0, 1000.0), before=5000.0)
        opened.cluster_again()
        assert len(set(names(opened))) == 2
        opened.undo_correction()
        opened.unknown_store.reload()
        opened.cluster_again()
        assert len(set(names(opened))) == 1


def test_an_unknown_is_named_without_those_that_were_said_to_be_another(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        opened.correct([see(opened, near(STRANGER, 1))], CorrectionKind.IS_NOT, name="Ada")
        (unknown,) = opened.unknowns()
        with pytest.raises(NameRefused, match="was said not to be Ada"):
            opened.name_unknown(unknown.unknown_id, "Ada")
        assert opened.name_unknown(unknown.unknown_id, "Bob").sightings == 1


def test_undo_brings_back_what_was(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        number = see(opened, near(ADA, 1))
        before = opened.sightings()
        opened.correct([number], CorrectionKind.IS, name="Bob", actor="kim")
        taken_back = opened.undo_correction("c1")
        assert opened.sightings() == before
        assert (taken_back.name, taken_back.actor, taken_back.undone_at is None) == ("Bob", "kim", False)
        for wrong in ("c1", "c9", "1", None):
            with pytest.raises(CorrectionRefused, match="visage people history"):
                opened.undo_correction(wrong)


def test_what_makes_no_sense_changes_nothing(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        number = see(opened, near(ADA, 1))
        with pytest.raises(CorrectionRefused):
            opened.correct([number], CorrectionKind.IS)
        with pytest.raises(CorrectionRefused):
            opened.correct([number], CorrectionKind.IGNORE, name="Ada")
        with pytest.raises(CorrectionRefused, match="two sightings"):
            opened.correct([number, number], CorrectionKind.DIFFERENT)
        with pytest.raises(NoSuchPerson):
            opened.correct([number], CorrectionKind.IS_NOT, name="Nobody")
        with pytest.raises(NoSuchPerson, match="no sighting 's99'"):
            opened.correct([number, "s99"], CorrectionKind.IS, name="Ada")
        assert opened.people() == []
        assert opened.correction_history() == []


def test_corrections_go_with_the_person_and_with_the_face(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        add(opened, "Bob", BOB)
        opened.correct(
            [see(opened, near(ADA, 1))], CorrectionKind.IS_NOT, name="Bob"
        )  # Ada's face, in a fact about Bob
        opened.correct([see(opened, near(BOB, 1), 2, at=2000.0)], CorrectionKind.IS, name="Bob")
        opened.forget("Ada")
        assert [one.name for one in opened.correction_history()] == ["Bob"]
        opened.forget("Bob")
        assert opened.correction_history() == []
        opened.correct([see(opened, STRANGER, 3, at=3000.0)], CorrectionKind.IGNORE)
        opened.prune(older_than_seconds=0.0, now=opened.correction_history()[0].at + 1)
        assert opened.correction_history() == []


def test_an_export_takes_corrections_along(tmp_path: Path) -> None:
    with gallery(tmp_path / "one") as opened:
        add(opened, "Ada", ADA)
        first = see(opened, near(ADA, 1))
        opened.correct([first], CorrectionKind.IS, name="Bob", actor="kim")
        opened.correct([first, see(opened, near(ADA, 2), 2, at=2000.0)], CorrectionKind.DIFFERENT)
        export_gallery(opened, tmp_path / "people.zip")
    with gallery(tmp_path / "two") as opened:
        for _ in range(2):  # the second time everything is there already
            import_gallery(opened, tmp_path / "people.zip")
            assert [one.kind for one in opened.correction_history()] == ["different", "different", "is"]
        assert opened.correction_history()[-1].actor == "kim"
        see(opened, near(ADA, 1), 7, start=10.0)
        assert names(opened) == ["Bob"]


def test_a_preview_changes_nothing(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        number = see(opened, near(ADA, 1))
        see(opened, near(STRANGER, 1), 2, at=2000.0)
        found = opened.preview(lambda: opened.correct([number], CorrectionKind.IS, name="Bob"))
        assert [(one.sighting_id, one.before, one.after) for one in found.changes] == [(number, "Ada", "Bob")]
        assert found.total == 2
        assert [one.name for one in opened.people()] == ["Ada"]
        with pytest.raises(NoSuchPerson):
            opened.preview(lambda: opened.merge("Ada", "Nobody"))
        assert opened.preview(lambda: opened.name_unknown("u1", "Ada")).changes[0].after == "Ada"


def test_an_unknowns_weight_does_not_grow_when_a_film_is_analysed_again(tmp_path: Path) -> None:
    weights = []
    with gallery(tmp_path) as opened:
        for run in range(4):
            see(opened, near(STRANGER, 1), 1, at=1000.0 * (run + 1))
            opened.replace_sightings("cam-1", "/films/a.mkv", (0.0, 1000.0), before=1000.0 * (run + 1))
            (row,) = opened.database.rows("SELECT weight FROM unknowns")
            weights.append(row["weight"])
    assert weights == pytest.approx([weights[0]] * 4)
