"""What `feedback-loop doctor` says of the way to the database."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import URL, Engine

from feedback_loop.defs import doctor
from feedback_loop.environment import Environment
from feedback_loop.errors import ConfigurationError


def test_a_connection_that_stays_on_this_machine_need_not_be_encrypted(database_url: URL, tmp_path: Path) -> None:
    environment = Environment(home=tmp_path, database_url=database_url.render_as_string(hide_password=False))
    (check,) = [check for check in doctor.examine(environment) if check.name == "encryption"]
    assert check.is_ok
    assert "stays on this machine" in check.detail


@pytest.mark.parametrize(
    ("url", "is_local"),
    [
        ("postgresql:///x?host=/var/run/postgresql", True),
        ("postgresql://u:p@localhost/x", True),
        ("postgresql://u:p@127.0.0.1/x", True),
        ("postgresql://u:p@[::1]/x", True),
        ("postgresql://u:p@10.0.0.7/x", False),
        ("postgresql://u:p@db.example.com/x", False),
        ("postgresql:///x?host=db.example.com", False),
    ],
)
def test_only_a_socket_or_a_loopback_address_is_local(url: str, is_local: bool) -> None:
    assert doctor._is_local(sa.make_url(url)) is is_local


def test_an_open_connection_to_another_machine_is_no_good(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_is_local", lambda _url: False)
    with pytest.raises(ConfigurationError, match="sslmode=verify-full"):
        doctor._encryption(engine)
