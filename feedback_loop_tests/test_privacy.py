"""A person's wishes: deleted everywhere, not taken any more; and a key that changes. On a real database and Dagster."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy import URL, Connection, Engine

from feedback_loop.cli import cli
from feedback_loop.intake.storing import OPTED_OUT
from feedback_loop.records import midnight
from feedback_loop.redaction import hash_user
from feedback_loop.store import tables
from feedback_loop.store.engine import create_engine
from feedback_loop.store.forgetting import forget
from feedback_loop.store.patterns import load_memory
from feedback_loop.store.vectors import text_hash
from feedback_loop_tests.conftest import make_database
from feedback_loop_tests.defs.world import World, open_world
from feedback_loop_tests.factories import APPLICATION, W1, W2, traffic

SECRET = "a secret of the installation"
Call = Callable[..., Result]


@pytest.fixture(scope="module")
def known_url(admin: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A database in which one week found patterns and made tickets; to copy from."""
    for url in make_database(admin, "template_feedback_loop"):
        engine = create_engine(url)
        with open_world(engine, tmp_path_factory.mktemp("known")) as world:
            world.add(traffic(W1, per_day=60, failures={"language": 9, "link": 6}))
            assert not world.loop.run_week(W1).has_errors
            assert world.rows("tickets")
        engine.dispose()
        yield url


@pytest.fixture
def world(admin: Engine, known_url: URL, tmp_path: Path) -> Iterator[World]:
    for url in make_database(admin, str(known_url.database)):
        engine = create_engine(url)
        with open_world(engine, tmp_path) as world:
            yield world
        engine.dispose()


