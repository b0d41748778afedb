"""Cleaning in the loop: a campaign makes no negatives, enters no verdict, and each of its records has its reason."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import URL, Engine

from feedback_loop.cli import cli
from feedback_loop.clients.embeddings import StaticEmbedder
from feedback_loop.config import Settings
from feedback_loop.defs.cleaning import Cleaning
from feedback_loop.defs.counting import Counter
from feedback_loop.defs.runs import RunResult
from feedback_loop.records import Window
from feedback_loop.store.engine import create_engine
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.world import UNAUDITED, World, open_world
from feedback_loop_tests.factories import APPLICATION, W1, W2, Record, at, make_feedback, make_interaction, traffic

SETTINGS = Settings(guards=UNAUDITED)
N_LETTERS = 30
OUTAGE = W1 + timedelta(days=3)


def letters(day: int) -> Iterator[Record]:
    """Throw-away accounts that complain of a broken link in one another's words."""
    for n in range(N_LETTERS):
        name, slip = f"letter-{day}-{n}", ("", "!", " please", " now")[n % 4]
        when = at(W1 + timedelta(days=day), 9 + n / 10)
        yield make_interaction(name, when, user_id=f"throwaway-{n}")
        said = f"the link to the warranty page is broken and nobody cares{slip}"
        yield make_feedback(name, at(W1 + timedelta(days=day), 9.01 + n / 10), comment=said)


def outage() -> Iterator[Record]:
    """All that use it complain within a minute, each in his own words."""
    for n in range(23):
        name = f"outage-{n}"
        yield make_interaction(name, at(OUTAGE, 15), user_id=f"u{n}")
        words = f"down since {n} minutes, {('help', 'no answer', 'it hangs', 'error again')[n % 4]} {'x' * (n % 5)}"
        yield make_feedback(name, at(OUTAGE, 15 + n / 3600), comment=words)
    yield make_interaction("empty", at(OUTAGE, 16), user_id="u3")
    yield make_feedback("empty", at(OUTAGE, 16.1), comment="asdf", reason="wrong_information")


@pytest.fixture(scope="module")
def shared_url(admin: Engine) -> Iterator[URL]:
    yield from make_database(admin, "template_feedback_loop")


@pytest.fixture(scope="module")
def ran(shared_url: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, RunResult]]:
    """A week with a campaign and an outage, run; and two days of the next one, which has not run."""
    engine = create_engine(shared_url)
    with open_world(engine, tmp_path_factory.mktemp("world"), settings=SETTINGS) as world:
        world.add(traffic(W1, per_day=60, failures={"link": 6}))
        world.add(traffic(W2, n_days=2, per_day=60, failures={"link": 6}))
        world.add([*letters(4), *outage()])
        world.add(letters(8))
        yield world, world.loop.run_week(W1)
    engine.dispose()


def test_a_campaign_makes_no_negatives_and_an_outage_does(ran: tuple[World, RunResult]) -> None:
    world, result = ran
    assert (result.is_success, result.error) == (True, None)
    negative = {row["interaction_id"] for row in world.rows("negative_feedback")}
    assert not {name for name in negative if name.startswith("letter")}
    assert len({name for name in negative if name.startswith("outage")}) == 23
    rows = world.rows("feedback_exclusions")
    assert {(row["reason"], row["effect"]) for row in rows} == {("campaign", "excluded"), ("low_effort", "wordless")}
    assert sum(row["reason"] == "campaign" for row in rows) == N_LETTERS
    assert all(row["detail"] and row["policy_version"].startswith("CleanPolicy-") for row in rows)


def test_empty_words_are_not_described_and_their_answer_stays_negative(ran: tuple[World, RunResult]) -> None:
    (row,) = (row for row in ran[0].rows("failure_descriptions") if row["interaction_id"] == "empty")
    assert (row["description"], row["evidence"]) == ("wrong information", "reason")


def test_the_counts_are_seen_in_dagster_and_a_check_asks_people_to_look(ran: tuple[World, RunResult]) -> None:
    world, result = ran
    seen = result.metadata["feedback_exclusions"]
    assert (seen["campaign"], seen["n_excluded"], seen["n_wordless"], seen["burst"]) == (N_LETTERS, N_LETTERS, 1, 0)
    assert "30 for campaign" in next(said for _, name, said in result.problems if name == "few_are_left_out")
    (counts,) = world.rows("cleaning_weeks")
    assert counts["n_feedback"] == 7 * 6 + N_LETTERS + 23 + 1 == seen["n_feedback"]


def test_a_week_again_gives_the_same_rows(ran: tuple[World, RunResult]) -> None:
    world, _ = ran
    before = {table: world.rows(table) for table in ("feedback_exclusions", "cleaning_weeks", "negative_feedback")}
    assert world.loop.run_week(W1).is_success
    assert {table: world.rows(table) for table in before} == before


def test_verdicts_leave_out_the_same_in_weeks_that_have_not_run(ran: tuple[World, RunResult]) -> None:
    world, _ = ran
    with world.engine.begin() as conn:
        version = conn.exec_driver_sql("select detector_version from feedback_loop.detectors").scalars().first()
        cleaning = Cleaning(conn, APPLICATION, SETTINGS.clean)
        left = cleaning.left_out(Window.of_days(W1, 9))
        assert len(left.excluded) == 2 * N_LETTERS
        moving = Counter(conn, APPLICATION, StaticEmbedder(), SETTINGS)
        for n_days in (5, 7, 9, 8):  # the week that is not over is cleaned as far as it goes, also backwards
            counts = [
                counter.count(version, Window.of_days(W1, n_days)).affected["session_id"].tolist()
                for counter in (moving, Counter(conn, APPLICATION, StaticEmbedder(), SETTINGS))
            ]
            assert sorted(counts[0]) == sorted(counts[1])
            assert counts[0]
            assert not [name for name in counts[0] if "letter" in name]


def test_the_command_lists_them(ran: tuple[World, RunResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDBACK_LOOP_DATABASE_URL", ran[0].engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("FEEDBACK_LOOP_HOME", str(tmp_path / "home"))

    def call(*arguments: str) -> str:
        return CliRunner().invoke(cli, ["exclusions", *arguments], catch_exceptions=False).output

    listed = json.loads(call("--week", str(W1), "--reason", "campaign", "--json"))
    assert {row["reason"] for row in listed} == {"campaign"}
    assert len(listed) == N_LETTERS
    assert "30 excluded, 1 wordless, 0 weighted" in call("--week", str(W1))
    assert "was not cleaned yet" in call("--week", str(W2))
    assert "is a Tuesday" in call("--week", str(W1 + timedelta(days=1)))
