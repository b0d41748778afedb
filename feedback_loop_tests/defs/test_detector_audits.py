"""From a look to a closed ticket: a blind sample, labels of people, and what they do on the next day."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, Engine

from feedback_loop.cli import cli
from feedback_loop.config import Settings
from feedback_loop.records import midnight
from feedback_loop.store.engine import create_engine
from feedback_loop.testing.anthropic_emulator import AnthropicEmulator
from feedback_loop.verify import METHOD_VERSION, GuardPolicy
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.test_verification import begin, keys, looks, serve
from feedback_loop_tests.defs.world import World, open_world
from feedback_loop_tests.factories import W1, W3, W4, W5
from feedback_loop_tests.llm.world import KEY, policy_of

Call = Callable[..., Result]
NEXT_DAY = midnight(W5 + timedelta(days=1))


@contextmanager
def connect(url: URL) -> Iterator[Engine]:
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def looked_at(admin: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Two weeks, a fix that works, two weeks after it, and the looks of day 14: a database to copy, and its tickets."""
    folder = tmp_path_factory.mktemp("looked_at")
    with contextmanager(make_database)(admin, "template_feedback_loop") as url:
        with connect(url) as engine, open_world(engine, folder) as world:
            begin(world)
            world.add(r for week in (W3, W4) for r in serve(week))
            assert not world.loop.verify(midnight(W5)).has_errors
        yield str(url.database), folder


@pytest.fixture
def world(admin: Engine, looked_at: tuple[str, Path], tmp_path: Path) -> Iterator[World]:
    name, folder = looked_at
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    with (
        contextmanager(make_database)(admin, name) as url,
        connect(url) as engine,
        open_world(engine, tmp_path) as world,
    ):
        yield world


@pytest.fixture
def call(world: World, monkeypatch: pytest.MonkeyPatch) -> Call:
    url = world.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("FEEDBACK_LOOP_DATABASE_URL", url)
    monkeypatch.setenv("FEEDBACK_LOOP_HOME", str(world.folder / "home"))
    return lambda *arguments: CliRunner().invoke(cli, arguments, catch_exceptions=False)


def is_member(world: World, row: dict[str, Any]) -> bool:
    """The truth: the complaint is on the language."""
    query = "select comment from feedback_loop.feedback where interaction_id = :id and comment is not null"
    said = str(world.value(query, id=row["interaction_id"])).lower()
    return "english" in said


def label_all(world: World, at: datetime, answer: Callable[[dict[str, Any]], bool | None]) -> None:
    statement = (
        "update feedback_loop.detector_audits set is_member = :label, labelled_by = 'maria', labelled_at = :at "
        "where audit_number = :number"
    )
    for row in drawn(world):
        world.execute(statement, label=answer(row), at=at, number=row["audit_number"])


def drawn(world: World, fix: str = "@support@v2") -> list[dict[str, Any]]:
    return [row for row in world.rows("detector_audits") if fix in row["fix_id"] and row["weight"] > 0]


def vouch_by_placebos(world: World, rate: float = 0.0, n_judged: int = 40) -> None:
    world.execute(
        "insert into feedback_loop.placebo_rates values "
        "('shop', :month, :method, :at, 'd', :n, :n, 0, 0, :rate, 0, .1, .1)",
        month=W1.replace(day=1),
        method=METHOD_VERSION,
        at=midnight(W3),
        n=n_judged,
        rate=rate,
    )


def ticket_texts(world: World) -> list[str]:
    return [(world.tickets_dir / f"{key}.md").read_text(encoding="utf-8") for key in keys(world, "English")]


def test_the_sample_of_a_look_is_the_same_again_and_tells_who_labels_nothing(world: World, call: Call) -> None:
    rows = drawn(world)
    assert {row["side"] for row in rows} == {"before", "after"}
    assert {row["drawn_at"] for row in rows} == {midnight(W5)}
    for side, n_found in (("before", 40), ("after", 5)):
        found = [row for row in rows if row["side"] == side and row["is_found"]]
        assert n_found <= len(found) <= 40 * len({row["fix_id"] for row in rows})
    assert world.loop.verify(midnight(W5)).metadata["detector_audits"]["dagster/partition_row_count"] == 0
    assert drawn(world) == rows
    listed = call("audit", "--json").stdout
    for name in ("interaction_id", "fix_id", "side", "is_found", "weight", "2026-", "v1", "v2", "before", "after"):
        assert name not in listed
    numbers = [row["audit_number"] for row in sorted(rows, key=lambda row: row["audit_number"])]
    assert numbers != [
        row["audit_number"] for row in sorted(rows, key=lambda row: (row["side"], row["interaction_id"]))
    ]
    shown = call("audit", "next").stdout
    assert "Is this a case of" in shown
    assert "2026" not in shown


def test_labels_from_the_command_line_close_the_ticket_the_next_day(world: World, call: Call) -> None:
    vouch_by_placebos(world)
    assert {row["may_close"] for row in looks(world, "@support@v2")} == {False}
    assert all("status: open" in text for text in ticket_texts(world))
    for row in drawn(world, fix=""):
        answer = "yes" if is_member(world, row) else "no"
        result = call("audit", "label", str(row["audit_number"]), answer, "--by", "maria")
        assert result.exit_code == 0
    assert "0 to label" in result.stdout
    world.execute("update feedback_loop.detector_audits set labelled_at = :at", at=midnight(W5) + timedelta(hours=9))
    before = looks(world)
    assert not world.loop.verify(NEXT_DAY).has_errors
    closed = [event for event in world.rows("ticket_events") if event["event_key"].startswith("close:")]
    assert closed
    assert {event["kind"] for event in closed} == {"close"}
    assert all("status: closed" in text for text in ticket_texts(world)), ticket_texts(world)
    assert [
        row for row in looks(world) if row["as_of"] < NEXT_DAY
    ] == before  # the rows keep what was known on their day
    for later in (NEXT_DAY, NEXT_DAY + timedelta(days=1)):
        assert not world.loop.verify(later).has_errors
    again = [event for event in world.rows("ticket_events") if event["event_key"].startswith("close:")]
    assert again == closed


