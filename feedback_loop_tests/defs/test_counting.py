"""What verdicts are counted from: facts that are read once, lost, late, silent or beyond a detector."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from feedback_loop.clients.embeddings import StaticEmbedder
from feedback_loop.cluster import place_events
from feedback_loop.config import Settings
from feedback_loop.decisions import EffectiveDecisions
from feedback_loop.defs import seeing, text_memory, verdicts
from feedback_loop.defs.analysis import describer_version
from feedback_loop.defs.counting import Counted, Counter
from feedback_loop.describe import DescribePolicy, describe_failures
from feedback_loop.llm.policy import AnalystPolicy
from feedback_loop.records import Verification, Window, midnight
from feedback_loop.store import negatives, patterns
from feedback_loop.store.engine import create_engine
from feedback_loop.store.exclusions import LeftOut
from feedback_loop.verify import verify_fixes
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.test_verification import OLD, begin, keys, looks, serve
from feedback_loop_tests.defs.world import UNAUDITED, World, open_world
from feedback_loop_tests.factories import (
    APPLICATION,
    W1,
    W2,
    W3,
    W4,
    W5,
    W6,
    at,
    make_deployment,
    make_feedback,
    make_interaction,
    traffic,
)

SETTINGS = Settings(guards=UNAUDITED)


@pytest.fixture(scope="module")
def begun(admin: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A database and a directory to copy from."""
    directory = tmp_path_factory.mktemp("begun")
    for url in make_database(admin, "template_feedback_loop"):
        engine = create_engine(url)
        with open_world(engine, directory, settings=SETTINGS) as world:
            begin(world)
            world.add(r for week in (W3, W4) for r in serve(week))
        engine.dispose()
        yield str(url.database), directory


@pytest.fixture
def shop(admin: Engine, begun: tuple[str, Path], tmp_path: Path) -> Iterator[World]:
    """Two weeks before two fixes and two after them, not looked at yet."""
    shutil.copytree(begun[1], tmp_path, dirs_exist_ok=True)
    for url in make_database(admin, begun[0]):
        engine = create_engine(url)
        with open_world(engine, tmp_path, settings=SETTINGS) as world:
            yield world
        engine.dispose()


def frames(counted: Counted) -> tuple[pd.DataFrame, pd.DataFrame]:
    order = ["pattern_id", "session_id", "occurred_at", "prompt_version"]
    exposed = ["date", "prompt_version", "segment"]
    return (
        counted.affected.sort_values(order).reset_index(drop=True),
        counted.exposures.sort_values(exposed).reset_index(drop=True),
    )


