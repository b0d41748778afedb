"""Forgetting a person: every row, text, vector and quote of theirs, in one transaction.

Belongs here: where a person can be found, and what takes the place of what they said. Does not belong here: hashing
their id (`redaction`), asking for confirmation (`privacy_cli.py`), and the age of rows (`retention.py`).

What they said is found by its own words where no id leads to it: in names and cards of patterns, in tickets, in cached
replies of models. A pattern keeps its id and its counts; another member takes the place of their words in it, and where
there is none the pattern remembers one text less.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.store import tables
from feedback_loop.store.vectors import text_hash

REMOVED = "(removed at a user's request)"
_SHORTEST = 15  # characters of words that are known again as a person's own
_PART = re.compile(r"[“”\"„…\n]|: ")
_BLANKS = re.compile(r"\s+")

_OF_EVENTS = (
    tables.negative_feedback,
    tables.failure_descriptions,
    tables.pattern_memberships,
    tables.detections,
    tables.detector_audits,
    tables.feedback_exclusions,
    tables.written_scores,
)

_EVENTS = """
    select interaction_id, application, user_hash = :user as is_own from feedback_loop.interactions
    where user_hash = :user
    union
    select f.interaction_id, coalesce(i.application, 'default'), i.user_hash is not distinct from f.user_hash
    from feedback_loop.feedback f left join feedback_loop.interactions i using (interaction_id)
    where f.user_hash = :user
    union
    select interaction_id, application, false from feedback_loop.negative_feedback where user_hash = :user
    union
    select interaction_id, application, false from feedback_loop.feedback_exclusions where user_hash = :user
"""
_WORDS = """
    select unnest(array[user_input, output]) from feedback_loop.interactions where interaction_id = any(:own)
    union
    select unnest(array[comment, edited_output, preferred_output]) from feedback_loop.feedback
    where user_hash = :user or interaction_id = any(:own)
    union
    select unnest(array[description, failure_text, subject_text, sentence]) from feedback_loop.failure_descriptions
    where interaction_id = any(:events)
"""
_TEXTS = """
    select unnest(array[description, failure_text, subject_text, sentence]) from feedback_loop.failure_descriptions
    where interaction_id = any(:events)
"""
_REPLACEMENTS = """
    select m.interaction_id, d.failure_text, d.subject_text, d.sentence, d.description, m.week
    from feedback_loop.pattern_memberships m
    join feedback_loop.failure_descriptions d using (application, week, interaction_id)
    where m.application = :application and m.pattern_id = :pattern_id and not m.is_inferred and not d.is_inferred
      and m.interaction_id <> all(:events)
    order by m.similarity desc, m.interaction_id
"""

Exemplar = dict[str, Any]


@dataclass
class Forgotten:
    """What was found of a person and is gone.

    Attributes:
        n_deleted: table -> rows deleted.
        n_cleaned: table -> rows in which their words were replaced.
        tickets: keys of tickets that quoted them; what a tracker holds is not changed.
    """

    n_deleted: dict[str, int] = field(default_factory=dict)
    n_cleaned: dict[str, int] = field(default_factory=dict)
    tickets: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Nothing was known of them."""
        return not (sum(self.n_deleted.values()) or sum(self.n_cleaned.values()))


@dataclass(frozen=True)
class _Person:
    """Where a person is: their hash, interactions, all events that they spoke on, applications, and their words."""

    user_hash: str
    own: list[str]
    events: list[str]
    applications: list[str]
    words: str

    def said(self, text: str) -> bool:
        """Whether a text quotes them: a part of it, between quotation marks, is in what they said."""
        parts = (_plain(part) for part in _PART.split(text))
        return any(len(part) >= _SHORTEST and part in self.words for part in parts)


