"""Is this machine ready? One check per thing that can be missing, each with what to do about it.

Belongs here: checks that need every layer, changing nothing but what first use would make anyway. Does not belong here:
how the answers look (`cli.py`).
"""

import ipaddress
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from feedback_loop.clients.trackers import open_tracker
from feedback_loop.config import load_settings
from feedback_loop.environment import Environment
from feedback_loop.errors import ConfigurationError, DatabaseUnavailable, FeedbackLoopError, SchemaError
from feedback_loop.identity import load_hash_key
from feedback_loop.intake.importers.opening import open_reader
from feedback_loop.intake.importers.policy import API_TOOLS
from feedback_loop.store import schema
from feedback_loop.store.engine import connect, create_engine, dagster_url, describe, ensure_dagster_schema

MIN_FREE_BYTES = 1_000_000_000
_ANSWER_S = 10.0


@dataclass(frozen=True)
class Check:
    """One answer: what was looked at, whether it is well, and what was found or is to be done."""

    name: str
    is_ok: bool
    detail: str


def examine(environment: Environment) -> list[Check]:
    """Run every check; one that fails does not stop the others."""
    checks = [
        _check("python", _python),
        _check("settings", lambda: _settings(environment)),
        _check("hash key", lambda: _hash_key(environment)),
        _check("disk", lambda: _disk(environment)),
        _check("analyst", lambda: _analyst(environment)),
        _check("tracker", lambda: _tracker(environment)),
        _check("sources", lambda: _sources(environment)),
    ]
    try:
        with connect(environment) as engine:
            checks.append(_check("database", lambda: _database(engine)))
            if checks[-1].is_ok:
                checks.append(_check("encryption", lambda: _encryption(engine)))
                checks.append(_check("schema", lambda: _schema(engine)))
                checks.append(_check("dagster storage", lambda: _dagster(environment, engine)))
    except FeedbackLoopError as error:
        checks.append(Check("database", is_ok=False, detail=str(error)))
    return checks


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, is_ok=True, detail=look())
    except FeedbackLoopError as error:
        return Check(name, is_ok=False, detail=str(error))


def _python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 11):  # noqa: UP036  (an editable checkout can be run by any Python)
        raise ConfigurationError(f"Python {version}: install Python 3.11 or newer")
    return version


def _settings(environment: Environment) -> str:
    load_settings(environment)
    return str(environment.config_path or "built-in defaults")


def _hash_key(environment: Environment) -> str:
    load_hash_key(environment)
    return "FEEDBACK_LOOP_HASH_KEY" if environment.hash_key else f"key file under {environment.home}"


def _analyst(environment: Environment) -> str:
    """Whether the key is accepted and the models are there; asks for their names only, which costs nothing."""
    policy = load_settings(environment).analyst
    if policy.analyst == "offline":
        return "offline, no model is asked"
    if not environment.anthropic_api_key:
        raise ConfigurationError("analyst: claude needs the environment variable ANTHROPIC_API_KEY")
    from feedback_loop.clients.anthropic import ClaudeClient  # a large SDK: only where it is used

    models = sorted({policy.describe_model, policy.judge_model, policy.card_model})
    with ClaudeClient(
        environment.anthropic_api_key, environment.anthropic_base_url, now=_now, sleep=time.sleep, timeout_s=_ANSWER_S
    ) as client:
        for model in models:
            client.check_model(model)
    return f"{', '.join(models)}; ${policy.budget_usd:g} per application and week"


def _tracker(environment: Environment) -> str:
    """Whether tickets can be made: credentials, projects, issue types and fields; nothing is written."""
    settings = load_settings(environment)
    policy = settings.tracker
    mode = ", dry run" if policy.is_dry_run else ", tickets wait for their release" if policy.needs_release else ""
    if policy.tracker == "local":
        return f"Markdown files in {environment.tickets_dir}{mode}"
    with open_tracker(
        policy, settings.targets, environment, environment.tickets_dir, settings.asset_url, _now
    ) as tracker:
        found = tracker.check()
    if any(finding.is_fatal for finding in found):
        raise ConfigurationError("; ".join(finding.text for finding in found))
    notes = "".join(f"; note: {finding.text}" for finding in found)
    return f"Jira at {policy.jira.server}, project {policy.jira.project}{mode}{notes}"


def _sources(environment: Environment) -> str:
    """Whether every source has its secret and its SDK; no tool is asked."""
    sources = [source for source in load_settings(environment).sources if source.tool in API_TOOLS]
    for source in sources:
        with open_reader(source, environment, time.sleep):
            pass
    return ", ".join(f"{source.name} ({source.tool})" for source in sources) or "none: nothing is imported by itself"


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 (a client needs a clock)


def _disk(environment: Environment) -> str:
    place = next(path for path in (environment.home, *environment.home.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < MIN_FREE_BYTES:
        raise ConfigurationError(f"{free / 1e9:.1f} GB free at {place}: make room, or set FEEDBACK_LOOP_HOME elsewhere")
    return f"{free / 1e9:.1f} GB free at {place}"


def _database(engine: sa.Engine) -> str:
    try:
        with engine.connect() as connection:
            version = connection.scalar(sa.text("show server_version"))
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(f"{error}: start that server, or mend FEEDBACK_LOOP_DATABASE_URL") from error
    return f"PostgreSQL {version}, {describe(engine.url)}"


def _encryption(engine: sa.Engine) -> str:
    """Whether what goes to and from the database is encrypted; between machines it has to be."""
    with engine.connect() as connection:
        is_encrypted = connection.scalar(sa.text("select ssl from pg_stat_ssl where pid = pg_backend_pid()"))
    if is_encrypted:
        mode = engine.url.query.get("sslmode", "prefer")
        unchecked = "" if mode == "verify-full" else "; sslmode=verify-full would also check whose server it is"
        return f"the connection to PostgreSQL is encrypted (sslmode={mode}){unchecked}"
    if not _is_local(engine.url):
        raise ConfigurationError(
            f"the connection to PostgreSQL at {engine.url.host} is not encrypted: personal data crosses the network in"
            " the clear. Add ?sslmode=verify-full to FEEDBACK_LOOP_DATABASE_URL (docs/privacy.md)"
        )
    return "not encrypted, and need not be: the connection to PostgreSQL stays on this machine"


def _is_local(url: sa.URL) -> bool:
    """A socket, or an address of this machine. A name other than localhost is not looked up."""
    host = url.query.get("host") or url.host
    host = host[0] if isinstance(host, tuple) else host
    if not host or host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _schema(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        current = schema.current_revision(connection)
    newest = schema.revisions()[-1]
    if current is None:
        return "none yet; made at first use"
    if current != newest:
        raise SchemaError(f"is {current}, this code needs {newest}: run `feedback-loop db upgrade`, or update the code")
    return current


def _dagster(environment: Environment, engine: sa.Engine) -> str:
    if environment.database_url and not environment.dagster_url:
        ensure_dagster_schema(engine)
    with _engine(dagster_url(environment, engine.url)) as storage, storage.connect() as connection:
        has_tables = sa.inspect(connection).has_table("runs")
    return f"{describe(storage.url)}{'' if has_tables else ' (empty; made at first use)'}"


@contextmanager
def _engine(url: sa.URL) -> Iterator[sa.Engine]:
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()
