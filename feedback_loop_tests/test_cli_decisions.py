"""People correct patterns on the command line, and the weeks and verdicts that Dagster runs afterwards honour it."""

import getpass
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, Engine

from feedback_loop.cli import cli
from feedback_loop.config import Settings
from feedback_loop.route import RoutePolicy
from feedback_loop.store import ticket_events
from feedback_loop.store.engine import create_engine
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.world import UNAUDITED, World, open_world
from feedback_loop_tests.factories import W1, W2, W3, W4, W5, W6, at, make_deployment, traffic

NO_TICKETS = Settings(route=RoutePolicy(min_occurrences=10**6))
Row = dict[str, Any]


@pytest.fixture(scope="module")
def known_url(admin: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A database in which one week found patterns, without any ticket; to copy from."""
    for url in make_database(admin, "template_feedback_loop"):
        engine = create_engine(url)
        with open_world(engine, tmp_path_factory.mktemp("known"), settings=NO_TICKETS) as world:
            world.add(traffic(W1, per_day=60, failures={"language": 9, "link": 6}))
            assert not world.loop.run_week(W1).has_errors
            assert world.rows("tickets") == []
        engine.dispose()
        yield url


@pytest.fixture
def world(admin: Engine, known_url: URL, tmp_path: Path) -> Iterator[World]:
    """That week in a database of one's own, from now on with tickets."""
    for url in make_database(admin, str(known_url.database)):
        engine = create_engine(url)
        with open_world(engine, tmp_path, settings=Settings(guards=UNAUDITED)) as world:
            yield world
        engine.dispose()


Call = Callable[..., Result]


@pytest.fixture
def call(world: World, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The real command, in this process, on the world's database."""
    url = world.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("FEEDBACK_LOOP_DATABASE_URL", url)
    monkeypatch.setenv("FEEDBACK_LOOP_HOME", str(world.folder / "home"))
    return lambda *arguments: CliRunner().invoke(cli, arguments, catch_exceptions=False)


def listing(call: Call, *arguments: str) -> list[Row]:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    rows: list[Row] = json.loads(result.stdout)
    return rows


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def biggest(call: Call) -> list[Row]:
    """The patterns, most frequent first."""
    return sorted(listing(call, "patterns"), key=lambda row: -row["n_occurrences_total"])


def file_of(world: World, key: str) -> str:
    return (world.tickets_dir / f"{key}.md").read_text(encoding="utf-8")


def run_again(world: World) -> None:
    assert not world.loop.run_week(W1).has_errors


def ticket_of(world: World, pattern_id: str) -> Row | None:
    return next((t for t in world.rows("tickets") if t["pattern_id"] == pattern_id), None)


def test_a_decision_is_said_listed_and_recorded_once(call: Call, world: World) -> None:
    first = biggest(call)[0]["pattern_id"]
    result = call("patterns", "rename", first, "Wrong\x1b[31m language", "--author", "maria")
    assert (result.exit_code, result.stdout) == (0, f"recorded {first}: rename Wrong [31m language, by maria\n")
    again = call("patterns", "rename", first, "Wrong [31m language", "--author", "jo")
    assert "it is so already, nothing recorded" in again.stdout
    (row,) = listing(call, "patterns", "decisions")
    assert (row["author"], row["decision"], row["value"], row["counts"]) == (
        "maria", "rename", "Wrong [31m language", True,
    )  # fmt: skip
    assert "maria" in call("patterns", "decisions").stdout
    assert biggest(call)[0]["name"] == "Wrong [31m language"
    assert listing(call, "patterns", "decisions", "--application", "other") == []
    assert len(world.rows("pattern_decisions")) == 1


def test_the_author_is_the_login_name(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    first = biggest(call)[0]["pattern_id"]
    monkeypatch.setenv("LOGNAME", "jo")
    assert call("patterns", "mute", first).stdout == f"recorded {first}: mute, by jo\n"

    def nobody() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr(getpass, "getuser", nobody)
    result = call("patterns", "unmute", first)
    assert (result.exit_code, result.stderr) == (
        1, "error: this machine does not say who you are: give your name with --author\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("mute", "FL-99"), 1, "error: no pattern or ticket is called 'FL-99'"),
        (("mute", "FL-99", "--application", "x"), 1, "called 'FL-99' in application 'x'"),
        (("cause", "FL-99", "weather"), 2, "'weather' is not one of 'prompt', 'retrieval'"),
        (("merge", "FL-1"), 2, "Missing argument 'INTO'"),
        (("--json", "mute", "FL-1"), 2, "write options after the command"),
    ],
)
def test_what_is_wrong_is_said(call: Call, arguments: tuple[str, ...], status: int, words: str) -> None:
    result = call("patterns", *arguments)
    assert result.exit_code == status
    assert words in result.stderr


def test_a_muted_pattern_gets_no_ticket_until_it_is_unmuted(call: Call, world: World) -> None:
    muted, other = (row["pattern_id"] for row in biggest(call)[:2])
    assert call("patterns", "mute", muted).exit_code == 0
    assert [row["pattern_id"] for row in listing(call, "patterns") if row["is_muted"]] == [muted]
    assert "confirmed, muted" in call("patterns").stdout
    run_again(world)
    assert ticket_of(world, muted) is None
    assert ticket_of(world, other) is not None
    call("patterns", "unmute", muted)
    assert not any(row["is_muted"] for row in listing(call, "patterns"))
    run_again(world)
    assert ticket_of(world, muted) is not None


def test_a_name_and_a_cause_are_in_the_ticket_made_later(call: Call, world: World) -> None:
    first = biggest(call)[0]
    cause = "model" if first["likely_cause"] != "model" else "prompt"
    call("patterns", "rename", first["pattern_id"], "Answers in *English*")
    call("patterns", "cause", first["pattern_id"], cause)
    row = biggest(call)[0]
    assert (row["name"], row["likely_cause"], row["suggested_fix"]) == ("Answers in *English*", cause, "")
    run_again(world)
    ticket = ticket_of(world, first["pattern_id"])
    assert ticket is not None
    assert ticket["route"] == {"model": "model limitation", "prompt": "prompt fix"}[cause]
    text = file_of(world, ticket["ticket_key"])
    assert "# Answers in \\*English\\*\n" in text
    words = {"model": "a limit of the model", "prompt": "the instructions in the prompt"}[cause]
    assert f"**Likely cause:** {words}. A person decided this." in text
    assert first["suggested_fix"] not in text
    call("patterns", "rename", ticket["ticket_key"], "Wrong language")
    assert [r["title"] for r in listing(call, "tickets") if r["ticket_key"] == ticket["ticket_key"]] == [
        "Wrong language"
    ]
    assert file_of(world, ticket["ticket_key"]) == text  # what is in a ticket belongs to people


def test_merged_before_any_ticket_there_is_one_between_them(call: Call, world: World) -> None:
    into, merged = (row["pattern_id"] for row in biggest(call)[:2])
    call("patterns", "merge", merged, into)
    run_again(world)
    assert ticket_of(world, merged) is None
    ticket = ticket_of(world, into)
    assert ticket is not None
    table = call("patterns").stdout
    assert "merged into" in table
    assert {r["merged_into"] for r in listing(call, "patterns") if r["pattern_id"] == merged} == {into}


def merge_after_tickets(call: Call, world: World) -> tuple[Row, Row]:
    """Tickets for the two biggest patterns; a fix of the smaller is out; then it is merged into the bigger."""
    into, merged = (row["pattern_id"] for row in biggest(call)[:2])
    world.add(traffic(W2, per_day=60, failures={"language": 9, "link": 6}))
    for week in (W1, W2):
        assert not world.loop.run_week(week).has_errors
    main, duplicate = ticket_of(world, into), ticket_of(world, merged)
    assert main is not None
    assert duplicate is not None
    key = duplicate["ticket_key"]
    world.add([make_deployment(at(W3, 0), prompt_name="support", prompt_version="v2", fixes=[key])])
    assert not world.loop.verify(midnight(W3 + timedelta(days=1))).has_errors
    assert "A fix was deployed" in file_of(world, key)
    assert "closes one as a duplicate" in call("patterns", "merge", key, main["ticket_key"]).stdout
    for week in (W3, W4):
        world.add(traffic(week, per_day=60, failures={"sum": 1}, prompt_version="v2"))
        assert not world.loop.run_week(week).has_errors
    return main, duplicate


def counted(world: World, detector: str, *pattern_ids: str) -> int:
    """Sessions of the two weeks before the fix that a detector gives to these patterns."""
    query = """
        select count(distinct i.session_id) from feedback_loop.detections d
        join feedback_loop.interactions i using (interaction_id)
        where d.detector_version = :detector and d.pattern_id = any(:ids) and i.prompt_version = 'v1'
    """
    return int(world.value(query, detector=detector, ids=list(pattern_ids)))


def test_a_merged_ticket_is_a_duplicate_once_and_its_fix_is_judged_jointly(call: Call, world: World) -> None:
    main, duplicate = merge_after_tickets(call, world)
    keys = main["ticket_key"], duplicate["ticket_key"]
    for _ in range(2):
        assert not world.loop.verify(midnight(W5)).has_errors
    texts = [file_of(world, key) for key in keys]
    assert texts[1].count(f"Duplicate of {keys[0]}.") == 1
    assert "status: closed" in texts[1]
    assert texts[0].count(f"{keys[1]} is a duplicate of this ticket") == 1

    (look,) = world.rows("verifications")
    ids, detector = (main["pattern_id"], duplicate["pattern_id"]), duplicate["detector_version"]
    assert (look["pattern_id"], look["detector_version"], look["verdict"]) == (ids[0], detector, "effective")
    assert look["n_before"] == counted(world, detector, *ids)
    assert 0 < counted(world, detector, ids[1]) < look["n_before"]
    both = " and ".join(key for _, key in sorted(zip(ids, keys, strict=True)))
    assert look["reason"].endswith(f"{both} were merged and are judged together")
    assert "status: closed" in texts[0]
    assert ["Effective after 14 days" in text for text in texts] == [True, False]
    assert texts[0].count("A fix was deployed") == 0  # it was said where it belonged then
    with world.engine.connect() as conn:
        assert ticket_events.pending_events(conn) == []


def test_a_verdict_from_before_a_merge_stays_where_it_was_given(call: Call, world: World) -> None:
    into, merged = (row["pattern_id"] for row in biggest(call)[:2])
    world.add(traffic(W2, per_day=60, failures={"language": 9, "link": 6}))
    for week in (W1, W2):
        world.loop.run_week(week)
    main, duplicate = ticket_of(world, into), ticket_of(world, merged)
    assert main is not None
    assert duplicate is not None
    keys = main["ticket_key"], duplicate["ticket_key"]
    world.add([make_deployment(at(W3, 0), prompt_name="support", prompt_version="v2", fixes=[keys[1]])])
    for week in (W3, W4):
        world.add(traffic(week, per_day=60, failures={"language": 9, "link": 6}, prompt_version="v2"))
        world.loop.run_week(week)
    world.loop.verify(midnight(W5))
    (before,) = world.rows("verifications")
    assert before["n_before"] == counted(world, duplicate["detector_version"], merged)
    call("patterns", "merge", *reversed(keys))
    world.add(traffic(W5, per_day=60, failures={"language": 1, "link": 1}, prompt_version="v2"))
    world.loop.run_week(W5)
    assert not world.loop.verify(midnight(W6)).has_errors
    looks = {row["look_day"]: row for row in world.rows("verifications")}
    assert looks[14] == before
    said = {key: file_of(world, key) for key in keys}
    assert " after 14 days: " in said[keys[1]]
    assert " after 14 days: " not in said[keys[0]]
    assert before["verdict"] == "inconclusive"  # so that there is a next look, after the merge
    assert looks[21]["pattern_id"] == into
    assert " after 21 days: " in said[keys[0]]
    assert " after 21 days: " not in said[keys[1]]


def test_on_a_muted_patterns_ticket_only_verdicts_are_said(call: Call, world: World) -> None:
    muted = biggest(call)[0]["pattern_id"]
    world.add(traffic(W2, per_day=60, failures={"language": 9, "link": 6}))
    for week in (W1, W2):
        world.loop.run_week(week)
    ticket = ticket_of(world, muted)
    assert ticket is not None
    call("patterns", "mute", ticket["ticket_key"])
    key = ticket["ticket_key"]
    world.add([make_deployment(at(W3, 0), prompt_name="support", prompt_version="v2", fixes=[key])])
    for week in (W3, W4):
        world.add(traffic(week, per_day=60, failures={"sum": 1}, prompt_version="v2"))
        world.loop.run_week(week)
    world.loop.verify(midnight(W5))
    text = file_of(world, key)
    assert "A fix was deployed" not in text
    assert "Effective after 14 days" in text


def test_one_change_for_both_tickets_is_one_fix_of_what_stays(call: Call, world: World) -> None:
    run_again(world)
    into, merged = (row["pattern_id"] for row in biggest(call)[:2])
    keys = [str((ticket_of(world, p) or {})["ticket_key"]) for p in (into, merged)]
    world.add([make_deployment(at(W2, 0), prompt_name="support", prompt_version="v2", fixes=keys)])
    for week in (W2, W3):
        world.add(traffic(week, per_day=60, failures={"language": 1, "link": 1}, prompt_version="v2"))
        world.loop.run_week(week)
    call("patterns", "merge", *reversed(keys))
    world.loop.verify(midnight(W4))
    assert len(world.rows("fixes")) == 2
    (look,) = world.rows("verifications")
    assert (look["pattern_id"], look["fix_id"]) == (into, f"{into}@support@v2")


def test_the_only_ticket_of_merged_patterns_goes_on_for_all_of_them(call: Call, world: World) -> None:
    into, merged = (row["pattern_id"] for row in biggest(call)[:2])
    call("patterns", "mute", into)
    run_again(world)
    call("patterns", "unmute", into)
    key = str((ticket_of(world, merged) or {})["ticket_key"])
    call("patterns", "merge", key, into)
    run_again(world)
    assert ticket_of(world, into) is None
    assert {r["ticket_key"] for r in biggest(call) if r["pattern_id"] in (into, merged)} == {key}
    world.add([make_deployment(at(W2, 0), prompt_name="support", prompt_version="v2", fixes=[key])])
    for week in (W2, W3):
        world.add(traffic(week, per_day=60, failures={"sum": 1}, prompt_version="v2"))
        world.loop.run_week(week)
    assert not world.loop.verify(midnight(W4)).has_errors
    (look,) = world.rows("verifications")
    assert (look["pattern_id"], look["verdict"]) == (into, "effective")
    text = file_of(world, key)
    assert "Effective after 14 days" in text
    assert "status: closed" in text
    assert "Duplicate" not in text
    assert [r["verdict"] for r in listing(call, "tickets") if r["ticket_key"] == key] == ["effective"]


def test_a_detector_that_is_older_than_a_merged_pattern_is_said(call: Call, world: World) -> None:
    run_again(world)
    known = {row["pattern_id"] for row in listing(call, "patterns")}
    main = world.rows("tickets")[0]
    world.add(traffic(W2, per_day=60, failures={"language": 9, "link": 6, "sum": 9}))
    world.loop.run_week(W2)
    new = next(row for row in biggest(call) if row["pattern_id"] not in known)
    world.add([make_deployment(at(W3, 0), prompt_name="support", prompt_version="v2", fixes=[main["ticket_key"]])])
    call("patterns", "merge", new["pattern_id"], main["ticket_key"])
    for week in (W3, W4):
        world.add(traffic(week, per_day=60, failures={"language": 1}, prompt_version="v2"))
        world.loop.run_week(week)
    world.loop.verify(midnight(W5))
    (look,) = world.rows("verifications")
    assert f"judged together, but the detector frozen for this fix knows no {new['ticket_key']}" in look["reason"]
    assert look["n_before"] == counted(world, main["detector_version"], main["pattern_id"])
