"""Connections: settings that hold, faults that have a name, passwords that stay unsaid."""

import io
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy import URL, Engine, text

from feedback_loop.environment import Environment
from feedback_loop.errors import ConfigurationError, DatabaseUnavailable, SchemaError
from feedback_loop.store import engine as engines
from feedback_loop.store import schema
from feedback_loop.store.engine import copy_in, create_engine, dagster_url, open_database, parse_url

SECRET = "p4ss:w@rd"


@pytest.fixture
def login(admin: Engine, database_url: URL) -> Iterator[URL]:
    """URL of a role that must give a password, over TCP as one's own server would have it."""
    with admin.connect() as connection:
        directory = Path(str(connection.scalar(text("show data_directory"))))
        rules = (directory / "pg_hba.conf").read_text()
        (directory / "pg_hba.conf").write_text(f"local all guest scram-sha-256\n{rules}")
        connection.execute(text("create role guest login password 'right'"))
        connection.execute(text("select pg_reload_conf()"))
        yield database_url.set(username="guest", password=SECRET)
        (directory / "pg_hba.conf").write_text(rules)
        connection.execute(text("drop owned by guest"))
        connection.execute(text("drop role guest"))
        connection.execute(text("select pg_reload_conf()"))


def fail(url: str | URL) -> Exception:
    engine = create_engine(url)
    with pytest.raises((ConfigurationError, DatabaseUnavailable)) as caught:
        engine.connect()
    engine.dispose()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_any_postgres_url_gets_our_driver(scheme: str) -> None:
    assert parse_url(f"{scheme}://u@h/d").drivername == "postgresql+psycopg2"


@pytest.mark.parametrize("url", ["nonsense p4ss:w@rd", "postgresql://h:noport/d", "mysql://u:p4ss:w@rd@h/d", ""])
def test_other_urls_name_the_variable_and_not_the_secret(url: str) -> None:
    with pytest.raises(ConfigurationError, match="FEEDBACK_LOOP_DATABASE_URL") as caught:
        parse_url(url)
    assert "w@rd" not in str(caught.value)


def test_sessions_are_in_utc_and_deterministic(engine: Engine) -> None:
    names = ["timezone", "jit", "max_parallel_workers_per_gather", "synchronize_seqscans", "application_name"]
    with engine.connect() as connection:
        values = [connection.scalar(text(f"show {name}")) for name in names]
    assert values == ["UTC", "off", "0", "off", "feedback-loop"]


def test_what_the_url_says_wins(database_url: URL) -> None:
    engine = create_engine(database_url.update_query_dict({"application_name": "mine"}))
    with engine.connect() as connection:
        assert connection.scalar(text("show application_name")) == "mine"
    engine.dispose()


def test_unreachable_server_is_transient_and_names_the_host() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # taken, and nobody listens
        error = fail(f"postgresql://u:{SECRET.replace('@', '%40')}@127.0.0.1:{unused.getsockname()[1]}/d")
    assert isinstance(error, DatabaseUnavailable)
    assert "d on 127.0.0.1:" in str(error)
    assert "refused" in str(error)


def test_wrong_password_is_permanent_and_unsaid(login: URL) -> None:
    error = fail(login)
    assert isinstance(error, ConfigurationError)
    assert "password authentication failed" in str(error)


def test_missing_database_is_permanent(database_url: URL) -> None:
    assert "does not exist" in str(fail(database_url.set(database="nowhere")))


def test_missing_right_is_permanent(login: URL) -> None:
    engine = create_engine(login.set(password="right"))
    with pytest.raises(ConfigurationError, match="lacks a right"), engine.begin() as connection:
        connection.execute(text("select * from feedback_loop.interactions"))
    engine.dispose()


def test_lost_connection_is_transient_and_the_next_one_works(engine: Engine, admin: Engine) -> None:
    with engine.connect() as connection:
        pid = connection.scalar(text("select pg_backend_pid()"))
        with admin.connect() as other:
            other.execute(text(f"select pg_terminate_backend({pid}, 5000)"))
        with pytest.raises(DatabaseUnavailable):
            connection.execute(text("select 1"))
    with engine.connect() as connection:
        pid = connection.scalar(text("select pg_backend_pid()"))
    with admin.connect() as other:  # lost while it lay in the pool: nobody need know
        other.execute(text(f"select pg_terminate_backend({pid}, 5000)"))
    with engine.connect() as connection:
        assert connection.scalar(text("select 1")) == 1


def test_copy_sends_rows_and_says_what_went_wrong(engine: Engine, admin: Engine) -> None:
    statement = "copy feedback_loop.installation from stdin"
    with engine.begin() as connection:
        copy_in(connection, statement, io.StringIO("a\t1\nb\t2\n"))
        assert connection.scalar(text("select count(*) from feedback_loop.installation")) == 2
    with pytest.raises(psycopg2.errors.UniqueViolation), engine.begin() as connection:
        copy_in(connection, statement, io.StringIO("a\t1\n"))
    with engine.connect() as connection:
        pid = connection.scalar(text("select pg_backend_pid()"))
        with admin.connect() as other:
            other.execute(text(f"select pg_terminate_backend({pid}, 5000)"))
        with pytest.raises(DatabaseUnavailable, match="on /"):
            copy_in(connection, statement, io.StringIO("c\t1\n"))
    with engine.begin() as connection:
        assert connection.scalar(text("select count(*) from feedback_loop.installation")) == 2


def test_wrong_statement_stays_what_it_is(engine: Engine) -> None:
    with pytest.raises(sa.exc.ProgrammingError), engine.connect() as connection:
        connection.execute(text("select nonsense"))


def test_old_server_is_refused(database_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "MIN_SERVER_VERSION", 99)
    assert "version 99 or newer is needed" in str(fail(database_url))


def test_own_database_is_upgraded_where_empty_only(
    empty_database_url: URL, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = replace(environment, database_url=empty_database_url.render_as_string(hide_password=False))
    for _ in range(2):
        with open_database(own) as engine, engine.connect() as connection:
            assert schema.current_revision(connection) == schema.revisions()[-1]
    known = schema.revisions()
    monkeypatch.setattr(schema, "revisions", lambda: [*known, "9998"])
    with pytest.raises(SchemaError, match="feedback-loop db upgrade"):
        open_database(own).__enter__()
    assert not own.home.exists()  # no embedded server was touched


OPEN = """
import sys
from pathlib import Path
from sqlalchemy import text
from feedback_loop.environment import Environment
from feedback_loop.store.engine import open_database
with open_database(Environment(home=Path(sys.argv[1]))) as engine, engine.begin() as connection:
    print(connection.execute(text("select count(*) from feedback_loop.interactions")).scalar())
"""


def test_four_processes_open_a_fresh_home_at_once(environment: Environment) -> None:
    def use(_: int) -> str:
        command = [sys.executable, "-c", OPEN, str(environment.home)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(4))) == ["0\n"] * 4
    assert not (environment.postgres_dir / "data" / "postmaster.pid").exists()


def test_dagster_lies_beside_the_product(environment: Environment) -> None:
    own = replace(environment, database_url="postgresql://u:p@h/d?options=-cwork_mem%3D1MB")
    assert dagster_url(own, parse_url(own.database_url or "")).query["options"] == (
        "-cwork_mem=1MB -csearch_path=feedback_loop_dagster"
    )
    assert dagster_url(environment, engines.database_url(environment)).database == "feedback_loop_dagster"
    other = replace(environment, dagster_url="postgresql://x/y")
    assert dagster_url(other, engines.database_url(environment)) == parse_url("postgresql://x/y")
