"""What tickets and comments are written from, gathered from the database.

Belongs here: reading, and handing over in the shape that `route` declares. Does not belong here: words (`route/`).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from feedback_loop.charts import draw_trend
from feedback_loop.decisions import EffectiveDecisions
from feedback_loop.records import PatternState, Window, monday_of
from feedback_loop.route import TicketFacts, WeekNumbers
from feedback_loop.route.facts import contradictions_of, lines_of, segments_of, trend_of
from feedback_loop.route.numbers import numbers_key
from feedback_loop.stats.rates import dispersion
from feedback_loop.store import audits, cards, fixes, segments, trends
from feedback_loop.tracker import Attachment, Ticket, TicketEvent

TREND_WEEKS = 8  # told in a ticket
CHART_WEEKS = 16  # drawn in its picture


def gather_facts(
    conn: Connection,
    application: str,
    week: date,
    states: Iterable[PatternState],
    decided: EffectiveDecisions,
    asset_url: str | None,
) -> dict[str, TicketFacts]:
    """pattern_id -> what its ticket tells besides the week's numbers."""
    found, split = (read(conn, application, week) for read in (segments.read_segments, segments.read_contradictions))
    written = cards.newest_cards(conn, application, week)
    n_versions, response_rate = trends.read_week(conn, application, week)
    unassigned = audits.unassigned_shares(conn, week).get(application)
    facts = {}
    for state in states:
        card, together = written.get(state.pattern_id), decided.together(state.pattern_id)
        versions = trends.read_versions(conn, application, together, week)
        ids = [e.interaction_id for e in state.exemplars]
        facts[state.pattern_id] = TicketFacts(
            trend=trend_of(trends.read_trend(conn, application, together, week, TREND_WEEKS)),
            segments=segments_of(found, state.pattern_id),
            contradictions=contradictions_of(split, state.pattern_id),
            versions=tuple(versions.itertuples(index=False, name=None)),
            n_versions=n_versions or None,
            card_source=card.source if card else "offline",
            card_problem=card.problem if card else None,
            said_on=trends.said_on(conn, application, ids),
            response_rate=response_rate,
            unassigned_share=unassigned,
            dispersion=_dispersion(conn, application, together, week),
            asset_url=asset_url and f"{asset_url}?partition={week}",
        )
    return facts


def gather_numbers(
    conn: Connection, ticket: Ticket, together: Sequence[str], week: date, said: Collection[str]
) -> list[WeekNumbers]:
    """This week of the patterns that a ticket speaks for, and the weeks that its readers were told of."""
    n_weeks = (week - ticket.created_week).days // 7 + 1
    trend = trends.read_trend(conn, ticket.application, together, week, n_weeks)
    told = {w for w in trend["week"] if numbers_key(ticket.pattern_id, w) in said}
    return [
        WeekNumbers(
            week=row["week"],
            n_sessions=int(row["n_sessions"]),
            affected=float(row["affected"]),
            exposures=None if np.isnan(row["exposures"]) else float(row["exposures"]),
            dispersion=_dispersion(conn, ticket.application, together, row["week"]),
            segments=_segments(conn, ticket.application, together, row["week"]),
        )
        for row in trend.to_dict("records")
        if row["week"] in {ticket.created_week, week, *told}
    ]


def draw_pictures(
    conn: Connection, ticket: Ticket, together: Sequence[str], event: TicketEvent | None = None
) -> Sequence[Attachment]:
    """The trend over the weeks that had ended when the ticket, or an event on it, came; with the deployments in it."""
    if event is not None and not event.event_key.startswith(("verdict:", "numbers:", "regression:")):
        return ()
    at = ticket.created_at if event is None else event.occurred_at
    week = monday_of(at.date()) - timedelta(weeks=1)
    trend = trend_of(trends.read_trend(conn, ticket.application, together, week, CHART_WEEKS))
    if not trend:
        return ()
    own = {(ticket.application, pattern_id) for pattern_id in together}
    shipped = [
        fix.deployed_at.date()
        for fix in fixes.load_fixes(conn, Window.of_week(week).end)
        if (fix.application, fix.pattern_id) in own
    ]
    png = draw_trend(*lines_of(trend), deployed_on=shipped)
    return (Attachment(f"feedback-loop-trend-{at:%Y-%m-%d}.png", png),)


def _dispersion(conn: Connection, application: str, together: Sequence[str], week: date) -> float:
    daily = trends.read_daily(conn, application, together, week)
    return dispersion(daily["affected"].to_list(), daily["exposures"].to_list())


def _segments(conn: Connection, application: str, together: Sequence[str], week: date) -> frozenset[tuple[str, str]]:
    frame: pd.DataFrame = segments.read_segments(conn, application, week)
    own = frame[frame["pattern_id"].isin(list(together))]
    return frozenset(zip(own["dimension"], own["value"], strict=True))
