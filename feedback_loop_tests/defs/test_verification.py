"""The daily half on real data: looks, guards, the watch over a fix, placebo fixes, and runs that come late."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import URL, Engine

from feedback_loop.config import Settings
from feedback_loop.defs.runs import RunResult
from feedback_loop.records import midnight
from feedback_loop.store.engine import create_engine
from feedback_loop.verify import FAMILIES, METHOD_VERSION, GuardPolicy
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.world import UNAUDITED, World, open_world
from feedback_loop_tests.factories import W1, W2, W3, W4, W5, W6, W7, W8, Record, at, make_deployment, traffic

W9 = W8 + timedelta(weeks=1)
OLD = {"language": 9, "link": 6, "sum": 6}
FIXED, BACK = OLD | {"language": 1}, OLD | {"language": 14}
SERVED = {W3: FIXED, W4: FIXED, W5: BACK, W6: BACK, W7: BACK, W8: BACK}


def begin(world: World) -> None:
    """Two weeks, and a fix that works for the tickets on language and one that does nothing for those on links."""
    world.add(r for week in (W1, W2) for r in traffic(week, per_day=60, failures=OLD))
    for week in (W1, W2):
        assert not world.loop.run_week(week).has_errors
    works = make_deployment(at(W3, 0), prompt_name="support", prompt_version="v2", fixes=keys(world, "English"))
    nothing = make_deployment(at(W3, 10), deployment_id="search", fixes=keys(world, "404"))
    world.add([works, nothing])


def keys(world: World, word: str) -> list[str]:
    found = sorted(t["ticket_key"] for t in world.rows("tickets") if word in str(t["body"]))
    assert found
    return found


def serve(week: date) -> list[Record]:
    return traffic(week, per_day=60, failures=SERVED[week], prompt_version="v2")


@contextmanager
def shop(admin: Engine, folder: Path, guards: GuardPolicy) -> Iterator[World]:
    def connect(url: URL) -> Engine:
        return create_engine(url)

    with contextmanager(make_database)(admin, "template_feedback_loop") as url:
        engine = connect(url)
        try:
            with open_world(engine, folder, settings=Settings(guards=guards)) as world:
                begin(world)
                yield world
        finally:
            engine.dispose()


@pytest.fixture(scope="module")
def late(admin: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, RunResult]]:
    """Eight weeks of facts, and a single daily run after them."""
    with shop(admin, tmp_path_factory.mktemp("late"), UNAUDITED) as world:
        world.add(r for week in SERVED for r in serve(week))
        yield world, world.loop.verify(midnight(W9))


def looks(world: World, fix: str = "") -> list[dict[str, Any]]:
    rows = [row for row in world.rows("verifications") if fix in row["fix_id"]]
    return sorted(rows, key=lambda row: (row["fix_id"], row["look_day"]))


def test_a_late_run_says_what_punctual_ones_would_have_said(
    late: tuple[World, RunResult], admin: Engine, tmp_path: Path
) -> None:
    with shop(admin, tmp_path, UNAUDITED) as punctual:
        for n, week in enumerate(SERVED):
            punctual.add(serve(week))
            for day in (0, 1) if n else ():  # the first day of this week, and the next
                assert punctual.loop.verify(midnight(week + timedelta(days=day))).is_success
        assert punctual.loop.verify(midnight(W9)).is_success
        every = [row | {"as_of": row["as_of"]} for row in looks(punctual)]
    until = midnight(W9)
    assert [row for row in every if row["as_of"] <= until] == looks(late[0])


def test_every_look_keeps_what_it_was_made_from(late: tuple[World, RunResult]) -> None:
    world, result = late
    assert not result.has_errors
    effective = looks(world, "@support@v2")
    assert {(row["look_day"], row["verdict"]) for row in effective} == {(14, "effective")}
    for row in effective:
        assert row["method_version"] == METHOD_VERSION
        assert row["n_observed"] == row["n_after"]
        assert row["rate_ratio"] == pytest.approx(1 - row["reduction"])
        assert None not in [row[name] for name in ("n_expected", "q_value", "prob_at_least_bar", "drift", "dispersion")]
        weeks = row["evidence"]["weeks"]
        assert sum(week["n_before"] for week in weeks) == row["n_before"]
        assert sum(week["n_after"] for week in weeks) == row["n_after"]
    assert [name for name in result.metadata["verifications"] if name.startswith("picture_1_")]


def test_a_fix_that_does_nothing_is_looked_at_again_and_again(late: tuple[World, RunResult]) -> None:
    rows = [row for row in looks(late[0]) if "@support@v2" not in row["fix_id"]]
    assert {row["look_day"] for row in rows} >= {14}
    assert not {"effective", "partial", "worse"} & {row["verdict"] for row in rows}
    for row in rows:
        assert "no prompt version is named" in row["reason"] or row["n_expected"] is None
        assert row["as_of"] == midnight(W3 + timedelta(days=row["look_day"] + 1))


def test_a_pattern_that_is_back_reopens_the_ticket_of_its_fix(late: tuple[World, RunResult]) -> None:
    world, _ = late
    watched = world.rows("regression_watches")
    assert {(row["look"], row["state"]) for row in watched} == {(1, "returned")}
    assert {row["as_of"] for row in watched} == {midnight(W9)}
    for row in watched:
        assert row["n_observed"] > 3 * row["n_expected"]
        assert row["p_value"] < row["threshold"]
    for key in keys(world, "English"):
        text = (world.tickets_dir / f"{key}.md").read_text(encoding="utf-8")
        assert "status: reopened" in text
        assert "Back after a fix that had helped" in text


def test_each_family_of_guards_has_its_say(late: tuple[World, RunResult]) -> None:
    world, result = late
    assert {name for _, name, _ in result.problems} <= {f"guard_{family}" for family in FAMILIES}
    rare = {row["fix_id"] for row in looks(world) if "too rare" in row["reason"]}
    told = " ".join(text for _, name, text in result.problems if name == "guard_power_floor")
    assert all(fix in told for fix in rare)


def test_placebo_fixes_are_tried_every_month_and_a_high_rate_leaves_closing_to_people(
    late: tuple[World, RunResult],
) -> None:
    world, _ = late
    result = world.loop.try_placebos(W8)
    assert not result.has_errors
    (row,) = world.rows("placebo_rates")
    assert (row["application"], row["month"], row["method_version"]) == ("shop", W8.replace(day=1), METHOD_VERSION)
    assert row["n_placebos"] >= row["n_judged"] >= row["n_effective"]


def test_texts_past_retention_and_another_detector_are_pending_and_no_number(late: tuple[World, RunResult]) -> None:
    world, _ = late
    gone = "delete from feedback_loop.interactions where occurred_at < '2026-01-06'"
    world.execute(gone)
    result = world.loop.verify(midnight(W9 + timedelta(days=1)))
    assert result.is_success
    last = [row for row in looks(world) if row["look_day"] == 42]
    assert last
    for row in last:
        assert (row["verdict"], row["reduction"], row["may_close"]) == ("pending", None, False)
        assert "past retention" in row["reason"]
    assert "guard_texts" in {name for _, name, _ in result.problems}


def test_without_an_audit_or_placebos_the_verdict_stands_and_people_close(engine: Engine, tmp_path: Path) -> None:
    with open_world(engine, tmp_path) as world:
        begin(world)
        world.add(r for week in (W3, W4) for r in serve(week))
        result = world.loop.verify(midnight(W5))
        assert not result.has_errors
        rows = looks(world, "@support@v2")
        assert {row["verdict"] for row in rows} == {"effective"}
        for row in rows:
            assert not row["may_close"]
            assert "was not audited" in row["reason"]
            assert "placebo fixes is not known yet" in row["reason"]
        for key in keys(world, "English"):
            text = (world.tickets_dir / f"{key}.md").read_text(encoding="utf-8")
            assert "status: open" in text
            assert "close the ticket if you agree" in text
        with engine.connect() as conn:
            assert conn.execute(sa.text("select count(*) from feedback_loop.regression_watches")).scalar_one() == 0


def of_cohorts(records: list[Record], share: int) -> list[Record]:
    """The same records; `share` of ten interactions are of cohort "web", the others of "app"."""
    names = [r for r in records if r["type"] == "interaction"]
    for n, record in enumerate(names):
        record["cohort"] = "web" if n % 10 < share else "app"
    return records


def test_a_split_that_does_not_fit_joint_fixes_and_another_mix_are_told_by_their_checks(
    engine: Engine, tmp_path: Path
) -> None:
    """A roll-out of half the traffic reaches four fifths; links are fixed twice in five days; other people come."""
    with open_world(engine, tmp_path, settings=Settings(guards=UNAUDITED)) as world:
        world.add(r for week in (W1, W2) for r in of_cohorts(traffic(week, per_day=60, failures=OLD), 5))
        for week in (W1, W2):
            assert not world.loop.run_week(week).has_errors
        English, links = keys(world, "English"), keys(world, "404")  # noqa: N806 (a language)
        half = make_deployment(
            at(W3, 0),
            prompt_name="support",
            prompt_version="v2",
            fixes=English,
            rollout_share=0.5,
            deployment_id="half",
        )
        twice = [
            make_deployment(at(W3 + timedelta(days=n), 0), deployment_id=f"links-{n}", fixes=links) for n in (0, 5)
        ]
        world.add([half, *twice])
        for week in (W3, W4):
            new = traffic(week, per_day=48, failures=FIXED | {"link": 5}, prompt_version="v2")
            world.add(of_cohorts([*new, *traffic(week, per_day=12, failures={"link": 1})], 9))
        result = world.loop.verify(midnight(W5))
        told = {name: text for _, name, text in result.problems}
        split = looks(world, "@support@v2")
        assert {row["verdict"] for row in split} == {"pending"}
        assert all(row["fix_id"] in told["guard_srm"] for row in split)
        assert "672 : 168 users" in told["guard_srm"]
        world.loop.verify(midnight(W5 + timedelta(days=1)))
        by_time = [row for row in looks(world) if "@support@v2" not in row["fix_id"]]
        joint = [row for row in by_time if row["reduction"] is not None]
        assert joint
        for row in joint:
            assert {"concurrent_fixes", "segment_mix"} <= {guard["guard"] for guard in row["evidence"]["guards"]}
            assert "joint verdict: the fix of 2026-01-2" in row["reason"]
            assert "standardised by segment, whose mix moved by" in row["reason"]