@pytest.fixture
def call(database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The real command, in this process, on an empty database."""
    monkeypatch.setenv("FEEDBACK_LOOP_DATABASE_URL", database_url.render_as_string(hide_password=False))
    monkeypatch.setenv("FEEDBACK_LOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FEEDBACK_LOOP_HASH_KEY", SECRET)
    return lambda *arguments, **more: CliRunner().invoke(cli, arguments, catch_exceptions=False, **more)


def everything(engine: Engine) -> dict[str, str]:
    """Every table as one text, to look for what must not be there."""
    found = {}
    with engine.connect() as conn:
        for table in tables.metadata.sorted_tables:
            rows = conn.execute(sa.select(table)).mappings().all()
            found[table.name] = json.dumps([dict(row) for row in rows], default=str, ensure_ascii=False)
    return found


def exemplar_people(world: World) -> list[tuple[str, str, str]]:
    """user_hash, interaction_id and quote of what patterns remember, where nobody else said the same."""
    query = """
        select i.user_hash, e ->> 'interaction_id', e ->> 'quote'
        from feedback_loop.pattern_states s, jsonb_array_elements(s.exemplars) e
        join feedback_loop.interactions i on i.interaction_id = e ->> 'interaction_id'
        where (select count(*) from feedback_loop.feedback f where f.comment = e ->> 'quote') = 1 order by 1, 2
    """
    with world.engine.connect() as conn:
        return [(str(a), str(b), str(c)) for a, b, c in conn.execute(sa.text(query))]


def repeat(conn: Connection, user: str, interaction: str, quote: str) -> None:
    """What cleaning, a model and a tool that is written back to may hold of a person."""
    event = {"application": APPLICATION, "week": W1, "interaction_id": interaction}
    excluded = {"feedback_id": "f", "reason": "campaign", "signal": "comment", "effect": "excluded", "weight": 0.0}
    more = {"user_hash": user, "occurred_at": midnight(W1), "detail": "like 7 others", "policy_version": "1"}
    conn.execute(tables.feedback_exclusions.insert().values(event | excluded | more))
    written = {"source": "tool", "score_id": "s", "interaction_id": interaction, "name": "pattern", "value": "p"}
    conn.execute(tables.written_scores.insert().values(written))
    reply = {"application": APPLICATION, "request_hash": "h", "model": "m", "purpose": "describe"}
    said = {"replied_at": midnight(W1), "reply": {"sentences": [f"The user says: {quote}"]}}
    conn.execute(tables.llm_replies.insert().values(reply | said))
    pattern = conn.scalar(sa.select(tables.pattern_states.c.pattern_id).limit(1))
    key = {"application": APPLICATION, "week": W2, "pattern_id": pattern}
    judged = {"judgement": "new", "source": "claude", "reason": f'One says "{quote}"'}
    conn.execute(tables.pattern_judgements.insert().values(key | judged))


def test_a_person_is_gone_from_every_table(world: World) -> None:
    user, interaction, quote = exemplar_people(world)[0]
    with world.engine.begin() as conn:
        repeat(conn, user, interaction, quote)
    before = everything(world.engine)
    assert any(user in text for text in before.values())
    assert quote in before["pattern_states"]
    with world.engine.begin() as conn:
        texts = conn.execute(
            sa.text("select failure_text from feedback_loop.failure_descriptions where interaction_id = :i"),
            {"i": interaction},
        ).scalars()
        vector = text_hash(next(iter(texts)))
        done = forget(conn, user)
    after = everything(world.engine)
    assert [name for name, text in after.items() if user in text or interaction in text] == []
    assert [name for name, text in after.items() if quote in text] == []
    assert str(vector) not in after["text_vectors"]
    assert done.n_deleted["interactions"] >= 1
    assert done.n_cleaned["pattern_states"] >= 1
    assert done.n_cleaned["detectors"] >= 1
    with world.engine.begin() as conn:
        assert forget(conn, user).is_empty


def test_a_pattern_remembers_others_in_their_place_and_keeps_id_and_counts(world: World) -> None:
    user = exemplar_people(world)[0][0]
    kept = ("pattern_id", "n_occurrences", "first_seen_week", "threshold", "status")
    before = {row["pattern_id"]: row for row in world.rows("pattern_states")}
    with world.engine.begin() as conn:
        forget(conn, user)
    after = {row["pattern_id"]: row for row in world.rows("pattern_states")}
    assert [{name: row[name] for name in kept} for row in before.values()] == [
        {name: row[name] for name in kept} for row in after.values()
    ]
    assert world.rows("pattern_weeks")
    world.add(traffic(W2, per_day=60, failures={"language": 9, "link": 6}))
    assert not world.loop.run_week(W2).has_errors
    assert set(before) <= {row["pattern_id"] for row in world.rows("pattern_states") if row["week"] == W2}


def test_a_pattern_of_one_person_keeps_its_id_and_the_loop_goes_on(world: World) -> None:
    users = sorted({row["user_hash"] for row in world.rows("interactions") if row["user_hash"]})
    with world.engine.begin() as conn:
        for user in users:
            forget(conn, user)
    with world.engine.connect() as conn:
        memory = load_memory(conn, APPLICATION, None)
    assert memory
    assert all(not state.exemplars and state.n_occurrences for state in memory)
    world.add(traffic(W2, per_day=60, failures={"language": 9, "link": 6}))
    result = world.loop.run_week(W2)
    assert result.is_success, result.error
    assert {state.pattern_id for state in memory} <= {
        row["pattern_id"] for row in world.rows("pattern_states") if row["week"] == W2
    }


def test_tickets_that_quoted_a_person_are_named_and_cleaned(world: World) -> None:
    bodies = {row["ticket_key"]: json.dumps(row["body"], ensure_ascii=False) for row in world.rows("tickets")}
    quoted = [
        (user, quote, [key for key, body in bodies.items() if quote in body])
        for user, _, quote in exemplar_people(world)
    ]
    user, quote, keys = next(found for found in quoted if found[2])
    with world.engine.begin() as conn:
        done = forget(conn, user)
    assert set(keys) <= set(done.tickets)
    assert quote not in json.dumps([row["body"] for row in world.rows("tickets")], ensure_ascii=False)


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def interaction(number: int, user: str) -> dict[str, Any]:
    return {
        "type": "interaction",
        "interaction_id": f"i-{number}",
        "occurred_at": "2026-01-05T10:00:00Z",
        "user_id": user,
        "user_input": f"the secret plans of {user}",
        "output": "fine",
        "prompt_version": "v1",
    }


def test_who_opted_out_is_counted_and_nothing_of_them_is_kept(call: Call, database_url: URL, tmp_path: Path) -> None:
    assert "opted out" in call("privacy", "opt-out", "eve").output
    path = tmp_path / "facts.jsonl"
    path.write_text(lines(interaction(1, "eve"), interaction(2, "bob")))
    assert call("import", str(path)).exit_code == 1
    engine = create_engine(database_url)
    stored = everything(engine)
    assert "plans of eve" not in "".join(stored.values())
    assert "plans of bob" in stored["interactions"]
    with engine.connect() as conn:
        row = conn.execute(sa.select(tables.rejected_records)).mappings().one()
    assert (row["reason"], row["record"], row["record_key"], row["line_number"]) == (OPTED_OUT, "", None, 1)
    assert "taken again" in call("privacy", "opt-out", "eve", "--undo").output
    assert call("import", str(path)).exit_code == 0
    assert "plans of eve" in everything(engine)["interactions"]
    engine.dispose()


def test_forget_says_what_it_would_do_asks_and_does_it_once(call: Call, database_url: URL, tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_text(lines(interaction(1, "eve"), interaction(2, "bob")))
    assert call("import", str(path)).exit_code == 0
    engine = create_engine(database_url)
    assert json.loads(call("forget", "--user", "eve", "--dry-run", "--json").output)["n_deleted"]["interactions"] == 1
    assert "plans of eve" in everything(engine)["interactions"]
    assert call("forget", "--user", "eve", input="n\n").exit_code == 1
    assert "plans of eve" in everything(engine)["interactions"]
    hashed = hash_user("eve", hashlib.sha256(SECRET.encode()).digest())
    assert "interactions: 1 deleted" in call("forget", "--user", f"hmac:{hashed}", "--yes", "--opt-out").output
    mistyped = call("forget", "--user", f"hmac:{hashed.upper()}", "--yes")
    assert (mistyped.exit_code, "32 hexadecimal digits" in mistyped.output) == (2, True)
    assert "plans of eve" not in "".join(everything(engine).values())
    assert "nothing is known" in call("forget", "--user", "eve", "--yes").output
    assert call("import", str(path)).exit_code == 1  # opted out as well
    engine.dispose()


def test_another_key_keeps_those_together_whose_ids_are_known(
    call: Call, database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, old, users = tmp_path / "facts.jsonl", tmp_path / "old.key", tmp_path / "users.txt"
    path.write_text(lines(interaction(1, "eve"), interaction(2, "bob")))
    assert call("import", str(path)).exit_code == 0
    call("privacy", "opt-out", "eve")
    call("privacy", "opt-out", "mallory")
    old.write_text(SECRET)
    users.write_text("eve\n")
    monkeypatch.setenv("FEEDBACK_LOOP_HASH_KEY", "another secret of the installation")
    assert call("import", str(path)).exit_code == 1  # the database knows another key
    done = call("privacy", "rotate-key", "--old-key-file", str(old), "--users-file", str(users))
    assert "2 rows of 1 people" in done.output
    assert "1 people who opted out" in done.stderr
    assert call("privacy", "rotate-key", "--old-key-file", str(old)).exit_code == 1  # done already
    path.write_text(lines(interaction(3, "eve"), interaction(4, "bob")))
    assert call("import", str(path)).exit_code == 1  # eve is still opted out
    assert json.loads(call("forget", "--user", "eve", "--yes", "--json").output)["n_deleted"]["interactions"] == 1
    assert json.loads(call("forget", "--user", "bob", "--yes", "--json").output)["n_deleted"]["interactions"] == 1


def test_an_import_stores_and_rejects_without_personal_data(call: Call, database_url: URL, tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    told = "My name is Anna Ito, iban GB90YNTU67299444055881, password: hunter22"
    good = interaction(1, "eve") | {"user_input": told, "metadata": {"note": told}, "system_prompt": told}
    bad = interaction(2, "eve") | {"user_input": told, "sample_rate": 7}
    path.write_bytes(lines(good, bad).encode() + b'{"user_input": "My name is Anna Ito \xff"}\n')
    assert call("import", str(path)).exit_code == 1
    engine = create_engine(database_url)
    stored = everything(engine)
    engine.dispose()
    clean = "My name is <person>, iban <iban>, password: <secret>"
    assert stored["interactions"].count(clean) == 3
    assert clean in stored["rejected_records"]
    assert [name for name, text in stored.items() if "Anna" in text or "hunter22" in text or "GB90" in text] == []
