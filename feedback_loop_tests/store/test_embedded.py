"""The embedded server against what happens to processes: together, killed, crashed, in odd places."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg2
import pytest
from sqlalchemy import URL, text

from feedback_loop.errors import ConfigurationError, DatabaseUnavailable
from feedback_loop.store.embedded import embedded_server
from feedback_loop.store.engine import create_engine

NOBODY = 65534
USER = """
import sys, time
from pathlib import Path
from feedback_loop.store.embedded import embedded_server
with embedded_server(Path(sys.argv[1]), ["a"]) as url:
    print("inside", flush=True)
    sys.stdin.readline()
"""


def start_user(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def wait_inside(user: subprocess.Popen[str]) -> None:
    assert user.stdout is not None
    assert user.stdout.readline() == "inside\n"


def end(user: subprocess.Popen[str], how: int = 0) -> None:
    if how:
        user.send_signal(how)
    user.communicate("\n", timeout=60)
    assert user.returncode == -how


def postmaster(directory: Path) -> int:
    return int((directory / "data" / "postmaster.pid").read_text().split()[0])


def is_up(url: URL) -> bool:
    try:
        psycopg2.connect(host=url.query["host"], port=url.query["port"], user=url.username, dbname="postgres").close()
    except psycopg2.OperationalError:
        return False
    return True


def run(url: URL, statement: str) -> object:
    engine = create_engine(url.set(database="a"))
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        rows = result.all() if result.returns_rows else None
    engine.dispose()
    return rows


def test_four_processes_open_a_fresh_directory_at_once(short_dir: Path) -> None:
    users = [start_user(short_dir) for _ in range(4)]
    for user in users:
        wait_inside(user)
    pid = postmaster(short_dir)
    for user in users[:3]:
        end(user)
    with embedded_server(short_dir, ["a"]) as url:
        assert postmaster(short_dir) == pid  # it was never restarted
        end(users[3])
        assert is_up(url)
    assert not is_up(url)
    assert "database system is shut down" in (short_dir / "server.log").read_text()


def test_killed_user_does_not_keep_the_server_up(short_dir: Path) -> None:
    killed, last = start_user(short_dir), start_user(short_dir)
    wait_inside(killed)
    wait_inside(last)
    pid = postmaster(short_dir)
    end(killed, signal.SIGKILL)
    os.kill(pid, 0)
    end(last)
    assert not (short_dir / "data" / "postmaster.pid").exists()


def test_killed_only_user_leaves_a_server_that_the_next_one_stops(short_dir: Path) -> None:
    user = start_user(short_dir)
    wait_inside(user)
    pid = postmaster(short_dir)
    end(user, signal.SIGKILL)
    with embedded_server(short_dir) as url:
        assert postmaster(short_dir) == pid
    assert not is_up(url)


def test_killed_server_is_started_again_and_keeps_what_was_committed(short_dir: Path) -> None:
    with embedded_server(short_dir, ["a"]) as url:
        run(url, "create table kept as select generate_series(1, 1000) as n")
        os.kill(postmaster(short_dir), signal.SIGKILL)
        with embedded_server(short_dir, ["a"]) as again:
            assert again == url
            assert run(url, "select count(*) from kept") == [(1000,)]
        assert is_up(url)  # the outer user is still inside
    assert not is_up(url)


def test_pid_file_that_names_another_living_process(short_dir: Path) -> None:
    with embedded_server(short_dir, ["a"]) as url:
        content = (short_dir / "data" / "postmaster.pid").read_text().splitlines()
    stranger = subprocess.Popen(["sleep", "60"], user=(short_dir / "data").stat().st_uid)
    try:  # as after a reboot that hands out the old pid again
        for name in ("postmaster.pid", f".s.PGSQL.{url.query['port']}.lock"):
            (short_dir / "data" / name).write_text("\n".join([str(stranger.pid), *content[1:]]) + "\n")
        with embedded_server(short_dir, ["a"]) as url:
            assert is_up(url)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_server_of_a_removed_directory_takes_nothing_from_its_successor(short_dir: Path) -> None:
    with embedded_server(short_dir, ["a"]) as old:
        old_pid = postmaster(short_dir)
        shutil.rmtree(short_dir / "data")
        try:
            with embedded_server(short_dir, ["a"]) as new:
                assert new.query["port"] != old.query["port"]
                os.kill(old_pid, signal.SIGQUIT)  # what it does to itself within a minute
                psutil.Process(old_pid).wait(10)
                assert is_up(new)
        finally:
            with suppress(ProcessLookupError):
                os.kill(old_pid, signal.SIGKILL)


@pytest.mark.parametrize("name", ["deep" * 40, "a,b", 'it\'s $HOME "`x`" ünï'])
def test_directory_names_that_sockets_and_shells_dislike(short_dir: Path, name: str) -> None:
    with embedded_server(short_dir / name, ["a"]) as url:
        assert run(url, "select 1") == [(1,)]
    assert not is_up(url)


def test_interrupted_creation_is_done_again(short_dir: Path) -> None:
    (short_dir / "data.new").mkdir()
    (short_dir / "data.new" / "PG_VERSION").write_text("18\n")
    with embedded_server(short_dir) as url:
        assert is_up(url)


def test_server_that_cannot_start_shows_the_end_of_its_log(short_dir: Path) -> None:
    with embedded_server(short_dir):
        pass
    (short_dir / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(DatabaseUnavailable, match=r"did not start(?s:.*)unrecognized configuration parameter"):
        embedded_server(short_dir).__enter__()


def test_data_of_another_release_is_refused(short_dir: Path) -> None:
    (short_dir / "data").mkdir()
    (short_dir / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigurationError, match=r"made by PostgreSQL 16.*runs 18"):
        embedded_server(short_dir).__enter__()


def test_place_that_cannot_be_a_directory_is_refused(short_dir: Path) -> None:
    (short_dir / "file").write_text("")
    with pytest.raises(ConfigurationError, match="FEEDBACK_LOOP_HOME"):
        embedded_server(short_dir / "file").__enter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes a normal user, which only root can")
def test_works_as_a_normal_user_and_root_joins_as_that_user(short_dir: Path) -> None:
    with embedded_server(short_dir / "root"):  # also lets others reach the binaries
        pass
    (short_dir / "own").mkdir()
    os.chown(short_dir / "own", NOBODY, NOBODY)
    os.chmod(short_dir, 0o755)
    inside, leave = os.pipe(), os.pipe()
    if (child := os.fork()) == 0:  # forked, not started anew: the interpreter may lie where this user cannot read
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        with embedded_server(short_dir / "own"):
            os.write(inside[1], b"!")
            os.read(leave[0], 1)
        os._exit(0)
    os.close(inside[1])
    assert os.read(inside[0], 1) == b"!"
    with embedded_server(short_dir / "own", ["a"]) as url:
        os.write(leave[1], b"!")
        assert os.waitpid(child, 0)[1] == 0
        assert is_up(url)
    assert {path.stat().st_uid for path in (short_dir / "own").iterdir()} == {NOBODY}


def test_joining_is_quick(short_dir: Path) -> None:
    with embedded_server(short_dir):
        start = time.monotonic()
        with embedded_server(short_dir):
            pass
        assert time.monotonic() - start < 1
