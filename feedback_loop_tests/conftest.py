"""What every test may use: a real database of its own, and no network but loopback.

`engine` is a fresh, migrated database per test, copied from a template (30 ms); `database_url` is its address. The
server is embedded, in a temporary directory, one per test session.
"""

import gc
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import URL, Engine, text

from feedback_loop.environment import Environment
from feedback_loop.store import schema
from feedback_loop.store.embedded import embedded_server
from feedback_loop.store.engine import create_engine

gc.freeze()  # what is imported by now stays; to look at it again and again takes a tenth of the time
gc.set_threshold(20_000, 20, 50)

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

_real_connect = socket.socket.connect


class NetworkForbiddenError(AssertionError):
    """A test tried to leave the machine."""


def _connect_locally(self: socket.socket, address: object) -> None:
    if self.family != socket.AF_UNIX:
        host = address[0] if isinstance(address, tuple) else address
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise NetworkForbiddenError(f"connection to {address!r}: tests use loopback only")
    _real_connect(self, address)  # type: ignore[arg-type]


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _connect_locally)
        yield


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see none of the developer's own settings."""
    for name in [name for name in os.environ if name.startswith(("FEEDBACK_LOOP_", "DAGSTER_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A temporary directory for a server: pytest's own closes its directories to the server's account again."""
    with tempfile.TemporaryDirectory(prefix="fl-") as directory:
        yield Path(directory).resolve()


@pytest.fixture
def environment(short_dir: Path) -> Environment:
    """A fresh home on the embedded server."""
    return Environment(home=short_dir / "home")


@pytest.fixture(scope="session")
def server() -> Iterator[URL]:
    """A running embedded server with the migrated database `template_feedback_loop`."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fl-"))).resolve()
        url = stack.enter_context(embedded_server(directory / "postgres", ["template_feedback_loop"]))
        template = create_engine(url.set(database="template_feedback_loop"))
        schema.upgrade(template)
        with template.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # nothing here outlives the session
                connection.execute(text(f"alter system set {setting} = off"))
            connection.execute(text("select pg_reload_conf()"))
        template.dispose()
        yield url


@pytest.fixture(scope="session")
def admin(server: URL) -> Iterator[Engine]:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


_numbers = count()


def make_database(admin: Engine, template: str) -> Iterator[URL]:
    """A copy of a database, which nobody may be connected to; gone afterwards."""
    name = f"test_{next(_numbers)}"
    with admin.connect() as connection:
        connection.execute(text(f"create database {name} template {template} strategy file_copy"))
    yield admin.url.set(database=name)
    with admin.connect() as connection:
        connection.execute(text(f"drop database {name} with (force)"))


@pytest.fixture
def database_url(admin: Engine) -> Iterator[URL]:
    """URL of a database of one's own with the newest schema, empty."""
    yield from make_database(admin, "template_feedback_loop")


@pytest.fixture
def empty_database_url(admin: Engine) -> Iterator[URL]:
    """URL of a database of one's own without any schema."""
    yield from make_database(admin, "template1")


@pytest.fixture
def engine(database_url: URL) -> Iterator[Engine]:
    """Engine on `database_url`."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()
