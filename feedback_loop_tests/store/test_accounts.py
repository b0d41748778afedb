"""The system user of the embedded server: one, however many processes want it first."""

import pwd
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from feedback_loop.errors import ConfigurationError
from feedback_loop.store import accounts


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> list[pwd.struct_passwd]:
    """The machine's users: none yet, and a useradd that takes its time and does not look whether there is one."""
    known: list[pwd.struct_passwd] = []

    def useradd(command: list[str], **_: object) -> None:
        number = 999 - len(known)
        time.sleep(0.05)
        known.append(pwd.struct_passwd((command[-1], "!", number, number, "", "/", "/bin/sh")))

    monkeypatch.setattr(shutil, "which", lambda *_, **__: "/usr/sbin/useradd")
    monkeypatch.setattr(subprocess, "run", useradd)
    monkeypatch.setattr(pwd, "getpwall", lambda: list(known))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {user.pw_name: user for user in known}[name])
    return known


def test_of_many_that_start_first_at_once_one_makes_the_user(users: list[pwd.struct_passwd]) -> None:
    together = Barrier(4)

    def start(_: int) -> tuple[int, int]:
        together.wait()
        return accounts.system_account()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(start, range(4))) == {(999, 999)}
    assert [user.pw_name for user in users] == ["pgserver"]


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize("program", [None, "/bin/false"])
def test_a_user_that_cannot_be_made_is_said(monkeypatch: pytest.MonkeyPatch, program: str | None) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: program)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    with pytest.raises(ConfigurationError, match="run as a normal user"):
        accounts.system_account()


def test_the_way_is_opened_and_the_directory_itself_stays_closed(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    for path in (inner, inner.parent):
        path.chmod(0o700)
    accounts.open_way(inner)
    assert [path.stat().st_mode & 0o777 for path in (inner, inner.parent)] == [0o700, 0o701]