def test_a_count_that_moved_is_the_count_made_afresh(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever way it moved: forward, back, and over words and complaints that came days later."""
    records = [
        make_interaction("late-1", at(W2, 3)),
        make_feedback("late-1", at(W2, 4), comment="It answers in the wrong language, in English."),
        make_feedback("late-1", at(W3, 40), "comment", comment="And the link gives a 404, it is dead."),
        make_interaction("late-2", at(W2, 5)),
        make_feedback("late-2", at(W3, 90), comment="This link gives a 404, it is dead."),
    ]
    shop.add(records)
    monkeypatch.setattr(seeing, "_AT_ONCE", 100)
    spans = [(W1, 14), (W1, 17), (W2, 14), (W1, 21), (W2, 9), (W1, 28)]
    windows = [Window.of_days(start, n) for start, n in spans]
    with shop.engine.begin() as conn:
        encoder, version = StaticEmbedder(), detector_of(conn)
        moving = Counter(conn, APPLICATION, encoder, SETTINGS)
        for window in windows:
            fresh = Counter(conn, APPLICATION, encoder, SETTINGS)
            for one, other in zip(
                frames(moving.count(version, window)), frames(fresh.count(version, window)), strict=True
            ):
                pd.testing.assert_frame_equal(one, other)
            assert moving.feedback_days(window) == fresh.feedback_days(window)


def test_facts_are_read_again_only_where_something_was_said_since(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def spy(conn: sa.Connection, ids: list[str], known: datetime, left_out: LeftOut) -> pd.DataFrame:
        asked.append(len(ids))
        return read_texts(conn, ids, known, left_out)

    read_texts = negatives.read_texts
    monkeypatch.setattr(negatives, "read_texts", spy)
    shop.add([make_feedback(f"{APPLICATION}-v1-{W1}-0", at(W4, 1), "comment", comment="Still in English.")])
    with shop.engine.begin() as conn:
        counter = Counter(conn, APPLICATION, StaticEmbedder(), SETTINGS)
        for n_days in (21, 22):
            counter.count(detector_of(conn), Window.of_days(W1, n_days))
    per_day = sum(serve_failures().values())
    assert asked == [14 * sum(OLD.values()) + 7 * per_day, per_day + 1]


def test_a_text_is_described_and_placed_once(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many counters ask: those of verdicts, of watches, of the next day."""
    n_described, n_placed = [], []

    def describe(texts: pd.DataFrame, policy: DescribePolicy) -> pd.DataFrame:
        n_described.append(len(texts))
        return describe_failures(texts, policy)

    def place(described: pd.DataFrame, *args: Any) -> pd.DataFrame:
        n_placed.append(len(described))
        return place_events(described, *args)

    text_memory.memory_of.cache_clear()
    monkeypatch.setattr(text_memory, "describe_failures", describe)
    monkeypatch.setattr(text_memory, "place_events", place)
    with shop.engine.begin() as conn:
        for _ in range(2):
            counter = Counter(conn, APPLICATION, StaticEmbedder(), SETTINGS)
            counter.count(detector_of(conn), Window.of_days(W1, 21))
    assert n_described[0] > n_placed[0] > 0
    assert (n_described[1:], n_placed[1:]) == ([0], [0])


def serve_failures() -> dict[str, int]:
    return OLD | {"language": 1}


def judged(world: World, until: date = W5) -> list[dict[str, Any]]:
    result = world.loop.verify(midnight(until))
    assert result.is_success, result.error
    return looks(world)


@pytest.mark.parametrize("version", ["gone", ""])
def test_a_fix_without_its_detector_is_pending_and_the_others_are_judged(shop: World, version: str) -> None:
    judged(shop, W3 + timedelta(days=1))  # records the fixes
    shop.execute(
        "update feedback_loop.fixes set detector_version = :version where fix_id not like '%@support@v2'",
        version=version,
    )
    rows = judged(shop, W5 + timedelta(days=1))
    assert {row["verdict"] for row in rows if "@support@v2" in row["fix_id"]} == {"effective"}
    lame = [row for row in rows if "@support@v2" not in row["fix_id"]]
    assert {row["verdict"] for row in lame} == {"pending"}
    assert all("detector" in row["reason"] for row in lame)


def test_a_fix_that_cannot_be_computed_is_pending_and_the_others_are_judged(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.execute("update feedback_loop.deployments set deployed_at = '2026-01-19' where deployment_id = 'search'")
    shop.execute(  # now both looks are due on the same day and judged together
        "update feedback_loop.deployments set prompt_version = 'v2', prompt_name = 'other' "
        "where deployment_id = 'search'"
    )
    verify = verify_fixes

    def fail(*frames: pd.DataFrame, **options: Any) -> pd.DataFrame:
        if any("@other@" in fix for fix in frames[2]["fix_id"]):
            raise ValueError("bad numbers")
        return verify(*frames, **options)

    monkeypatch.setattr(verdicts, "verify_fixes", fail)
    rows = judged(shop)
    assert {row["verdict"] for row in rows if "@support@" in row["fix_id"]} == {"effective"}
    lame = [row for row in rows if "@other@" in row["fix_id"]]
    assert lame
    assert {row["verdict"] for row in lame} == {"pending"}
    assert all("bad numbers" in row["reason"] for row in lame)


def test_a_run_that_breaks_off_keeps_the_applications_before(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(shop, W3 + timedelta(days=1))
    columns = "fix_id, pattern_id, ticket_key, deployment_id, prompt_name, prompt_version, deployed_at, source"
    shop.execute(  # the same fixes of a second application, last by name
        f"insert into feedback_loop.fixes (application, {columns}) select 'zoo', {columns} from feedback_loop.fixes"
    )
    make = verdicts.Court.make_due_looks

    def breaks(court: verdicts.Court, *args: Any) -> Any:
        if court.application == "zoo":
            raise RuntimeError("killed")
        return make(court, *args)

    with monkeypatch.context() as patch:
        patch.setattr(verdicts.Court, "make_due_looks", breaks)
        assert not shop.loop.verify(midnight(W5)).is_success
    before = looks(shop)
    assert {row["application"] for row in before} == {APPLICATION}
    assert [row for row in judged(shop) if row["application"] == APPLICATION] == before


def lose(world: World, where: str) -> None:
    world.execute(f"delete from feedback_loop.interactions where {where}")


def test_a_person_who_was_forgotten_costs_no_verdict(shop: World) -> None:
    lose(shop, f"interaction_id = '{APPLICATION}-v1-{W1}-0'")
    effective = [row for row in judged(shop) if "@support@v2" in row["fix_id"]]
    assert {row["verdict"] for row in effective} == {"effective"}
    assert all("1 of 294 unhappy interactions were deleted" in row["reason"] for row in effective)


@pytest.fixture
def old_shop(engine: Engine, tmp_path: Path) -> Iterator[World]:
    """Four weeks before a fix and two after it."""
    with open_world(engine, tmp_path, settings=SETTINGS) as world:
        world.add(r for week in (W1, W2, W3, W4) for r in traffic(week, per_day=60, failures=OLD))
        for week in (W1, W2, W3, W4):
            assert not world.loop.run_week(week).has_errors
        fix = make_deployment(at(W5, 0), prompt_name="support", prompt_version="v2", fixes=keys(world, "English"))
        after = [r for w in (W5, W6) for r in traffic(w, per_day=60, failures=serve_failures(), prompt_version="v2")]
        world.add([fix, *after])
        yield world


def test_past_retention_a_verdict_rests_on_what_is_left(old_shop: World) -> None:
    lose(old_shop, f"occurred_at < '{W2 + timedelta(days=2)}'")
    rows = judged(old_shop, W6 + timedelta(weeks=1))
    assert {row["verdict"] for row in rows} == {"effective"}
    for row in rows:
        assert f"counted from {W2 + timedelta(days=2)} on" in row["reason"]
        assert row["evidence"]["counted_from"] == str(W2 + timedelta(days=2))
        assert row["exposures_before"] == 60 * (28 - 9)


def test_past_retention_less_than_two_weeks_are_no_baseline(old_shop: World) -> None:
    lose(old_shop, f"occurred_at < '{W3 + timedelta(days=1)}'")
    rows = judged(old_shop, W6 + timedelta(weeks=1))
    assert {(row["verdict"], row["reduction"]) for row in rows} == {("pending", None)}
    assert all("less than two weeks before the fix" in row["reason"] for row in rows)


def test_feedback_that_stopped_before_the_look_blocks_it(shop: World) -> None:
    shop.execute(f"delete from feedback_loop.feedback where occurred_at >= '{W5 - timedelta(days=5)}'")
    rows = [row for row in judged(shop) if "@support@v2" in row["fix_id"]]
    assert {row["verdict"] for row in rows} == {"pending"}
    assert all("the last 5 days that were served" in row["reason"] for row in rows)


def test_sessions_that_come_after_a_look_are_told(shop: World) -> None:
    first = shop.loop.verify(midnight(W5))
    assert "late_facts" not in {name for _, name, _ in first.problems}
    shop.add(make_interaction(f"late{n}", at(W2, n)) for n in range(20))
    told = {name: text for _, name, text in shop.loop.verify(midnight(W5 + timedelta(days=1))).problems}
    effective = [row["fix_id"] for row in looks(shop, "@support@v2")]
    assert effective
    assert all(f"{fix} day 14: 20 sessions of its 1,700 came later" in told["late_facts"] for fix in effective)


def test_a_verdict_holds_what_it_was_made_from(shop: World) -> None:
    for row in judged(shop):
        evidence = row["evidence"]
        assert evidence["policies"]["verify"]["bar"] == SETTINGS.verify.bar
        assert {step["fix_id"] for step in evidence["fixes"]} >= {row["fix_id"]}
        (own,) = [one for one in evidence["judged_together"] if one["fix_id"] == row["fix_id"]] or [row]
        assert (own["p_value"], own["q_value"]) == (row["p_value"], row["q_value"])
        weeks = evidence["pattern_weeks"]
        assert sum(weeks["exposures"]) == evidence["n_sessions"]
        if row["n_before"] is not None:
            assert sum(weeks["affected"][row["pattern_id"]]) == row["n_before"] + row["n_after"]


def test_a_verdict_tells_what_scores_did_beside_the_rate(shop: World) -> None:
    days = [(week + timedelta(days=n), "v1" if week < W3 else "v2") for week in (W1, W2, W3, W4) for n in range(7)]
    shop.add(
        {
            "type": "evaluation",
            "interaction_id": f"shop-{version}-{day}-{n}",
            "evaluator": "judge",
            "score": 0.4 + 0.01 * (n % 7) + (0.2 if version == "v2" else 0.0),
        }
        for day, version in days
        for n in range(30)
    )
    for row in judged(shop):
        (score,) = row["evidence"]["scores"]
        assert (score["evaluator"], score["compared"], score["n"]) == ("judge", "clusters", 840)
        assert score["ci_low"] < score["change"] < score["ci_high"]
        assert score["change"] == pytest.approx(0.2, abs=0.01)
        assert score["p_value"] < 0.001


def test_a_name_in_a_picture_is_no_markup() -> None:
    week = {"starts_at": "2026-01-12"} | dict.fromkeys(
        ("n_before", "exposures_before", "n_after", "exposures_after"), 1
    )
    look = Verification(
        application="shop",
        fix_id="![x](https://evil.example)",
        pattern_id="p",
        look_day=14,
        verdict="effective",
        reason="",
        as_of=midnight(W5),
        reduction=0.5,
        evidence={"weeks": [week], "deployed_at": "2026-01-19"},
    )
    (picture,) = verdicts.pictures_of([look]).values()
    assert "![x](" not in str(picture.value)


def describe_as(world: World, settings: Settings, before: date) -> None:
    """As if a pinned describer had written what the offline one did, in the weeks before one."""
    version = describer_version(settings.analyst)
    world.execute("update feedback_loop.detectors set describer_version = :version", version=version)
    world.execute(
        "update feedback_loop.failure_descriptions set describer_version = :version where week < :before",
        version=version,
        before=before,
    )


def test_where_the_describer_is_pinned_a_look_waits_for_the_weekly_run(shop: World, tmp_path: Path) -> None:
    """Looks of the fix by time are due on Tuesdays, in the midst of a week that nobody has described yet."""
    pinned = Settings(guards=UNAUDITED, analyst=AnalystPolicy(analyst="claude", describer="claude"))
    shop.add(serve(W5))
    for week in (W3, W4):
        assert not shop.loop.run_week(week).has_errors
    describe_as(shop, pinned, W5)
    tuesday = W5 + timedelta(days=1)
    with open_world(shop.engine, tmp_path, settings=pinned) as world:
        due = judged(world, tuesday)
        assert {row["as_of"] for row in due} == {midnight(W5)}
        assert not shop.loop.run_week(W5).has_errors
        describe_as(world, pinned, W6)
        later = judged(world, W6)
    assert {row["as_of"] for row in later} == {midnight(W5), midnight(tuesday)}
    assert all(row["exposures_after"] for row in later)


def test_of_merged_patterns_the_earliest_week_counts(shop: World) -> None:
    """What an older pattern held before the younger one that it was merged into began is no stray."""
    kept = [f"{APPLICATION}-v1-{W1 + timedelta(days=n)}-0" for n in range(7)]
    shop.execute(
        "delete from feedback_loop.feedback where occurred_at < :until and interaction_id <> all(:kept)",
        until=midnight(W2),
        kept=kept,
    )
    before, window = midnight(W2), Window.of_days(W1, 14)
    with shop.engine.begin() as conn:
        frozen = patterns.load_detector(conn, APPLICATION, detector_of(conn))
        seen = Counter(conn, APPLICATION, StaticEmbedder(), SETTINGS).count(frozen.detector_version, window).affected
        old = str(seen.loc[seen["occurred_at"] < before, "pattern_id"].iloc[0])
        young = next(name for name in seen["pattern_id"].unique() if name != old)
        states = tuple(
            replace(state, first_seen_week=W1 if state.pattern_id == old else W2) for state in frozen.patterns
        )
        patterns.save_detector(conn, APPLICATION, replace(frozen, detector_version="younger", patterns=states))
        said = EffectiveDecisions(merges={old: young})
        counted = Counter(conn, APPLICATION, StaticEmbedder(), SETTINGS, said).count("younger", window).affected
    assert (counted.loc[counted["occurred_at"] < before, "pattern_id"] == young).any()


def detector_of(conn: sa.Connection) -> str:
    return str(conn.execute(sa.text("select min(detector_version) from feedback_loop.detectors")).scalar_one())
