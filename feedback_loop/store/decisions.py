"""Decisions: what people said of failure patterns, as facts, and the listings that show it.

Belongs here: SQL of `pattern_decisions`, and what a decision must be to be recorded. Rows are only ever added. Does not
belong here: how decisions combine (`feedback_loop/decisions.py`), and what the loop does about them.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.decisions import QUESTION, UNDECIDED, EffectiveDecisions, effective_decisions
from feedback_loop.errors import InputError, NotFoundError
from feedback_loop.records import Cause, DecisionKind, PatternDecision
from feedback_loop.redaction import redact, visible
from feedback_loop.store import patterns
from feedback_loop.store.tables import pattern_decisions
from feedback_loop.store.tickets import applications_by_key, load_tickets
from feedback_loop.tracker import Ticket

MAX_NAME, MAX_AUTHOR = 120, 80  # characters
_DECISIONS_LOCK = 0x666C_6465  # one decision at a time, so that two cannot close a circle of merges

_FIND = """
select application, pattern_id from feedback_loop.patterns where pattern_id = :name
union
select application, pattern_id from feedback_loop.tickets where ticket_key = :name or :name = any(old_keys)
order by 1, 2
"""

_LIST = """
select d.application, d.pattern_id, p.name, t.ticket_key, d.decision, d.value, d.author, d.decided_at
from feedback_loop.pattern_decisions d
left join feedback_loop.patterns p on (p.application, p.pattern_id) = (d.application, d.pattern_id)
left join feedback_loop.tickets t on (t.application, t.pattern_id) = (d.application, d.pattern_id)
where cast(:application as text) is null or d.application = :application
order by d.decided_at, d.application, d.pattern_id, d.decision
"""


def load_decisions(
    conn: Connection, application: str | None = None, before: datetime | None = None
) -> list[PatternDecision]:
    """Recorded decisions, oldest first.

    Args:
        conn: inside the caller's transaction.
        application: of this one only.
        before: only what was decided before this time. The loop passes None: decisions correct what a pattern is, so
            every week honours all of them, also one from before they were made.
    """
    query = sa.select(pattern_decisions).order_by(
        pattern_decisions.c.decided_at, *(pattern_decisions.c[k] for k in ("application", "pattern_id", "decision"))
    )
    if application is not None:
        query = query.where(pattern_decisions.c.application == application)
    if before is not None:
        query = query.where(pattern_decisions.c.decided_at < before)
    return [PatternDecision(**row) for row in conn.execute(query).mappings()]


def load_effective(conn: Connection, application: str | None = None) -> dict[str, EffectiveDecisions]:
    """What counts, by application; one that nobody decided anything about is absent."""
    said: dict[str, list[PatternDecision]] = {}
    for decision in load_decisions(conn, application):
        said.setdefault(decision.application, []).append(decision)
    return {name: effective_decisions(of) for name, of in said.items()}


def speaking_tickets(conn: Connection, decided: Mapping[str, EffectiveDecisions]) -> dict[tuple[str, str], Ticket]:
    """(application, pattern that stays) -> the ticket that speaks for it, in applications with decisions."""
    tickets = load_tickets(conn)
    return {
        (application, stays): ticket
        for application, of in decided.items()
        for stays, ticket in of.speaking_tickets(t for t in tickets if t.application == application).items()
    }


def find_pattern(conn: Connection, name: str, application: str | None = None) -> tuple[str, str]:
    """The (application, pattern_id) that people mean.

    Args:
        conn: inside the caller's transaction.
        name: pattern id or ticket key, also one that the ticket had before it was moved.
        application: where to look; None for everywhere.

    Raises:
        NotFoundError: there is no such pattern or ticket.
        InputError: several applications have a pattern of that id.
    """
    found = [(row[0], row[1]) for row in conn.execute(sa.text(_FIND), {"name": _plain(name)})]
    inside = [pair for pair in found if application is None or pair[0] == application]
    if not inside:
        elsewhere = f"; it belongs to {', '.join(a for a, _ in found)}" if found else ""
        where = "" if application is None else f" in application {application!r}"
        raise NotFoundError(f"no pattern or ticket is called {_plain(name)!r}{where}{elsewhere}")
    if len(inside) > 1:
        names = ", ".join(a for a, _ in inside)
        raise InputError(
            f"{_plain(name)!r} is a pattern of several applications ({names}): say which with --application"
        )
    return inside[0]


def applications_of(conn: Connection, names: Sequence[str], application: str | None = None) -> dict[str, str]:
    """Ticket key or pattern id -> its application; those that nothing is called are absent.

    Args:
        conn: inside the caller's transaction.
        names: as people say them.
        application: where patterns are looked for; None for everywhere.

    Raises:
        InputError: several applications have a pattern of one of these ids.
    """
    by_key = applications_by_key(conn)
    found = {name: by_key[name] for name in names if name in by_key}
    for name in set(names) - found.keys():
        with suppress(NotFoundError):
            found[name] = find_pattern(conn, name, application)[0]
    return found


def decide(
    conn: Connection,
    name: str,
    decision: DecisionKind,
    value: str | None = None,
    *,
    author: str,
    decided_at: datetime,
    application: str | None = None,
) -> tuple[PatternDecision, bool]:
    """Record what a person says of a pattern; saying again what counts already records nothing.

    Args:
        conn: in a transaction.
        name: pattern id or ticket key.
        decision: kind.
        value: merge: id or ticket key of the pattern that stays; rename: the name; cause: the cause; else None.
        author: who says so.
        decided_at: when, with a time zone.
        application: where an id alone is ambiguous.

    Returns:
        The decision with everything resolved, and whether it is new.

    Raises:
        NotFoundError: there is no such pattern or ticket.
        InputError: the decision makes no sense; says why.
        ValueError: the time has no zone.
    """
    if decided_at.tzinfo is None:
        raise ValueError(f"a decision needs a time with a zone, got {decided_at}")
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_DECISIONS_LOCK)))
    application, pattern_id = find_pattern(conn, name, application)
    meant = _meant(conn, application, decision, value)
    writer = _shown(author, "the author", MAX_AUTHOR)  # a name, kept as it is: it says whom to ask
    new = PatternDecision(application, pattern_id, decision, meant, writer, decided_at)
    said = load_decisions(conn, application)
    _check_stays(conn, new, effective_decisions(said))
    before = [d for d in said if _answers_the_same(d, new)]
    counts = (before[-1].decision, before[-1].value) if before else ("unmute", None)  # nothing said is not muted
    if counts == (decision, meant):
        return (before[-1] if before else new), False
    if before and before[-1].decided_at >= decided_at:
        latest = f"{before[-1].decided_at:%Y-%m-%d %H:%M:%S} UTC by {before[-1].author}"
        raise InputError(f"{_plain(name)}: there is a later decision, of {latest}; is the clock of this machine right?")
    _check_merge(conn, new, said)
    conn.execute(pattern_decisions.insert(), asdict(new))
    return new, True


def _answers_the_same(one: PatternDecision, other: PatternDecision) -> bool:
    return (one.pattern_id, QUESTION[one.decision]) == (other.pattern_id, QUESTION[other.decision])


def _meant(conn: Connection, application: str, decision: DecisionKind, value: str | None) -> str | None:
    """The value as it is stored."""
    if decision in ("mute", "unmute"):
        return None
    if decision == "merge":
        return find_pattern(conn, value or "", application)[1]
    if decision == "cause" and value not in get_args(Cause):
        raise InputError(f"{value!r} is no cause; it is one of {', '.join(get_args(Cause))}")
    return _shown(redact(value or ""), "the name", MAX_NAME)


def _check_stays(conn: Connection, new: PatternDecision, decided: EffectiveDecisions) -> None:
    """Of a merged pattern nothing can be said but where it is merged.

    Raises:
        InputError: something else is said of one.
    """
    if new.decision != "merge" and new.pattern_id in decided.merges:
        pattern, end = (_label(conn, new.application, p) for p in (new.pattern_id, decided.stays(new.pattern_id)))
        raise InputError(f"{pattern} was merged into {end} and counts there: say it of {end}")


def _check_merge(conn: Connection, new: PatternDecision, said: Sequence[PatternDecision]) -> None:
    """A merge leads to another pattern, closes no circle and hides no mute.

    Raises:
        InputError: it does not.
    """
    if new.decision != "merge":
        return
    decided = effective_decisions(said)
    pattern, into = (_label(conn, new.application, p) for p in (new.pattern_id, str(new.value)))
    if new.value == new.pattern_id:
        raise InputError(f"{pattern} cannot be merged into itself")
    if set(effective_decisions([*said, new]).merges) != {*decided.merges, new.pattern_id}:  # a circle voids a merge
        raise InputError(f"{pattern} cannot be merged into {into}: {into} was itself merged into {pattern}")
    for pattern_id, label in ((new.pattern_id, pattern), (str(new.value), into)):
        if decided.is_muted(pattern_id):
            raise InputError(f"{label} is muted, and a merge would spread or end that unseen: unmute it first")


def _label(conn: Connection, application: str, pattern_id: str) -> str:
    """What people call a pattern: by its ticket, where it has one."""
    keys = [t.ticket_key for t in load_tickets(conn, application, [pattern_id])]
    return (keys[0] if keys else None) or pattern_id


def _plain(text: str) -> str:
    """One line that shows everything it holds; bytes that are no UTF-8 become question marks."""
    return visible(text.encode("utf-8", "replace").decode())


def _shown(text: str, what: str, max_chars: int) -> str:
    """Text of a person as it is kept.

    Raises:
        InputError: nothing of it can be seen.
    """
    shown = visible(_plain(text), max_chars)
    if not shown:
        raise InputError(f"{what} is empty")
    return shown


def list_decisions(conn: Connection, application: str | None = None) -> list[dict[str, Any]]:
    """Every decision with its pattern and whether it counts now, oldest first."""
    rows = [dict(row) for row in conn.execute(sa.text(_LIST), {"application": application}).mappings()]
    decided = load_effective(conn, application)
    newest = {(r["application"], r["pattern_id"], QUESTION[r["decision"]]): r["decided_at"] for r in rows}
    for row in rows:
        pattern_id, of = row["pattern_id"], decided.get(row["application"], UNDECIDED)
        is_newest = newest[row["application"], pattern_id, QUESTION[row["decision"]]] == row["decided_at"]
        row["counts"] = is_newest and (row["decision"] != "merge" or pattern_id in of.merges)
        row["name"] = of.names.get(pattern_id, row["name"])
    return rows


def list_patterns(conn: Connection, application: str | None = None) -> list[dict[str, Any]]:
    """`patterns.list_patterns` as people decided: names, causes, tickets, and what is muted or merged."""
    rows, decided = patterns.list_patterns(conn, application), load_effective(conn, application)
    speaking = speaking_tickets(conn, decided)
    for row in rows:
        of, pattern_id = decided.get(row["application"], UNDECIDED), row["pattern_id"]
        cause = of.causes.get(pattern_id, row["likely_cause"])
        if cause != row["likely_cause"]:
            row |= {"likely_cause": cause, "suggested_fix": ""}
        ticket = speaking.get((row["application"], pattern_id))
        row |= {
            "name": of.names.get(pattern_id, row["name"]),
            "ticket_key": row["ticket_key"] or (ticket.ticket_key if ticket else None),
            "is_muted": of.is_muted(pattern_id),
            "merged_into": of.merges.get(pattern_id),
        }
    return rows


def with_names(
    conn: Connection, rows: Sequence[Mapping[str, Any]], key: str, application: str | None = None
) -> list[dict[str, Any]]:
    """Rows of another listing with the names that people gave their patterns, under `key`."""
    decided = load_effective(conn, application)
    names = {(a, pattern_id): name for a, of in decided.items() for pattern_id, name in of.names.items()}
    return [{**row, key: names.get((row["application"], row["pattern_id"]), row[key])} for row in rows]