def forget(conn: Connection, user_hash: str) -> Forgotten:
    """Delete a person everywhere; doing it again finds nothing.

    Args:
        conn: in a transaction; roll it back to see what would be deleted.
        user_hash: from `redaction.hash_user`.

    Raises:
        DatabaseUnavailable: the connection was lost; nothing is deleted.
    """
    person, done = _find(conn, user_hash), Forgotten()
    _clean_patterns(conn, person, done)
    _clean_documents(conn, person, done)
    _delete_vectors(conn, person, done)
    for table in _OF_EVENTS:
        _delete(conn, done, table, table.c.interaction_id, person.events)
    for table in (tables.evaluations, tables.feedback, tables.interactions):
        _delete(conn, done, table, table.c.interaction_id, person.own)
    theirs = conn.execute(tables.feedback.delete().where(tables.feedback.c.user_hash == user_hash)).rowcount
    done.n_deleted["feedback"] += theirs
    rejected = tables.rejected_records
    by_hash = sa.func.strpos(rejected.c.record, user_hash) > 0
    by_key = rejected.c.record_key == sa.func.any(sa.cast(person.events, sa.ARRAY(sa.Text)))
    done.n_deleted["rejected_records"] = conn.execute(rejected.delete().where(by_hash | by_key)).rowcount
    return done


def _find(conn: Connection, user_hash: str) -> _Person:
    found = conn.execute(sa.text(_EVENTS), {"user": user_hash}).all()
    own = sorted({row.interaction_id for row in found if row.is_own})
    events = sorted({row.interaction_id for row in found})
    names = {"user": user_hash, "own": own, "events": events}
    said = conn.execute(sa.text(_WORDS), names).scalars()
    words = "\n".join(sorted({_plain(text) for text in said if text}))
    return _Person(user_hash, own, events, sorted({row.application for row in found}), words)


def _plain(text: str) -> str:
    return _BLANKS.sub(" ", text).strip().casefold()


def _delete(conn: Connection, done: Forgotten, table: sa.Table, column: sa.Column[Any], ids: Sequence[str]) -> None:
    """Rows by ids, as one array: SQLAlchemy's `in_` would render a parameter for each."""
    which = column == sa.func.any(sa.cast(list(ids), sa.ARRAY(sa.Text)))
    done.n_deleted[table.name] = conn.execute(table.delete().where(which)).rowcount


def _delete_vectors(conn: Connection, person: _Person, done: Forgotten) -> None:
    """Vectors of their texts; where others said the very same it is made again when it is needed."""
    texts = set(conn.execute(sa.text(_TEXTS), {"events": person.events}).scalars())
    hashes = sorted(text_hash(text) for text in texts if text)
    query = sa.text("delete from feedback_loop.text_vectors where text_hash = any(:hashes)")
    done.n_deleted["text_vectors"] = conn.execute(query, {"hashes": hashes}).rowcount


def _clean_patterns(conn: Connection, person: _Person, done: Forgotten) -> None:
    """Exemplars, names and descriptions, in every week's memory and in every frozen detector."""
    states, detectors = tables.pattern_states, tables.detectors
    of_person = states.c.application == sa.func.any(sa.cast(person.applications, sa.ARRAY(sa.Text)))
    n_states = 0
    for row in conn.execute(sa.select(states).where(of_person)).mappings().all():
        clean = _clean_state(conn, person, row["application"], dict(row))
        if clean is not None:
            key = [states.c[name] == row[name] for name in ("application", "week", "pattern_id")]
            conn.execute(states.update().where(*key).values(clean))
            n_states += 1
    of_person = detectors.c.application == sa.func.any(sa.cast(person.applications, sa.ARRAY(sa.Text)))
    n_detectors = 0
    for row in conn.execute(sa.select(detectors).where(of_person)).mappings().all():
        changes = [_clean_state(conn, person, row["application"], state) for state in row["snapshot"]]
        if any(changes):
            snapshot = [state | (change or {}) for state, change in zip(row["snapshot"], changes, strict=True)]
            key = [detectors.c[name] == row[name] for name in ("application", "detector_version")]
            conn.execute(detectors.update().where(*key).values(snapshot=snapshot))
            n_detectors += 1
    done.n_cleaned |= {"pattern_states": n_states, "detectors": n_detectors}


def _clean_state(conn: Connection, person: _Person, application: str, state: dict[str, Any]) -> dict[str, Any] | None:
    """What changes of a pattern's state; None where nothing of it is theirs."""
    gone = set(person.events)
    changes: dict[str, Any] = {}
    exemplars = [e for e in state["exemplars"] if e["interaction_id"] not in gone]
    n_missing = len(state["exemplars"]) - len(exemplars)
    if n_missing:
        known = {e["text"] for e in exemplars}
        others = _others(conn, person, application, state["pattern_id"], known)
        exemplars += [other for other, _ in zip(others, range(n_missing), strict=False)]
        changes["exemplars"] = exemplars
    quote = next((e["quote"] for e in exemplars if e["quote"]), REMOVED)
    for name in ("name", "description", "suggested_fix"):
        if person.said(state[name]):
            changes[name] = _without(person, state[name], quote[:80] if name == "name" else quote)
    return changes or None


