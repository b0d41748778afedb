"""Another tracker than yesterday: which tickets go along, and what is left in the one before.

Belongs here: SQL of `tickets` and `ticket_events` across trackers. Does not belong here: work in one of them
(`tickets.py`, `ticket_events.py`).
"""

import sqlalchemy as sa
from sqlalchemy import Connection

from feedback_loop.store.tables import tickets


def take_along(conn: Connection, tracker: str) -> int:
    """Tickets that no tracker holds yet are meant for this one from now on; returns how many were not before.

    What another tracker said of the attempt to make one does not count here.
    """
    unheld = tickets.c.ticket_key.is_(None) & tickets.c.status.in_(["planned", "waiting"])
    moved = (
        tickets.update()
        .where(unheld, tickets.c.tracker != tracker)
        .values(tracker=tracker, attempted_at=None, problem=None)
    )
    return conn.execute(moved).rowcount


def left_behind(conn: Connection, tracker: str) -> list[tuple[str, str, int]]:
    """(ticket_key, its tracker, number of events) of what is planned on tickets that other trackers hold, by number."""
    query = """
        select t.ticket_key, t.tracker, count(*)
        from feedback_loop.tickets t join feedback_loop.ticket_events e using (application, pattern_id)
        where t.ticket_key is not null and t.tracker <> :tracker and not e.is_applied
          and t.status not in ('gone', 'cancelled')
        group by t.ticket_number, t.ticket_key, t.tracker
        order by t.ticket_number
    """
    return [(row[0], row[1], row[2]) for row in conn.execute(sa.text(query), {"tracker": tracker})]
