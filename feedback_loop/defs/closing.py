"""Closing after the verdict: effective fixes whose audit or placebo rate became known later.

Belongs here: which verdicts are looked at again each day, and what is known of them. The verdict's row keeps what was
known on its day. Does not belong here: what becomes of the ticket (`route/closing.py`), the guards (`guarding.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd
from sqlalchemy import Connection

from feedback_loop.config import Settings
from feedback_loop.defs.guarding import vouching_guards
from feedback_loop.defs.tracking import plan_events, reopenings, tickets_by_pattern
from feedback_loop.records import Fix, Verification
from feedback_loop.route import Vouched, plan_closing_events
from feedback_loop.store import aftermath, decisions, fixes, ticket_events
from feedback_loop.verify import METHOD_VERSION, join_fixes, may_close


def plan_closings(conn: Connection, as_of: datetime, settings: Settings) -> None:
    """Write down which tickets of effective fixes are closed by now, and which an audit keeps open.

    A verdict waits for the day after its own, so that its comment is read first; where the pattern is back nothing is
    closed.
    """
    decided = decisions.load_effective(conn)
    shipped = join_fixes(fixes.load_fixes(conn, as_of), decided)
    told = {*ticket_events.known_keys(conn, "close:"), *ticket_events.known_keys(conn, "audit:")}
    over = {(row["application"], row["fix_id"]) for row in aftermath.load_watches(conn, as_of)}
    found = [
        (replace(v, pattern_id=fix.pattern_id), fix)
        for v, fix in _effective(conn, shipped, as_of)
        if (v.application, v.fix_id) not in over
        and not {(v.application, f"close:{v.fix_id}:{v.look_day}"), (v.application, f"audit:{v.fix_id}")} & told
    ]
    vouched = list(_vouch(conn, found, as_of, settings))
    speaking = tickets_by_pattern(conn, decided)
    names = {(p["application"], p["pattern_id"]): p["name"] for p in decisions.list_patterns(conn)}
    again = reopenings(conn, speaking)
    events = plan_closing_events(vouched, names, speaking, shipped, as_of, settings.updates, again)
    plan_events(conn, events, even_muted=True)


def _effective(conn: Connection, shipped: Sequence[Fix], as_of: datetime) -> Iterator[tuple[Verification, Fix]]:
    """Effective verdicts before a time that their tickets were told, of fixes that count still."""
    by_id = {(fix.application, fix.fix_id): fix for fix in shipped}
    since = {app: fixes.effective_since(conn, app, METHOD_VERSION) for app in {fix.application for fix in shipped}}
    said = ticket_events.known_keys(conn, "verdict:")
    for v in fixes.load_verifications(conn, as_of):
        fix = by_id.get((v.application, v.fix_id))
        is_told = (v.application, f"verdict:{v.fix_id}:{v.look_day}") in said
        if fix and is_told and v.as_of < as_of and v.as_of == since[v.application].get(v.fix_id):
            yield v, fix


def _vouch(
    conn: Connection, found: Sequence[tuple[Verification, Fix]], as_of: datetime, settings: Settings
) -> Iterator[Vouched]:
    for application in sorted({v.application for v, _ in found}):
        own = [(v, fix) for v, fix in found if v.application == application]
        guards = vouching_guards(conn, application, [v.fix_id for v, _ in own], as_of, settings.guards)
        for v, fix in own:
            may = not v.may_close and may_close(guards, v.fix_id)  # else its own comment closed it
            yield Vouched(v, fix, _refutations(guards, v.fix_id), may)


def _refutations(guards: pd.DataFrame, fix_id: str) -> tuple[str, ...]:
    against = guards[(guards["fix_id"] == fix_id) & (guards["guard"] == "audit") & guards["is_blocking"]]
    return tuple(str(reason) for reason in against["reason"])