def _others(
    conn: Connection, person: _Person, application: str, pattern_id: str, known: set[str]
) -> Iterator[Exemplar]:
    """Other members of a pattern, nearest first, each text once, as exemplars."""
    names = {"application": application, "pattern_id": pattern_id, "events": person.events}
    seen = set(known)
    for row in conn.execute(sa.text(_REPLACEMENTS), names).mappings().all():
        if row["failure_text"] not in seen:
            seen.add(row["failure_text"])
            yield {
                "interaction_id": row["interaction_id"],
                "text": row["failure_text"],
                "subject": row["subject_text"],
                "quote": row["description"],
                "sentence": row["sentence"],
            }


def _without(person: _Person, text: str, instead: str) -> str:
    """A text with another quote in place of the person's."""
    pieces = re.split(f"({_PART.pattern})", text)
    return "".join(instead if person.said(piece) else piece for piece in pieces)


def _clean_documents(conn: Connection, person: _Person, done: Forgotten) -> None:
    """Texts that others made of theirs: cards, tickets and what is said in them, requests to models and replies."""

    def removed(text: str) -> str:
        return _without(person, text, REMOVED) if person.said(text) else text

    said_of_cards = ("name", "description", "suggested_fix", "severity_reason")
    n_cards = _update_each(conn, person, tables.pattern_cards, said_of_cards, removed)
    cards = tables.pattern_cards
    for name in ("evidence_ids", "shown_ids"):
        for event in person.events:
            conn.execute(
                cards.update()
                .where(sa.literal(event) == sa.func.any(cards.c[name]))
                .values({name: sa.func.array_remove(cards.c[name], event)})
            )
    quoted = _quoting_tickets(conn, person)
    done.tickets = sorted(quoted)
    done.n_cleaned |= {
        "pattern_cards": n_cards,
        "tickets": _update_each(conn, person, tables.tickets, ("title", "body"), removed),
        "ticket_events": _update_each(conn, person, tables.ticket_events, ("body",), removed),
        "pattern_judgements": _update_each(conn, person, tables.pattern_judgements, ("reason",), removed),
        "llm_batches": _update_each(conn, person, tables.llm_batches, ("requests",), removed),
    }
    replies, n_replies = tables.llm_replies, 0
    for row in _rows_of(conn, person, replies):
        if _map(row["reply"], removed) != row["reply"]:
            key = (replies.c.application == row["application"]) & (replies.c.request_hash == row["request_hash"])
            n_replies += conn.execute(replies.delete().where(key)).rowcount
    done.n_deleted["llm_replies"] = n_replies


def _quoting_tickets(conn: Connection, person: _Person) -> set[str]:
    return {
        row["ticket_key"] or row["pattern_id"]
        for row in _rows_of(conn, person, tables.tickets)
        if any(person.said(text) for text in _strings([row["title"], row["body"]]))
    }


def _rows_of(conn: Connection, person: _Person, table: sa.Table) -> Sequence[Any]:
    of_person = table.c.application == sa.func.any(sa.cast(person.applications, sa.ARRAY(sa.Text)))
    return conn.execute(sa.select(table).where(of_person)).mappings().all()


def _update_each(
    conn: Connection, person: _Person, table: sa.Table, names: Sequence[str], clean: Callable[[str], str]
) -> int:
    """Apply `clean` to every string in these columns; returns how many rows changed."""
    n_changed = 0
    for row in _rows_of(conn, person, table):
        changes = {name: _map(row[name], clean) for name in names}
        if any(changes[name] != row[name] for name in names):
            key = [column == row[column.name] for column in table.primary_key.columns]
            conn.execute(table.update().where(*key).values(changes))
            n_changed += 1
    return n_changed


def _map(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_map(item, clean) for item in value]
    if isinstance(value, dict):
        return {key: _map(item, clean) for key, item in value.items()}
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        yield from _strings(item)
