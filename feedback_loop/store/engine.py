"""How the product gets to its database: engines, and what their errors mean.

Belongs here: URLs, engines, session settings and the translation of driver errors into `errors.py`. Does not belong
here: the life of the embedded server (`embedded.py`) and the schema (`schema.py`).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import psycopg2
import sqlalchemy as sa
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.engine import ExceptionContext

from feedback_loop.environment import Environment
from feedback_loop.errors import ConfigurationError, DatabaseUnavailable, FeedbackLoopError
from feedback_loop.store import schema
from feedback_loop.store.embedded import embedded_server, server_url

DATABASE = "feedback_loop"
DAGSTER_DATABASE = "feedback_loop_dagster"
DAGSTER_SCHEMA = "feedback_loop_dagster"
MIN_SERVER_VERSION = 14
CONNECT_SECONDS = 10

# The same statement gives the same answer in the same order of additions: no parallel plans, no shared scans.
SESSION_SETTINGS = (
    "set time zone 'UTC'; set jit = off; set max_parallel_workers_per_gather = 0; set synchronize_seqscans = off"
)
# What the server answers to a login that will never succeed; psycopg2 gives no SQLSTATE before a session exists.
_REFUSED = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "permission denied",
)
_NO_RIGHT = "42501"
# SQLSTATE classes that pass: connection, rollback (deadlock, serialization), resources, operator intervention.
_TRANSIENT_CLASSES = ("08", "40", "53", "57")


def parse_url(url: str | URL, source: str = "FEEDBACK_LOOP_DATABASE_URL") -> URL:
    """Read a database URL and name the driver in it: SQLAlchemy 2.1 would take psycopg 3 for a plain `postgresql://`.

    Args:
        url: `postgresql://`, `postgres://` or `postgresql+<any driver>://`.
        source: the variable that holds it, for the message.

    Raises:
        ConfigurationError: no URL, or not PostgreSQL; the message does not repeat it, for it may hold a password.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise ConfigurationError(f"{source} is no database URL; expected postgresql://user@host/database") from error
    if parsed.drivername.partition("+")[0] not in ("postgresql", "postgres"):
        raise ConfigurationError(f"{source} names {parsed.drivername!r}; only PostgreSQL is supported")
    return parsed.set(drivername="postgresql+psycopg2")


def create_engine(url: str | URL, **options: Any) -> Engine:
    """An engine whose sessions are in UTC and whose connection errors are ours.

    Nothing connects yet. Later, in place of SQLAlchemy's errors, the engine raises `DatabaseUnavailable` (unreachable,
    lost, overloaded, deadlocked) and `ConfigurationError` (login refused, server older than 14).

    Args:
        url: see `parse_url`; `connect_timeout` and `application_name` in its query win over ours.
        options: for `sqlalchemy.create_engine`.

    Raises:
        ConfigurationError: the URL is wrong.
    """
    parsed = parse_url(url)
    defaults = {"connect_timeout": CONNECT_SECONDS, "application_name": "feedback-loop", "keepalives_idle": 60}
    arguments = {name: value for name, value in defaults.items() if name not in parsed.query}
    engine = sa.create_engine(parsed, connect_args=arguments, pool_pre_ping=True, **options)

    @sa.event.listens_for(engine, "connect")
    def _prepare_session(connection: Any, _record: Any) -> None:
        version = connection.server_version // 10_000
        if version < MIN_SERVER_VERSION:
            raise ConfigurationError(
                f"PostgreSQL {version} ({describe(parsed)}): version {MIN_SERVER_VERSION} or newer is needed"
            )
        with connection.cursor() as cursor:
            cursor.execute(SESSION_SETTINGS)
        connection.commit()

    @sa.event.listens_for(engine, "handle_error")
    def _raise_ours(context: ExceptionContext) -> None:
        if context.is_pre_ping or not isinstance(context.sqlalchemy_exception, sa.exc.DBAPIError):
            return  # a failed ping is the pool's affair: it connects again
        original = context.original_exception
        is_connecting = context.connection is None
        error = _translate(original, parsed, is_connecting=is_connecting, is_lost=context.is_disconnect)
        if error is not None:
            raise error from original

    return engine


