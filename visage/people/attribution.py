"""Whom sightings belong to: a track that ended goes to a person or an unknown, and an unknown gets a name.

Each is one transaction. The pipeline's decision stands where its person still exists; where it decided nothing, the
whole track is compared with everybody.
"""

from __future__ import annotations

from stages.identify.roster import Roster
from stages.identify.rule import NamingRule
from stages.tracks.summary import TrackSummary
from visage.people.binding import GalleryBinding
from visage.people.database import Database
from visage.people.names import clean_name
from visage.people.person_store import PersonStore, number_of
from visage.people.recording_time import RecordingTime
from visage.people.records import StoredPerson
from visage.people.sightings import Sightings
from visage.people.unknowns import Unknowns
from visage.people.vectors import VectorCodec

__all__ = ["Attribution"]

BEST_SIGHTINGS = 3
"""An unknown who is named is recognised by so many of their best tracks."""

MIN_WEIGHT = 0.05
"""Of quality and of seconds: a track of one poor frame still moves its cluster a little."""


class Attribution:
    """Decides for one gallery. Safe from several threads."""

    def __init__(
        self,
        database: Database,
        codec: VectorCodec,
        own: GalleryBinding,
        roll: PersonStore,
        unknowns: Unknowns,
        sightings: Sightings,
    ) -> None:
        self._database = database
        self._codec = codec
        self._cipher = own.cipher
        self._rule = NamingRule(own.threshold, own.margin)
        self._roll = roll
        self._unknowns = unknowns
        self._sightings = sightings

    def record(
        self,
        track: TrackSummary,
        roster: Roster,
        *,
        uri: str,
        is_live: bool = False,
        crop: bytes | None = None,
        recorded: RecordingTime | None = None,
    ) -> None:
        """See `Gallery.record`. `roster`: the people whom a track without a decision is compared with."""
        try:
            with self._database.transaction():
                person, similarity = self._person(track, roster)
                unknown = None
                if person is None and track.embedding is not None:
                    seconds = track.end_seconds - track.start_seconds
                    weight = max(track.best_quality, MIN_WEIGHT) * max(seconds, MIN_WEIGHT)
                    unknown = self._unknowns.assign(track.embedding, weight)
                self._sightings.add(
                    track,
                    uri=uri,
                    is_live=is_live,
                    person=person,
                    unknown=unknown,
                    similarity=similarity,
                    crop=crop,
                    recorded=recorded,
                )
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
            best = self._database.rows(
                "SELECT * FROM sightings WHERE unknown_id = ? AND embedding IS NOT NULL ORDER BY quality DESC LIMIT ?",
                [number, BEST_SIGHTINGS],
            )
            for sighting in best:
                crop = None if sighting["crop"] is None else self._cipher.decrypt(sighting["crop"])
                vector = self._codec.decode(sighting["embedding"])
                self._roll.add_embedding(
                    key, vector, origin=f"sighting s{sighting['id']}", quality=sighting["quality"], crop=crop
                )
            self._database.write(
                "UPDATE sightings SET person_id = ?, unknown_id = NULL, is_indexed = 0 WHERE unknown_id = ?",
                [key, number],
            )
            self._unknowns.remove(number)
            self._database.audit("name", f"u{number}", f"p{key}")
        return self._roll.person(f"p{key}")

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

    def _existing(self, person_id: str | None) -> int | None:
        """The number in a person's id; None for one who is gone."""
        number = None if person_id is None else number_of(person_id, "p")
        is_there = number is not None and self._database.row("SELECT 1 FROM people WHERE id = ?", [number]) is not None
        return number if is_there else None
