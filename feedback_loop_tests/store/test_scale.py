"""What must stay quick when the planner's statistics know nothing of the newest week: right after an import."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from feedback_loop.records import Window
from feedback_loop.store import metrics, tables, weeks
from feedback_loop.store.frames import refresh_statistics
from feedback_loop_tests.factories import APPLICATION, W1, W2

N = 20_000

_INTERACTIONS = """
insert into feedback_loop.interactions
       (interaction_id, application, occurred_at, user_hash, cohort, prompt_version, user_input, output, content_hash)
select :week || '-' || n, :application, cast(:start as timestamptz) + n * interval '25 seconds', 'u' || n % 500,
       case n % 3 when 0 then 'web' when 1 then 'app' end, '1', 'question', 'answer', ''
from generate_series(1, :n) n
"""
# Every second interaction was shown the widget, every fourth answered, every twentieth five days later.
_FEEDBACK = """
insert into feedback_loop.feedback (feedback_id, interaction_id, occurred_at, signal, content_hash)
select 's' || :week || '-' || n, :week || '-' || n, cast(:start as timestamptz) + n * interval '25 seconds', 'shown',
       ''::bytea
from generate_series(2, :n, 2) n
union all
select 'a' || :week || '-' || n, :week || '-' || n,
       cast(:start as timestamptz) + n * interval '25 seconds'
       + case when n % 20 = 0 then interval '5 days' else '0' end, 'thumbs_down', ''::bytea
from generate_series(4, :n, 4) n
"""
_NEGATIVES = """
insert into feedback_loop.negative_feedback (application, week, interaction_id, occurred_at, known_at, session_key,
       prompt_name, prompt_version, signals, severity, weight, policy_version, cohort)
select :application, cast(:start as date), :week || '-' || n, :start, :start, 's' || n, '', '1', '{thumbs_down}', 2, 1,
       'policy', case n % 3 when 0 then 'web' when 1 then 'app' end
from generate_series(4, :n, 4) n
"""
_LATE = """
insert into feedback_loop.feedback (feedback_id, interaction_id, occurred_at, signal, content_hash)
values ('late-1', :id, :start, 'shown', ''), ('late-2', :id, :start, 'thumbs_down', '')
"""


def _fill(conn: Connection, week: datetime) -> None:
    for statement in (_INTERACTIONS, _FEEDBACK, _NEGATIVES):
        values = {"week": f"{week:%d}", "start": week, "application": APPLICATION, "n": N}
        conn.execute(sa.text(statement), values)
    refresh_statistics(conn, tables.negative_feedback)  # the loop does this for what it stores itself


def test_cohorts_of_a_week_that_statistics_do_not_know_are_counted_rightly_and_at_once(engine: Engine) -> None:
    start = datetime(W1.year, W1.month, W1.day, tzinfo=UTC)
    with engine.begin() as conn:
        _fill(conn, start)
        conn.execute(sa.text("analyze feedback_loop.interactions"))
        conn.execute(sa.text("analyze feedback_loop.feedback"))
    with engine.begin() as conn:
        _fill(conn, start + timedelta(days=7))
        # Shown and answered in this week, but about an interaction of the week before: in no cohort of this week.
        conn.execute(sa.text(_LATE), {"start": start + timedelta(days=8), "id": f"{start:%d}-1"})
        # The plan that the planner falls into when it takes the week for one row; each with each takes far longer.
        for setting in ("enable_hashjoin = off", "enable_mergejoin = off", "statement_timeout = '4s'"):
            conn.execute(sa.text(f"set local {setting}"))
        found = metrics.count_cohorts(conn, W2).set_index("cohort")
        versions = metrics.count_versions(conn, W2)
    in_time = [n for n in range(4, N + 1, 4) if n % 20 or n * 25 < 2 * 86_400]
    for cohort, rest in (("web", 0), ("app", 1), ("", 2)):
        of_cohort = [n for n in range(1, N + 1) if n % 3 == rest]
        assert found.loc[cohort, "n_interactions"] == len(of_cohort)
        assert found.loc[cohort, "n_users"] == 500
        assert found.loc[cohort, "n_shown"] == sum(n % 2 == 0 for n in of_cohort)
        assert found.loc[cohort, "n_responses"] == sum(n % 3 == rest for n in in_time)
        assert found.loc[cohort, "n_negative"] == sum(n % 3 == rest for n in range(4, N + 1, 4))
    assert len(found) == 3
    assert versions[["prompt_version", "n_interactions", "n_negative"]].to_numpy().tolist() == [["1", N, N // 4]]


def test_a_week_with_nothing_but_feedback_on_older_interactions_has_to_run_too(engine: Engine) -> None:
    with engine.begin() as conn:
        for week in (W1, W2):
            weeks.begin_run(conn, week, [weeks.WeekFacts(APPLICATION, 1, 0)], {}, "policy")
        weeks.complete_run(conn, W1)
        conn.execute(sa.text(_INTERACTIONS), {"week": "05", "start": W1, "application": APPLICATION, "n": 1})
        both = Window(Window.of_week(W1).start, Window.of_week(W2).end)
        assert weeks.weeks_not_run(conn, both) == []
        conn.execute(sa.text(_LATE), {"start": Window.of_week(W2).start, "id": "05-1"})
        assert weeks.weeks_not_run(conn, both) == [W2]
        weeks.complete_run(conn, W2)
        assert weeks.weeks_not_run(conn, both) == []