@contextmanager
def open_database(environment: Environment) -> Iterator[Engine]:
    """An engine on one's own or the embedded database, with the newest schema; the server stays up while inside.

    The embedded database is upgraded as needed, one's own only where it is empty: anything else is for its owner to
    decide, with `feedback-loop db upgrade`.

    Raises:
        ConfigurationError: the URL or the server cannot be used.
        DatabaseUnavailable: the server cannot be reached or started.
        SchemaError: the schema is newer than this code, or older in one's own database.
    """
    with connect(environment) as engine:
        schema.ensure(engine, upgrade_older=environment.database_url is None)
        yield engine


@contextmanager
def connect(environment: Environment) -> Iterator[Engine]:
    """Like `open_database`, but takes the schema as it is."""
    with ExitStack() as stack:
        if environment.database_url is None:
            stack.enter_context(embedded_server(environment.postgres_dir, (DATABASE, DAGSTER_DATABASE)))
        engine = create_engine(database_url(environment))
        stack.callback(engine.dispose)
        yield engine


def database_url(environment: Environment) -> URL:
    """URL of the database; that of the embedded server, made where there is none, answers while somebody is inside."""
    if environment.database_url:
        return parse_url(environment.database_url)
    if not (environment.postgres_dir / "data").exists():
        with embedded_server(environment.postgres_dir, (DATABASE, DAGSTER_DATABASE)):
            pass
    return server_url(environment.postgres_dir).set(database=DATABASE)


def dagster_url(environment: Environment, url: URL) -> URL:
    """URL of Dagster's own storage, on the same server unless `FEEDBACK_LOOP_DAGSTER_URL` says otherwise.

    Args:
        environment: what the surroundings say.
        url: of the product's database. Beside it lies, embedded, a second database; in one's own, a second schema,
            which `ensure_dagster_schema` makes.
    """
    if environment.dagster_url:
        return parse_url(environment.dagster_url, "FEEDBACK_LOOP_DAGSTER_URL")
    if environment.database_url:
        options = f"{url.query.get('options', '')} -csearch_path={DAGSTER_SCHEMA}".strip()
        return url.update_query_dict({"options": options})
    # Its log may lose the last moments before a power failure, not before a killed process; every event is a commit.
    return url.set(database=DAGSTER_DATABASE).update_query_dict({"options": "-csynchronous_commit=off"})


def ensure_dagster_schema(engine: Engine) -> None:
    """Create the schema that `dagster_url` leads to in one's own database."""
    with engine.begin() as connection:
        schema.create_schema(connection, DAGSTER_SCHEMA)


def copy_in(connection: Connection, statement: str, source: IO[str] | IO[bytes]) -> None:
    """Run `COPY ... FROM STDIN`, which SQLAlchemy does not know, inside the connection's transaction.

    Args:
        connection: of one of our engines.
        statement: the COPY statement.
        source: what to send, in the statement's format.

    Raises:
        DatabaseUnavailable: the connection was lost.
        psycopg2.Error: PostgreSQL refuses a row.
    """
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor:
            cursor.copy_expert(statement, source)
    except psycopg2.Error as error:
        is_lost = bool(driver.closed)
        if is_lost:
            connection.invalidate()
        ours = _translate(error, connection.engine.url, is_connecting=False, is_lost=is_lost)
        if ours is None:
            raise
        raise ours from error


def describe(url: URL) -> str:
    """`database on host:port` of a URL, for messages: never its password."""
    host = url.host or url.query.get("host") or "the local socket"
    return f"{url.database or '(default)'} on {host}{f':{url.port}' if url.port else ''}"


def _translate(error: BaseException, url: URL, *, is_connecting: bool, is_lost: bool) -> FeedbackLoopError | None:
    """Our error for a driver error; None where it should travel as it is, as for a wrong statement."""
    cause = " ".join(str(error).split())
    if url.password:
        cause = cause.replace(str(url.password), "***")
    where = describe(url)
    if is_connecting and any(phrase in cause for phrase in _REFUSED):
        return ConfigurationError(f"database {where} refuses the login: {cause}")
    state = getattr(error, "pgcode", None) or ""
    if state == _NO_RIGHT:
        return ConfigurationError(f"the account for database {where} lacks a right: {cause}")
    if is_connecting or is_lost or state[:2] in _TRANSIENT_CLASSES:
        return DatabaseUnavailable(f"database {where} cannot be reached or gave up: {cause}")
    return None
