"""Small made-up traffic for the tests of the loop, imported through the real importer.

Belongs here: records, and a few failures in users' words. Does not belong here: Dagster (`defs/world.py`), which takes
seconds to import, and anything a test asserts.
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine

from feedback_loop.intake.importing import ImportSummary, import_paths

Record = dict[str, Any]
KEY = b"k" * 32
APPLICATION = "shop"
W1, W2, W3, W4, W5, W6, W7, W8 = (date(2026, 1, 5) + timedelta(weeks=n) for n in range(8))

_SAID = {
    "language": (
        "answered in English although I wrote in {slot}",
        "why does it reply in English, my question was in {slot}",
        "wrong language again: I asked in {slot} and got English",
        "please answer in {slot}, not in English",
        "I wrote {slot} and the reply language was English",
        "English answer to a {slot} question, wrong language",
    ),
    "link": (
        "the link to the {slot} page is broken",
        "broken link, the {slot} page shows error 404",
        "clicking the {slot} link gives page not found",
        "the {slot} link leads to a missing page, 404",
        "dead link for {slot}, page not found",
        "404 page not found when I open the {slot} link",
    ),
    "sum": (
        "the total of my {slot} invoice was added up wrong",
        "wrong sum: the {slot} amounts do not add up to that total",
        "it miscalculated the invoice total for {slot}",
        "the {slot} amounts add up to something else, total is wrong",
        "arithmetic mistake in the {slot} invoice total",
        "invoice total for {slot} calculated wrong",
    ),
}
_SLOTS = {
    "language": ("French", "German", "Spanish", "Polish", "Danish", "Italian", "Czech"),
    "link": ("returns", "warranty", "account", "delivery", "refund", "contact", "settings"),
    "sum": ("March", "April", "printer", "travel", "phone", "office", "server"),
}


def said(kind: str, n: int) -> str:
    """The n-th way of saying it; 42 distinct ones per kind."""
    templates, slots = _SAID[kind], _SLOTS[kind]
    return templates[n % len(templates)].format(slot=slots[n // len(templates) % len(slots)])


def at(day: date, hour: float = 12) -> str:
    """RFC 3339 of an hour of a day."""
    return (datetime.combine(day, time(), tzinfo=UTC) + timedelta(hours=hour)).isoformat()


def make_interaction(interaction_id: str, occurred_at: str, **fields: Any) -> Record:
    """A valid interaction in a session of its own."""
    return {
        "type": "interaction",
        "interaction_id": interaction_id,
        "occurred_at": occurred_at,
        "application": APPLICATION,
        "session_id": f"s-{interaction_id}",
        "user_id": f"u-{interaction_id}",
        "prompt_name": "support",
        "prompt_version": "v1",
        "user_input": "Where do I see my invoice?",
        "output": "Under Orders, in your account.",
    } | fields


def make_feedback(interaction_id: str, occurred_at: str, signal: str = "thumbs_down", **fields: Any) -> Record:
    """A valid feedback record."""
    return {"type": "feedback", "interaction_id": interaction_id, "occurred_at": occurred_at, "signal": signal} | fields


def make_deployment(deployed_at: str, **fields: Any) -> Record:
    """A deployment; give it a `prompt_version` or `fixes`."""
    return {"type": "deployment", "deployed_at": deployed_at, "application": APPLICATION} | fields


def traffic(
    first: date,
    n_days: int = 7,
    per_day: int = 40,
    failures: Mapping[str, int] | None = None,
    prompt_version: str = "v1",
    application: str = APPLICATION,
) -> list[Record]:
    """Days of sessions, some of which fail and are complained about ten minutes later.

    Args:
        first: first day.
        n_days: number of days.
        per_day: sessions a day, one interaction each.
        failures: kind -> complaints a day.
        prompt_version: that served.
        application: tenant.
    """
    records: list[Record] = []
    for day in (first + timedelta(days=n) for n in range(n_days)):
        kinds = list(itertools.chain.from_iterable([kind] * n for kind, n in (failures or {}).items()))
        for n in range(per_day):
            name = f"{application}-{prompt_version}-{day}-{n}"
            hour = 1 + 20 * n / per_day
            fields = {
                "prompt_version": prompt_version,
                "application": application,
                "user_id": f"u{(7 * n + day.day) % 23}",
            }
            records.append(make_interaction(name, at(day, hour), **fields))
            if n < len(kinds):
                comment = said(kinds[n], day.toordinal() * 5 + n)
                records.append(make_feedback(name, at(day, hour + 1 / 6), comment=comment))
    return records


def import_records(engine: Engine, folder: Path, records: Iterable[Record]) -> ImportSummary:
    """Through a file and the real importer; a record that is rejected fails the test."""
    path = folder / "records.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    summary = import_paths(engine, [str(path)], hash_key=KEY)
    assert not summary.has_rejected, summary.reasons
    return summary


OF_THE_CLOCK = ("attempted_at", "fetched_at")
"""Columns of tickets with times of the wall clock, which differ between two runs of the same."""


def rows(engine: Engine, table: str, without: Sequence[str] = ()) -> list[dict[str, Any]]:
    """All rows of one of our tables in an order of their own, some columns left out by name."""
    with engine.connect() as conn:
        found = conn.execute(sa.text(f"select * from feedback_loop.{table} t order by t::text")).mappings()
        return [{k: v for k, v in row.items() if k not in without} for row in found]
