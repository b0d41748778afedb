"""What verdicts rest on: exposures by cohort, steps of roll-outs, sizes of arms, texts that are gone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from feedback_loop.cluster import Lineage
from feedback_loop.records import Window
from feedback_loop.store import aftermath, auditing, counts, negatives
from feedback_loop.store.lineage import save_lineage
from feedback_loop.store.patterns import newest_detector
from feedback_loop_tests.factories import APPLICATION, W1, W2, at, import_records, make_deployment, make_interaction
from feedback_loop_tests.store.test_patterns import save, state
from feedback_loop_tests.verify.test_looks import fix

WEEK1 = Window.of_week(W1)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def shipped(hours: float, share: float, version: str = "v2", **fields: Any) -> dict[str, Any]:
    when, name = (NOON + timedelta(hours=hours)).isoformat(), f"{version}-{hours}"
    return make_deployment(
        when, deployment_id=name, prompt_name="support", prompt_version=version, rollout_share=share, **fields
    )


def test_sessions_by_cohort_add_up_to_exposures(engine: Engine, tmp_path: Path) -> None:
    records = [
        make_interaction(
            f"i{n}", at(W1, n), cohort=("new", "old", None)[n % 3], sample_rate=0.5, session_id=f"s{n // 2}"
        )
        for n in range(12)
    ]
    import_records(engine, tmp_path, records)
    with engine.connect() as conn:
        by_cohort = counts.count_sessions(conn, WEEK1, APPLICATION)
        whole = negatives.count_exposures(conn, WEEK1, APPLICATION)
    assert by_cohort["n_exposures"].sum() == whole["n_exposures"].sum() == 12
    assert set(by_cohort["cohort"].dropna()) == {"new", "old"}


def test_a_later_version_takes_its_share_of_the_plan(engine: Engine, tmp_path: Path) -> None:
    other = shipped(72, 1.0, "v9") | {"prompt_name": "another"}
    import_records(engine, tmp_path, [shipped(0, 0.2), shipped(6, 1.0), shipped(48, 0.3, "v3"), other])
    mine = fix(
        application=APPLICATION, prompt_name="support", prompt_version="v2", deployed_at=NOON + timedelta(hours=6)
    )
    with engine.connect() as conn:
        steps = counts.roll_out_steps(conn, mine, NOON + timedelta(days=9))
        assert counts.roll_out_steps(conn, fix(application=APPLICATION), NOON + timedelta(days=9)) == []
        early = counts.roll_out_steps(conn, mine, NOON + timedelta(hours=7))
    assert [(at - NOON, round(share, 2)) for at, share in steps] == [
        (timedelta(), 0.2),
        (timedelta(hours=6), 1.0),
        (timedelta(hours=48), 0.7),
    ]
    assert len(early) == 2


def test_arms_are_counted_by_user_or_by_session_where_users_got_both(engine: Engine, tmp_path: Path) -> None:
    sticky = [
        make_interaction(f"a{n}", at(W1, n / 10), user_id=f"u{n % 10}", prompt_version=f"v{1 + n % 2}")
        for n in range(40)
    ]
    mixed = [
        make_interaction(f"b{n}", at(W2, n / 10), user_id=f"u{n % 10}", prompt_version=f"v{1 + n // 10 % 2}")
        for n in range(40)
    ]
    import_records(engine, tmp_path, sticky + mixed)
    mine = fix(application=APPLICATION, prompt_name="support", prompt_version="v2")
    with engine.connect() as conn:
        assert counts.count_arms(conn, mine, WEEK1) == (5, 5)
        assert counts.count_arms(conn, mine, Window.of_week(W2)) == (20, 20)


def test_arms_of_a_split_by_request_have_no_sizes(engine: Engine, tmp_path: Path) -> None:
    """Users and sessions got both versions by turns: a test of the arms' sizes would find what is not there."""
    records = [
        make_interaction(f"a{n}", at(W1, n / 10), user_id=f"u{n % 7}", session_id=f"s{n // 4}", prompt_version=version)
        for n, version in enumerate(["v1", "v2"] * 40)
    ]
    import_records(engine, tmp_path, records)
    with engine.connect() as conn:
        mine = fix(application=APPLICATION, prompt_name="support", prompt_version="v2")
        assert counts.count_arms(conn, mine, WEEK1) is None


