"""Unknowns of a gallery: constraint, stable numbers, films that are done again, stills, what is split by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.frames import FloatArray, Identity
from tests.unit.visage.people.scenes import add, gallery, near, person, track
from visage.people import Gallery
from visage.people.errors import NameRefused

ADA, BOB = person(1), person(2)
FILM, CAMERA = "/films/one.mp4", "rtsp://door/1"


def record(
    opened: Gallery,
    embedding: FloatArray,
    start: float,
    *,
    session: float = 1000.0,
    seconds: float = 2.0,
    quality: float = 0.7,
    identity: Identity | None = None,
    is_still: bool = False,
) -> None:
    """A track of the film, analysed from `session` on a hundred times as fast as it is shown."""
    summary = track(
        embedding,
        start=start,
        seconds=seconds,
        at=session + start / 100,
        quality=quality,
        identity=identity,
        source="film",
    )
    opened.record(summary, uri=FILM, session=session, is_still=is_still)


def watch(opened: Gallery, embedding: FloatArray, at: float, *, connection: float = 0.0) -> None:
    """A track of the camera, whose own time begins anew with each connection."""
    opened.record(track(embedding, start=at - connection, at=at), uri=CAMERA, is_live=True)


def names(opened: Gallery) -> list[str]:
    """In the order in which they were recorded."""
    return [one.name for one in sorted(opened.sightings(), key=lambda one: int(one.sighting_id[1:]))]


def weights(opened: Gallery) -> dict[int, float]:
    return {row["id"]: round(row["weight"], 6) for row in opened.database.rows("SELECT id, weight FROM unknowns")}


def test_tracks_that_are_visible_together_are_two_people(tmp_path: Path) -> None:
    """Of a film by its own time, of a camera by the clock's, whatever the connection; another run is another time."""
    with gallery(tmp_path) as opened:
        for number, start in enumerate((0.0, 1.0, 10.0)):
            record(opened, near(ADA, number), start)
        record(opened, near(ADA, 3), 0.5, session=2000.0)
        assert names(opened)[:3] == ["Unknown 1", "Unknown 2", "Unknown 1"]
        assert names(opened)[3] in ("Unknown 1", "Unknown 2")
        for number, (at, connection) in enumerate([(5000.0, 0.0), (5001.0, 4999.0), (5060.0, 5050.0)]):
            watch(opened, near(BOB, number), at, connection=connection)
        assert names(opened)[4:6] == ["Unknown 3", "Unknown 4"]
        assert names(opened)[6] in names(opened)[4:6]
        opened.cluster_again()
        assert len({*names(opened)[:2]}) == len({*names(opened)[4:6]}) == 2


def test_two_unknowns_become_one_as_evidence_grows_and_the_older_number_stays(tmp_path: Path) -> None:
    """The first look is far from the second, and the many later ones lie between them."""
    with gallery(tmp_path) as opened:
        for number, look in enumerate([near(ADA, 1, 0.65), near(ADA, 2, 0.65)]):
            record(opened, look, 10.0 * number, seconds=0.3)
        assert names(opened) == ["Unknown 1", "Unknown 2"]
        for number in range(6):
            record(opened, near(ADA, 10 + number, 0.9), 100 + 10.0 * number)
        opened.cluster_again()
        assert set(names(opened)) == {"Unknown 1"}
        record(opened, near(BOB, 1), 300.0)
        assert names(opened)[-1] == "Unknown 3", "no number is used twice"


