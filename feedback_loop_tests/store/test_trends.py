"""Trends: silence is not zero, a week without the pattern is, and days are counted in sessions."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects.postgresql import insert

from feedback_loop.stats.rates import dispersion
from feedback_loop.store import tables, trends
from feedback_loop_tests.factories import APPLICATION, W1, W2, W3, W4, W5
from feedback_loop_tests.store.test_patterns import save, state

COUNTS = ("n_occurrences", "n_sessions", "n_users", "affected")
MONDAY, TUESDAY, SUNDAY = (W2 + timedelta(days=n) for n in (0, 1, 6))


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    """A transaction; pattern p1 is known since W2, p2 since W1."""
    with engine.begin() as conn:
        for week in (W1, W2, W3, W4, W5):
            known = [state("p2", last_seen_week=week)]
            known += [state("p1", first_seen_week=W2, last_seen_week=week)] if week >= W2 else []
            save(conn, week, *known)
        yield conn


def put(conn: Connection, table: sa.Table, **row: Any) -> None:
    """A row; saving a state made some already."""
    values = {"application": APPLICATION} | row
    statement = insert(table).values(values)
    conn.execute(statement.on_conflict_do_update(constraint=table.primary_key, set_=values))


def ran(conn: Connection, week: date, n_feedback: int = 9, **row: Any) -> None:
    numbers = {"n_interactions": 100, "n_negative": 3, "policy_version": "v"}
    put(conn, tables.week_runs, week=week, n_feedback=n_feedback, **(numbers | row))


def seen(conn: Connection, week: date, n: int, pattern_id: str = "p1", **row: Any) -> None:
    numbers = {"n_occurrences": n + 1, "n_sessions": n, "n_users": n, "affected": 2.0 * n}
    put(conn, tables.pattern_weeks, week=week, pattern_id=pattern_id, **(numbers | row))


def exposed(conn: Connection, day: date, n: float, version: str = "v1", **row: Any) -> None:
    week = day - timedelta(days=day.weekday())
    names = {"prompt_name": "support", "prompt_version": version, "n_sessions": int(n), "n_interactions": int(n)}
    put(conn, tables.exposures, date=day, week=week, n_exposures=n, **(names | row))


def member(
    conn: Connection,
    name: str,
    day: date,
    *,
    session: str = "",
    weight: float = 1.0,
    is_inferred: bool = False,
    pattern: str = "p1",
    **row: Any,
) -> None:
    """An event of a day at noon, placed in p1 or another."""
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    week = day - timedelta(days=day.weekday())
    event = {"occurred_at": at, "known_at": at, "session_key": session or name, "weight": weight, "severity": 2}
    of = {"prompt_name": "support", "prompt_version": "v1", "signals": ["thumbs_down"], "policy_version": "v"}
    put(conn, tables.negative_feedback, week=week, interaction_id=name, **(event | of | row))
    placed = {"interaction_id": name, "pattern_id": pattern, "similarity": 0.9, "is_inferred": is_inferred}
    put(conn, tables.pattern_memberships, week=week, **placed)


def trend(conn: Connection, week: date = W5, n_weeks: int = 8, patterns: str = "p1") -> list[tuple[Any, ...]]:
    frame = trends.read_trend(conn, APPLICATION, patterns.split(), week, n_weeks)
    return [tuple(None if pd.isna(v) else v for v in row) for row in frame.itertuples(index=False)]


def test_silent_weeks_are_left_out_and_weeks_without_the_pattern_are_zero(conn: Connection) -> None:
    for week, n_feedback in ((W1, 9), (W2, 9), (W3, 0), (W4, 9), (W5, 9)):
        ran(conn, week, n_feedback)
    for week, n in ((W2, 4), (W3, 7), (W5, 2)):
        seen(conn, week, n)
    for day, served in ((W2, 60.0), (TUESDAY, 40.0), (W3, 100.0), (W4, 80.0)):
        exposed(conn, day, served)
    exposed(conn, TUESDAY, 10.0, "v2")
    exposed(conn, W2, 1e6, application="other")
    assert trend(conn) == [
        (W2, 5, 4, 8.0, 110.0),  # not W1: the pattern was not known yet
        (W4, 0, 0, 0.0, 80.0),  # W3 heard nothing at all; this one heard, but not of this
        (W5, 3, 2, 4.0, None),  # no exposures were recorded
    ]


def test_a_trend_ends_with_its_week_and_is_no_longer_than_asked(conn: Connection) -> None:
    for week in (W1, W2, W3, W4, W5):
        ran(conn, week)
    assert [row[0] for row in trend(conn, W4)] == [W2, W3, W4]
    assert [row[0] for row in trend(conn, W4, 2)] == [W3, W4]
    assert [row[0] for row in trend(conn, patterns="p2")] == [W1, W2, W3, W4, W5]
    assert trend(conn, patterns="unknown") == trend(conn, date(2025, 1, 6)) == []
    assert trends.read_trend(conn, "other", ["p1"], W5, 8).empty


def test_weeks_that_never_ran_are_not_zero(conn: Connection) -> None:
    for week in (W2, W5):
        ran(conn, week)
        seen(conn, week, 3)
    assert [row[0] for row in trend(conn)] == [W2, W5]


def test_merged_patterns_have_one_trend_from_the_first_of_them_on(conn: Connection) -> None:
    """So that the week after a merge does not look like a rise."""
    for week in (W1, W2, W3):
        ran(conn, week)
        exposed(conn, week, 100.0)
        seen(conn, week, 5, "p2")
    seen(conn, W2, 4)
    seen(conn, W3, 9)  # a week that ran after the merge counts both where it stays
    put(conn, tables.pattern_weeks, **{"week": W3, "pattern_id": "p2"} | dict.fromkeys(COUNTS, 0))
    assert trend(conn, W3, patterns="p1 p2") == [
        (W1, 6, 5, 10.0, 100.0),
        (W2, 5 + 6, 4 + 5, 8.0 + 10.0, 100.0),
        (W3, 10, 9, 18.0, 100.0),
    ]
    member(conn, "a", MONDAY)
    member(conn, "b", MONDAY, session="a", pattern="p2")  # one session that met both
    member(conn, "c", MONDAY, pattern="p2")
    daily = trends.read_daily(conn, APPLICATION, ["p1", "p2"], W2)
    assert daily["affected"].tolist() == [2.0]
    versions = trends.read_versions(conn, APPLICATION, ["p1", "p2"], W2)
    assert versions["n_events"].tolist() == [3]


def test_a_day_counts_sessions_once_per_version_with_their_weight(conn: Connection) -> None:
    for day, n in ((MONDAY, 50.0), (TUESDAY, 40.0), (SUNDAY, 30.0)):
        exposed(conn, day, n)
    exposed(conn, MONDAY, 5.0, "v2")
    exposed(conn, W3, 70.0)
    member(conn, "a", MONDAY, weight=4.0)
    member(conn, "b", MONDAY, session="a", weight=2.0)  # the same session and version: once, with the lower weight
    member(conn, "c", MONDAY, session="a", prompt_version="v2")  # of another version it is another exposure
    member(conn, "d", SUNDAY, session="a")  # and on another day
    member(conn, "e", SUNDAY, is_inferred=True)  # nobody said what went wrong
    member(conn, "f", W3)
    found = trends.read_daily(conn, APPLICATION, ["p1"], W2)
    assert [tuple(row) for row in found.itertuples(index=False)] == [
        (MONDAY, 3.0, 55.0),
        (TUESDAY, 0.0, 40.0),
        (SUNDAY, 1.0, 30.0),
    ]
    assert found.dtypes.astype(str).to_dict()["affected"] == "float64"
    assert trends.read_daily(conn, APPLICATION, ["p2"], W2)["affected"].tolist() == [0, 0, 0]


def test_a_burst_on_one_day_is_more_than_chance_and_an_even_week_is_not(conn: Connection) -> None:
    days = [W2 + timedelta(days=n) for n in range(7)]
    for day in (*days, *(day + timedelta(weeks=1) for day in days)):
        exposed(conn, day, 100.0)
    for n in range(21):
        member(conn, f"burst-{n}", MONDAY)
        member(conn, f"even-{n}", days[n % 7] + timedelta(weeks=1))

    def of(week: date) -> float:
        daily = trends.read_daily(conn, APPLICATION, ["p1"], week)
        return dispersion(daily["affected"].to_list(), daily["exposures"].to_list())

    # Pearson: (21 - 3)^2 / 3 + 6 * 3^2 / 3 = 126, over 6 degrees of freedom.
    assert of(W2) == pytest.approx(21.0)
    assert of(W3) == 1.0


def test_the_versions_that_answered_and_the_days_of_quotes(conn: Connection) -> None:
    member(conn, "a", MONDAY)
    member(conn, "b", TUESDAY, prompt_version="v2")
    member(conn, "c", SUNDAY, prompt_version="v2")
    member(conn, "d", SUNDAY, is_inferred=True)
    frame = trends.read_versions(conn, APPLICATION, ["p1"], W2)
    assert list(frame.itertuples(index=False, name=None)) == [("support", "v2", 2), ("support", "v1", 1)]
    assert trends.said_on(conn, APPLICATION, ["a", "c", "zzz"]) == {"a": MONDAY, "c": SUNDAY}
    assert trends.said_on(conn, "other", ["a"]) == trends.said_on(conn, APPLICATION, []) == {}