def test_a_session_of_several_cohorts_has_the_one_it_is_counted_in(engine: Engine, tmp_path: Path) -> None:
    cohorts = {"a": ("new", "beta"), "b": ("new", None), "c": ("new", "new"), "d": (None, None)}
    records = [
        make_interaction(f"{name}{n}", at(W1, n), session_id=name, cohort=cohort)
        for name, both in cohorts.items()
        for n, cohort in enumerate(both)
    ]
    import_records(engine, tmp_path, records)
    with engine.connect() as conn:
        mixed = counts.mixed_sessions(conn, WEEK1, APPLICATION)
        counted = counts.count_sessions(conn, WEEK1, APPLICATION)
    assert dict(zip(mixed["session_key"], mixed["cohort"], strict=True)) == {"a": "beta", "b": "new"}
    assert counted.dropna().set_index("cohort")["n_exposures"].to_dict() == {"beta": 1, "new": 2}


def test_what_a_week_found_counts_from_its_end_on(engine: Engine) -> None:
    """A late run sees as of a Thursday what a punctual one saw: not what the week it lies in found at its end."""
    lineage = Lineage(pattern_id="p2", relation="split_from", other_pattern_id="p1", n_shared=3)
    with engine.begin() as conn:
        save_lineage(conn, APPLICATION, W1, [lineage])
        save(conn, W1, state(), version="d1")
        thursday, monday = W1 + timedelta(days=3), W2
        assert counts.split_parents(conn, APPLICATION, thursday) == {}
        assert counts.split_parents(conn, APPLICATION, monday) == {"p2": "p1"}
        assert newest_detector(conn, APPLICATION, thursday) is None
        assert newest_detector(conn, APPLICATION, monday) == "d1"


def test_the_newest_placebo_rate_that_was_known_counts(engine: Engine) -> None:
    row = {"application": "shop", "as_of": NOON, "detector_version": "d", "n_placebos": 9, "n_judged": 8}
    row |= {"n_effective": 0, "n_worse": 0, "false_effective": 0.0, "false_reopen": 0.0}
    row |= {"effective_high": 0.3, "reopen_high": 0.3}
    later = row | {"as_of": NOON + timedelta(days=30), "false_effective": 0.25}
    with engine.begin() as conn:
        assert aftermath.false_effective_rate(conn, "shop", "m1", NOON) is None
        aftermath.save_placebo_rates(conn, W1.replace(day=1), "m1", [later])
        aftermath.save_placebo_rates(conn, W1.replace(day=1), "m1", [row])  # the month again: replaced
        aftermath.save_placebo_rates(conn, W1.replace(month=2, day=1), "m1", [later])
        found = [aftermath.false_effective_rate(conn, "shop", "m1", NOON + timedelta(days=n)) for n in (-1, 0, 30)]
        few = aftermath.false_effective_rate(conn, "shop", "m1", NOON + timedelta(days=30), least=9)
    assert found == [None, 0.0, 0.25]
    assert few is None


def test_labels_of_an_audit_count_by_what_they_stand_for(engine: Engine) -> None:
    insert = text(
        "insert into feedback_loop.detector_audits "
        "values ('shop', 'f1', :id, :n, 'p1', 'd', 'before', :found, :weight, :at, :label, 'maria', :at)"
    )
    found = [(True, 1.0, True)] * 9 + [(True, 1.0, False), (False, 10.0, True), (False, 10.0, False)]
    with engine.begin() as conn:
        for n, (is_found, weight, label) in enumerate(found):
            values = {"id": f"i{n}", "n": n, "found": is_found, "weight": weight, "label": label, "at": NOON}
            conn.execute(insert, values)
        conn.execute(text("update feedback_loop.detector_audits set drawn_at = drawn_at - interval '1 day'"))
        early = auditing.audit_counts(conn, "shop", NOON - timedelta(hours=1))
        others, hits = auditing.audit_counts(conn, "shop", NOON).to_dict("records")
    assert early["n_labelled"].sum() == 0
    assert early["n_events"].sum() == 30
    assert (hits["n_true"], hits["n_found"], hits["n_detected"], hits["n_labelled"]) == (9, 9, 10, 10)
    assert (others["n_true"], others["n_found"], others["n_detected"], others["n_labelled"]) == (1, 0, 0, 2)
    assert (hits["n_events"], others["n_events"]) == (10, 20)  # one that was missed stands for ten
    assert (hits["n_found_events"], others["n_found_events"]) == (10, 0)
