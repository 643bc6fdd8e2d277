"""Attributes sightings: an ended track goes to a person or an unknown, and an unknown gets a name.

Each is one transaction. The pipeline's decision stands where its person still exists; where it decided nothing, the
whole track is compared with all people.
"""

from __future__ import annotations

import numpy as np

from stages.identify.roster import Roster
from stages.identify.rule import NamingRule
from stages.tracks.summary import TrackSummary
from visage.people.binding import GalleryBinding
from visage.people.clustering import Span, TrackPoint, seen_with
from visage.people.correction_rule import Anchor, Fact, SeenTrack, ruling
from visage.people.corrections import ANCHORED, Corrections
from visage.people.database import Database, Row
from visage.people.errors import NameRefused
from visage.people.names import clean_name
from visage.people.person_store import PersonStore, number_of
from visage.people.recording_time import RecordingTime
from visage.people.records import StoredPerson
from visage.people.sightings import Sightings
from visage.people.unknowns import TRACKS, Unknowns, point_of, seen_together, span_of, weight_of
from visage.people.vectors import VectorCodec

__all__ = ["Attribution"]

BEST_SIGHTINGS = 3
"""An unknown who is named is recognised by so many of their best tracks."""


class Attribution:
    """Attributes the sightings of one gallery. Safe from any thread."""

    def __init__(
        self,
        database: Database,
        codec: VectorCodec,
        own: GalleryBinding,
        roll: PersonStore,
        unknowns: Unknowns,
        sightings: Sightings,
        corrections: Corrections,
    ) -> None:
        self._database = database
        self._codec = codec
        self._cipher = own.cipher
        self._rule = NamingRule(own.threshold, own.margin)
        self._roll = roll
        self._unknowns = unknowns
        self._sightings = sightings
        self._corrections = corrections

    def record(
        self,
        track: TrackSummary,
        roster: Roster,
        *,
        uri: str,
        is_live: bool = False,
        is_still: bool = False,
        session: float | None = None,
        crop: bytes | None = None,
        recorded: RecordingTime | None = None,
    ) -> None:
        """See `Gallery.record`. `roster`: the people whom a track without a decision is compared with."""
        try:
            with self._database.transaction():
                span = _span(track, uri, is_live, session)
                facts = self._facts(track, uri, is_live)
                said = ruling(facts)
                person, similarity = self._person(track, roster)
                is_ignored = said.is_ignored
                if said.person is not None or not said.allows(person):
                    person, similarity = said.person, None
                if said.person is not None:
                    self._take_name(span, said.person)
                else:
                    person, similarity = self._alone(span, person, similarity)
                    is_ignored = is_ignored or (person is None and not facts and self._looks_ignored(track))
                unknown = None
                if person is None and not is_ignored and track.embedding is not None:
                    weight = weight_of(track.best_quality, track.end_seconds - track.start_seconds)
                    point = TrackPoint(span, track.embedding, weight, said.apart)
                    unknown = self._unknowns.assign(point, excluded=self._corrections.apart_from(said.apart))
                number = self._sightings.add(
                    track,
                    uri=uri,
                    is_live=is_live,
                    is_still=is_still,
                    session=session,
                    person=person,
                    unknown=unknown,
                    similarity=similarity,
                    crop=crop,
                    recorded=recorded,
                    is_ignored=is_ignored,
                )
                for fact in facts:
                    (row,) = self._database.rows(f"{ANCHORED} WHERE id = ?", [number])
                    self._corrections.link(fact.number, row)
        except BaseException:
            self._unknowns.reload()  # its clusters may hold what was rolled back
            raise

    def name_unknown(self, who: str, name: str) -> StoredPerson:
        """See `Gallery.name_unknown`."""
        name = clean_name(name)
        with self._database.transaction():
            number = self._unknowns.key(who)
            row = self._database.row("SELECT id FROM people WHERE name = ?", [name])
            key = self._roll.create(name) if row is None else int(row["id"])
            own = self._not_seen_with(number, key, name)
            best = sorted((row for row in own if row["embedding"] is not None), key=lambda row: -row["quality"])
            for sighting in best[:BEST_SIGHTINGS]:
                crop = self._sightings.crop(sighting["id"])
                vector = self._codec.decode(sighting["embedding"])
                self._roll.add_embedding(
                    key, vector, origin=f"sighting s{sighting['id']}", quality=sighting["quality"], crop=crop
                )
            self._database.write_many(
                "UPDATE sightings SET person_id = ?, unknown_id = NULL, is_indexed = 0 WHERE id = ?",
                [(key, row["id"]) for row in own],
            )
            self._unknowns.refresh([number])
            self._database.audit("name", f"u{number}", f"p{key}")
        return self._roll.person(f"p{key}")

    def _not_seen_with(self, number: int, key: int, name: str) -> list[Row]:
        """The tracks of an unknown that may be that person's: none that was visible together with one of theirs."""
        own = self._database.rows(f"{TRACKS} WHERE unknown_id = ? ORDER BY id", [number])
        theirs = self._database.rows(f"{TRACKS} WHERE person_id = ?", [key])
        together = seen_with([span_of(row) for row in own], [span_of(row) for row in theirs])
        alone = [row for row, is_together in zip(own, together, strict=True) if not is_together]
        if own and not alone:
            raise NameRefused(f"Unknown {number} is always seen together with {name}: they are two people")
        left = [row for row in alone if ruling(self._corrections.of_sighting(row["id"])).allows(key)]
        if own and not left:
            raise NameRefused(f"Unknown {number} was said not to be {name}; `visage people history` lists who said it")
        return left

    def _facts(self, track: TrackSummary, uri: str, is_live: bool) -> list[Fact]:
        """The corrections about a track."""
        if not self._corrections.are_there():
            return []
        begin = track.started_at - track.start_seconds if is_live else 0.0
        content = None if is_live else self._corrections.content_of(uri)
        box = tuple(float(side) for side in track.best_box_xyxy)
        embedding = None if track.embedding is None else self._codec.normalised(track.embedding)
        anchor = Anchor(uri, content, begin + track.best_seconds, box, embedding)
        seen = SeenTrack(anchor, begin + track.start_seconds, begin + track.end_seconds)
        return self._corrections.about(seen)

    def _looks_ignored(self, track: TrackSummary) -> bool:
        """Return whether a face without a name resembles one that is to be ignored."""
        if track.embedding is None:
            return False
        ignored = self._corrections.ignored_faces()
        return bool(len(ignored)) and float(np.max(ignored @ track.embedding)) >= self._rule.threshold

    def _take_name(self, span: Span, person: int) -> None:
        """Who was visible together with a person is not that person, unless somebody said so too."""
        for row in seen_together(self._database, span):
            if row["person_id"] == person and row["similarity"] is not None:
                self._unname(row)

    def _person(self, track: TrackSummary, roster: Roster) -> tuple[int | None, float | None]:
        """Whom the pipeline took it for, if still there; where it did not ask, whom the whole track is like."""
        identity = track.identity
        decided = None if identity is None else self._existing(identity.person_id)
        if identity is not None and decided is not None:
            return decided, identity.similarity
        if track.embedding is None or (identity is not None and identity.person_id is None):
            return None, None
        found = roster.closest(track.embedding[None])
        similarity, runner_up = float(found.similarity[0]), float(found.runner_up[0])
        if not self._rule.names(similarity, runner_up, samples=track.embeddings):
            return None, None
        key = self._existing(roster.people[found.best[0]].person_id)
        return (None, None) if key is None else (key, similarity)

    def _alone(self, span: Span, person: int | None, similarity: float | None) -> tuple[int | None, float | None]:
        """The same, unless somebody more like the person was visible at the same time.

        Those who are less like that person lose the name: two faces in one frame are two people.
        """
        if person is None or similarity is None:
            return None, None
        others = [row for row in seen_together(self._database, span) if row["person_id"] == person]
        if any(row["similarity"] is None or row["similarity"] >= similarity for row in others):
            return None, None
        for row in others:
            self._unname(row)
        return person, similarity

    def _unname(self, row: Row) -> None:
        """Take the name from a sighting, a row of `TRACKS`, which becomes an unknown's."""
        self._database.write(
            "UPDATE sightings SET person_id = NULL, similarity = NULL, is_indexed = 0 WHERE id = ?", [row["id"]]
        )
        if row["embedding"] is not None:
            unknown = self._unknowns.assign(point_of(row, self._codec.decode(row["embedding"])))
            self._database.write("UPDATE sightings SET unknown_id = ? WHERE id = ?", [unknown, row["id"]])

    def _existing(self, person_id: str | None) -> int | None:
        """The number in a person's id; None for one who is gone."""
        number = None if person_id is None else number_of(person_id, "p")
        is_there = number is not None and self._database.row("SELECT 1 FROM people WHERE id = ?", [number]) is not None
        return number if is_there else None


def _span(track: TrackSummary, uri: str, is_live: bool, session: float | None) -> Span:
    """When a track was visible."""
    if is_live:
        return Span((uri, None), track.started_at, track.started_at + track.end_seconds - track.start_seconds)
    return Span(None if session is None else (uri, session), track.start_seconds, track.end_seconds)
