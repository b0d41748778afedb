"""Which weeks ran, on what, and what came after them."""

from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import Engine

from feedback_loop.records import Window
from feedback_loop.store import weeks
from feedback_loop.store.weeks import WeekFacts
from feedback_loop_tests.factories import (
    APPLICATION,
    W1,
    W2,
    W3,
    at,
    import_records,
    make_feedback,
    make_interaction,
    traffic,
)

ALL = Window(Window.of_week(W1).start, Window.of_week(W3).end)


def record(engine: Engine, week: date, n_interactions: int, n_feedback: int, application: str = APPLICATION) -> None:
    with engine.begin() as conn:
        weeks.begin_run(conn, week, [WeekFacts(application, n_interactions, n_feedback)], {}, "policy")
        weeks.complete_run(conn, week)


def test_facts_are_counted_per_application_and_week_of_their_own_time(engine: Engine, tmp_path: Path) -> None:
    import_records(
        engine,
        tmp_path,
        [
            make_interaction("a", at(W1, 0)),
            make_interaction("b", at(W2 - timedelta(days=1), 23.99)),
            make_interaction("c", at(W2, 0), application="other"),
            make_feedback("a", at(W2, 5)),  # its own time decides, not its interaction's
            make_feedback("nobody", at(W1)),  # without an interaction it belongs to no application yet
        ],
    )
    with engine.connect() as conn:
        assert weeks.count_facts(conn, ALL) == {
            (APPLICATION, W1): WeekFacts(APPLICATION, 2, 0),
            (APPLICATION, W2): WeekFacts(APPLICATION, 0, 1),
            ("other", W2): WeekFacts("other", 1, 0),
        }
        assert weeks.list_applications(conn, Window.of_week(W1)) == [APPLICATION]
        assert weeks.list_applications(conn, Window.of_week(W2)) == ["other", APPLICATION]


def test_an_empty_database_has_nothing(engine: Engine) -> None:
    with engine.begin() as conn:
        assert weeks.list_applications(conn, ALL) == []
        assert weeks.count_facts(conn, ALL) == {}
        assert weeks.weeks_not_run(conn, ALL) == weeks.stale_weeks(conn) == []
        weeks.begin_run(conn, W1, [], {}, "policy")


def test_a_gap_is_a_week_with_facts_that_did_not_run(engine: Engine, tmp_path: Path) -> None:
    import_records(engine, tmp_path, traffic(W1, 1, 2) + traffic(W3, 1, 2))
    record(engine, W3, 2, 0)
    with engine.connect() as conn:
        assert weeks.weeks_not_run(conn, ALL) == [W1]
    record(engine, W1, 2, 0)
    with engine.connect() as conn:
        assert weeks.weeks_not_run(conn, ALL) == []  # W2 has no facts: no gap


def test_a_week_that_broke_off_has_not_run(engine: Engine, tmp_path: Path) -> None:
    import_records(engine, tmp_path, traffic(W1, 1, 2))
    with engine.begin() as conn:
        weeks.begin_run(conn, W1, [WeekFacts(APPLICATION, 2, 0)], {}, "policy")
        assert weeks.weeks_not_run(conn, ALL) == [W1]
        weeks.complete_run(conn, W1)
        assert weeks.weeks_not_run(conn, ALL) == []


def test_a_week_is_a_gap_while_one_application_has_not_run(engine: Engine, tmp_path: Path) -> None:
    import_records(engine, tmp_path, traffic(W1, 1, 2) + traffic(W1, 1, 2, application="other"))
    record(engine, W1, 2, 0)
    with engine.connect() as conn:
        assert weeks.weeks_not_run(conn, ALL) == [W1]


def test_late_facts_name_application_week_and_number(engine: Engine, tmp_path: Path) -> None:
    import_records(engine, tmp_path, traffic(W1, 1, 5) + traffic(W2, 1, 5))
    record(engine, W1, 5, 0)
    record(engine, W2, 5, 0)
    with engine.connect() as conn:
        assert weeks.late_facts(conn, ALL) == []
    import_records(
        engine,
        tmp_path,
        [make_interaction("late", at(W1)), make_feedback("late", at(W1)), make_feedback("late", at(W2))],
    )
    with engine.connect() as conn:
        assert weeks.late_facts(conn, ALL) == [(APPLICATION, W1, 2), (APPLICATION, W2, 1)]
        assert weeks.late_facts(conn, Window.of_week(W2)) == [(APPLICATION, W2, 1)]


def test_only_later_weeks_of_the_same_application_become_stale_and_a_run_makes_them_fresh(engine: Engine) -> None:
    for week in (W1, W2, W3):
        with engine.begin() as conn:
            both = [WeekFacts(APPLICATION, 1, 1), WeekFacts("other", 1, 1)]
            weeks.begin_run(conn, week, both, {APPLICATION: 1}, "policy")
    with engine.begin() as conn:
        assert weeks.mark_later_stale(conn, APPLICATION, W1) == 2
        assert weeks.stale_weeks(conn) == [W2, W3]
        weeks.begin_run(conn, W2, [WeekFacts(APPLICATION, 1, 1), WeekFacts("other", 1, 1)], {}, "policy")
        assert weeks.stale_weeks(conn) == [W3]


def test_newest_is_asked_per_application(engine: Engine) -> None:
    record(engine, W1, 1, 1)
    record(engine, W2, 1, 1)
    record(engine, W1, 1, 1, "other2")
    with engine.connect() as conn:
        assert not weeks.is_newest(conn, APPLICATION, W1)
        assert weeks.is_newest(conn, APPLICATION, W2)
        assert weeks.is_newest(conn, "nobody", W1)