def test_a_wrong_merge_is_undone_and_most_keep_the_number(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        for number, who in enumerate([ADA, ADA, ADA, BOB]):
            record(opened, near(who, number, 0.95), 10.0 * number)
        opened.database.write("UPDATE sightings SET unknown_id = 1")
        opened.cluster_again()
        assert names(opened) == [*["Unknown 1"] * 3, "Unknown 3"]
        before = names(opened), weights(opened)
        opened.cluster_again()
        assert (names(opened), weights(opened)) == before


def test_what_was_split_by_hand_stays_apart(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        record(opened, near(ADA, 1, 0.8), 0.0)
        record(opened, near(ADA, 2, 0.8), 10.0)
        assert opened.split_unknown("u1") == ["u1", "u2"]
        opened.cluster_again()
        assert names(opened) == ["Unknown 1", "Unknown 2"]


def test_a_film_that_is_done_again_changes_nothing(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        for session in (1000.0, 2000.0, 3000.0):
            for number, who in enumerate([ADA, BOB, ADA]):
                record(opened, near(who, number), 10.0 * number, session=session)
            opened.replace_sightings("film", FILM, (0.0, 60.0), before=session)
            opened.cluster_again()
            assert names(opened) == ["Unknown 1", "Unknown 2", "Unknown 1"]
            assert weights(opened) == {1: 2.8, 2: 1.4}


def test_what_is_left_after_retention_is_what_an_unknown_weighs(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        record(opened, near(ADA, 0), 0.0, session=1000.0)
        record(opened, near(ADA, 1), 0.0, session=2000.0)
        assert opened.prune(older_than_seconds=100, now=1500.0) == 1
        assert weights(opened) == {1: 1.4}


@pytest.mark.parametrize("is_still", [True, False])
def test_people_of_photographs_are_listed_and_passers_by_are_not(tmp_path: Path, *, is_still: bool) -> None:
    with gallery(tmp_path) as opened:
        record(opened, near(ADA, 0), 0.0, seconds=0.0, is_still=is_still)
        record(opened, near(BOB, 0), 0.0, seconds=0.0, is_still=is_still)
        assert [one.name for one in opened.unknowns()] == (["Unknown 1", "Unknown 2"] if is_still else [])


def test_of_two_visible_together_the_one_more_like_a_person_has_the_name(tmp_path: Path) -> None:
    """Whichever is recorded first."""
    for first, second, expected in ((0.6, 0.8, ["Unknown 1", "Ada"]), (0.8, 0.6, ["Ada", "Unknown 1"])):
        with gallery(tmp_path / str(first)) as opened:
            ada = add(opened, "Ada", ADA)
            for start, alike in ((0.0, first), (1.0, second)):
                record(opened, near(ADA, int(start), alike), start, identity=Identity(ada, "Ada", alike, 0.0))
            assert names(opened) == expected


def test_naming_an_unknown_leaves_out_who_is_seen_with_that_person(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        ada = add(opened, "Ada", ADA)
        record(opened, near(ADA, 0), 0.0, identity=Identity(ada, "Ada", 0.8, 0.0))
        for number, start in enumerate((1.0, 10.0, 20.0)):
            record(opened, near(BOB, number), start, identity=Identity(None, "unknown", 0.1, 0.0))
        opened.name_unknown("u1", "Ada")
        assert names(opened) == ["Ada", "Unknown 1", "Ada", "Ada"]
        with pytest.raises(NameRefused, match="Unknown 1 is always seen together with Ada"):
            opened.merge("Ada", "u1")
        opened.name_unknown("u1", "Bob")
        assert names(opened) == ["Ada", "Bob", "Ada", "Ada"]


def test_the_list_reads_an_index_alone_and_only_after_a_change(tmp_path: Path) -> None:
    """Hundreds of unknowns with tens of thousands of sightings are listed on every look at the page."""
    with gallery(tmp_path) as opened:
        opened.record(track(person(1), seconds=4.0), uri="a.mp4")
        statements: list[str] = []
        opened.database._connection.set_trace_callback(statements.append)
        assert [one.sightings for one in opened.unknowns()] == [1]
        (query,) = (statement for statement in statements if "GROUP BY" in statement)
        statements.clear()
        assert [one.sightings for one in opened.unknowns(all_of_them=True)] == [1]
        assert not any("GROUP BY" in statement for statement in statements)
        opened.record(track(near(person(1), 1), 2, seconds=4.0), uri="b.mp4")
        assert [one.sightings for one in opened.unknowns()] == [2]
        plan = [row["detail"] for row in opened.database.rows(f"EXPLAIN QUERY PLAN {query}")]
        assert "SEARCH sightings USING COVERING INDEX" in plan[0]


def test_sources_may_have_commas(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        opened.record(track(person(1), source="Smith, John.mp4", seconds=4.0), uri="Smith, John.mp4")
        assert [one.sources for one in opened.unknowns()] == [("Smith, John.mp4",)]
