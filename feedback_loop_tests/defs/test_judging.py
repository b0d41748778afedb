"""New groups are put to the analyst outside of any transaction, inside the budget, and once."""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from feedback_loop.config import Settings
from feedback_loop.defs.analysis import Spent, WeekJudge
from feedback_loop.defs.runs import RunResult
from feedback_loop.llm import Candidate, Quote, QuotedPattern
from feedback_loop.testing.anthropic_emulator import AnthropicEmulator, Responder
from feedback_loop.testing.anthropic_emulator.reading import nearest
from feedback_loop.testing.anthropic_emulator.responder import find_items, wanted_schema
from feedback_loop_tests.defs.world import World, open_world
from feedback_loop_tests.factories import W1, W2, traffic
from feedback_loop_tests.llm.world import KEY, candidate, ledger_usd, open_run, policy_of

STORED = ("pattern_states", "pattern_memberships", "pattern_lineage", "pattern_judgements")
BEFORE, NEW = {"language": 4, "link": 3}, {"language": 4, "link": 3, "sum": 5}


class Verdict:
    """A model that says the same of every new group, and counts what the database is doing meanwhile."""

    def __init__(self, engine: Engine, judgement: str) -> None:
        self.engine, self.judgement, self.n_open, self.n_asked = engine, judgement, 0, 0
        self._else = Responder()

    def __call__(self, body: Mapping[str, Any]) -> str | dict[str, Any]:
        if "judgement" not in str(wanted_schema(body)):
            return self._else(body)
        items = find_items(body)
        self.n_asked += len(items)
        with self.engine.connect() as conn:
            query = "select count(*) from pg_stat_activity where state like 'idle in transaction%' and datname = :name"
            self.n_open += conn.execute(sa.text(query), {"name": self.engine.url.database}).scalar_one()
        of = {i["ref"]: "" if self.judgement in ("new", "noise") else nearest(i)[0]["ref"] for i in items}
        return {"items": [{"ref": r, "judgement": self.judgement, "of": o, "reason": "told to"} for r, o in of.items()]}


def settings_of(**changes: object) -> Settings:
    return Settings(analyst=policy_of(items_per_request=40, **changes))


@pytest.fixture
def emulator(engine: Engine, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Verdict]:
    verdict = Verdict(engine, getattr(request, "param", "new"))
    with AnthropicEmulator(verdict) as emulator:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", emulator.base_url)
        yield verdict


def run_two_weeks(world: World) -> RunResult:
    world.add([*traffic(W1, failures=BEFORE), *traffic(W2, failures=NEW)])
    assert world.loop.run_week(W1).is_success
    result = world.loop.run_week(W2)
    assert result.is_success, result.error
    return result


def judged(world: World, source: str) -> dict[str, tuple[str, str | None]]:
    """pattern_id -> judgement and other pattern, of the second week."""
    found = [r for r in world.rows("pattern_judgements") if r["week"] == W2 and r["source"] == source]
    return {row["pattern_id"]: (row["judgement"], row["other_pattern_id"]) for row in found}


def known(world: World, week: date) -> set[str]:
    return {row["pattern_id"] for row in world.rows("pattern_states") if row["week"] == week}


@pytest.mark.parametrize("emulator", ["new", "same", "sub", "noise"], indirect=True)
def test_the_word_of_the_analyst_decides_about_new_groups(engine: Engine, emulator: Verdict, tmp_path: Path) -> None:
    with open_world(engine, tmp_path, settings=settings_of()) as world:
        result = run_two_weeks(world)
        said, before, after = judged(world, "claude"), known(world, W1), known(world, W2)
        assert len(said) == emulator.n_asked > 0
        assert {judgement for judgement, _ in said.values()} == {emulator.judgement}
        assert emulator.n_open == 0
        reported = result.metadata["failure_patterns"]
        assert reported["judged_by_claude"] == len(said)
        assert reported["llm_calls"] > 0
        assert reported["llm_cost_usd"] > 0
        assert "within_budget" not in {check for _, check, _ in result.problems}
        founds = emulator.judgement in ("new", "sub")
        assert after >= before
        assert set(said) & after == (set(said) if founds else set())
        split = {(r["pattern_id"], r["relation"], r["other_pattern_id"]) for r in world.rows("pattern_lineage")}
        of = {(one, "split_from", other) for one, (_, other) in said.items()}
        assert split == (of if emulator.judgement == "sub" else set())
        assert {other for _, other in said.values()} <= ({None} if emulator.judgement in ("new", "noise") else before)


def test_running_again_asks_nobody_and_changes_not_one_row(engine: Engine, emulator: Verdict, tmp_path: Path) -> None:
    with open_world(engine, tmp_path, settings=settings_of()) as world:
        run_two_weeks(world)
        before, n_asked, paid = {table: world.rows(table) for table in STORED}, emulator.n_asked, ledger_usd(engine)
        result = world.loop.run_week(W2)
        assert result.metadata["failure_patterns"]["llm_cache_hits"] == n_asked
        assert {table: world.rows(table) for table in STORED} == before
        assert (emulator.n_asked, ledger_usd(engine)) == (n_asked, paid)


def test_where_the_money_ends_the_gate_decides_and_the_check_says_so(
    engine: Engine, emulator: Verdict, tmp_path: Path
) -> None:
    with open_world(engine, tmp_path, settings=settings_of(budget_usd=0.0)) as world:
        result = run_two_weeks(world)
        texts = [text for _, check, text in result.problems if check == "within_budget"]
        assert any(text.startswith("judgements left to the offline rules: ") for text in texts), texts
        assert judged(world, "claude") == {}
        assert set(judged(world, "gate")) & known(world, W2)
        assert result.metadata["failure_patterns"]["llm_cost_usd"] == 0
    assert emulator.n_asked == 0


def test_offline_the_gate_decides_and_nobody_is_asked(world: World) -> None:
    result = run_two_weeks(world)
    assert judged(world, "gate")
    assert judged(world, "claude") == {}
    assert [check for _, check, _ in result.problems if check == "within_budget"] == []
    assert result.metadata["failure_patterns"]["llm_calls"] == 0


def test_a_judge_repeats_itself_by_the_quotes_it_saw(engine: Engine) -> None:
    one = candidate("links")
    quotes = one.pattern.quotes
    same = Candidate(QuotedPattern("another id", (Quote("unseen", "x"), quotes[0])), one.known)
    other = Candidate(QuotedPattern("links", (Quote("unseen", "x"),)), one.known)
    with AnthropicEmulator() as api:
        judge = WeekJudge(lambda application: open_run(engine, api, policy_of(), application), "shop", Spent())
        first = judge([one])
        n_requests = len(api.requests)
        assert judge.again([same, other]).found == {"another id": first.found["links"]}
        assert len(api.requests) == n_requests == 1