@pytest.mark.parametrize(("rate", "n_judged"), [(0.2, 40), (0.0, 8)])
def test_a_high_or_unknown_placebo_rate_leaves_closing_to_people(world: World, rate: float, n_judged: int) -> None:
    vouch_by_placebos(world, rate, n_judged)
    label_all(world, midnight(W5) + timedelta(hours=9), lambda row: is_member(world, row))
    assert not world.loop.verify(NEXT_DAY).has_errors
    assert all("status: open" in text for text in ticket_texts(world))


def test_an_audit_that_fails_is_told_once_and_closes_nothing(world: World) -> None:
    """The detector is said to miss as much after the fix as it finds; before it missed nothing."""
    vouch_by_placebos(world)
    at = midnight(W5) + timedelta(hours=9)
    label_all(world, at, lambda row: bool(row["is_found"]) or row["side"] == "after")
    for n in range(3):
        assert not world.loop.verify(NEXT_DAY + timedelta(days=n)).has_errors
        label_all(world, at, lambda row: is_member(world, row))  # labelled otherwise later, it stays with people
    told = [event for event in world.rows("ticket_events") if event["event_key"].startswith("audit:")]
    assert len(told) == len({event["event_key"] for event in told}) >= 1
    for text in ticket_texts(world):
        assert "status: open" in text
        assert text.count("rests on a detector that changed") == 1
    assert {row["verdict"] for row in looks(world, "@support@v2")} == {"effective"}


def test_unsure_is_left_out_and_counted(world: World, call: Call) -> None:
    vouch_by_placebos(world)
    rows = drawn(world, fix="")
    number = str(rows[0]["audit_number"])
    assert "unsure" in call("audit", "label", number, "unsure", "--by", "maria").stdout
    label_all(world, midnight(W5) + timedelta(hours=9), lambda _row: None)
    result = world.loop.verify(NEXT_DAY)
    assert result.metadata["detector_audits"]["unsure"] >= len(drawn(world))
    assert all("status: open" in text for text in ticket_texts(world))
    wrong = call("audit", "label", "1000000", "yes", "--by", "maria")
    assert wrong.exit_code == 1
    assert "no event 1000000 was drawn" in wrong.stderr


def test_the_analyst_labels_as_blind_as_people_and_once(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(analyst=policy_of(items_per_request=40), guards=GuardPolicy(audit_by="analyst"))
    vouch_by_placebos(world)
    with AnthropicEmulator() as emulator, open_world(world.engine, tmp_path, settings=settings) as asking:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", emulator.base_url)
        result = asking.loop.verify(NEXT_DAY)
        assert not result.has_errors, result.problems
        told, n_asked = result.metadata["detector_audits"], len(emulator.requests)
        assert (told["open"], told["drawn"]) == (0, told["labelled"])
        assert told["llm_cost_usd"] > 0
        for request in emulator.requests:
            said = json.dumps(request.body["messages"])
            assert not [word for word in ("shop-v", "@support", "2026-", "before", "after") if word in said]
        asking.loop.verify(NEXT_DAY)
        assert len(emulator.requests) == n_asked
    rows = drawn(world, fix="")
    assert {row["labelled_at"] for row in rows} == {NEXT_DAY}
    assert all(row["labelled_by"].startswith("claude-1-") for row in rows)
    right = [row["is_member"] == is_member(world, row) for row in drawn(world)]
    assert sum(right) > 0.8 * len(right)


def test_where_the_money_ends_people_go_on(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings(analyst=policy_of(budget_usd=0.0), guards=GuardPolicy(audit_by="analyst"))
    with AnthropicEmulator() as emulator, open_world(world.engine, tmp_path, settings=settings) as asking:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", emulator.base_url)
        result = asking.loop.verify(NEXT_DAY)
        assert emulator.requests == []
    assert result.metadata["detector_audits"]["labelled"] == 0
    (text,) = [text for _, check, text in result.problems if check == "within_budget"]
    assert text.startswith("labels left to people: ")


def test_a_failed_audit_stops_the_next_look(world: World) -> None:
    """Of the fix that does nothing: its look of day 14 found too little, and the one of day 21 is not believed."""
    world.add(serve(W5))
    world.loop.verify(NEXT_DAY)
    other = [row["fix_id"] for row in drawn(world, fix="") if "@support@v2" not in row["fix_id"]]
    assert other
    statement = (
        "update feedback_loop.detector_audits set labelled_by = 'm', labelled_at = :at, "
        "is_member = is_found or side = 'after' where fix_id = any(:ids)"
    )
    world.execute(statement, at=NEXT_DAY + timedelta(hours=9), ids=other)
    world.loop.verify(NEXT_DAY + timedelta(days=7))
    rows = [row for row in looks(world) if row["fix_id"] in other and row["look_day"] == 21]
    assert rows
    blocked = [row for row in rows if "recall went from" in row["reason"]]
    assert blocked
    assert {(row["verdict"], row["may_close"]) for row in blocked} == {("pending", False)}
    sample = [row for row in drawn(world, fix="") if row["fix_id"] == blocked[0]["fix_id"]]
    assert {row["drawn_at"] for row in sample} == {NEXT_DAY + timedelta(days=7)}  # it grew with the look
    assert any(row["labelled_at"] is None for row in sample)
