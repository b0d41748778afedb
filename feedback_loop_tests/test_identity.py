"""One secret per installation, whoever asks first."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from feedback_loop.environment import Environment
from feedback_loop.errors import ConfigurationError
from feedback_loop.identity import KEY_FILE, load_hash_key


def test_the_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    environment = Environment(home=tmp_path / "home")
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(load_hash_key, [environment] * 64))
    assert len(keys) == 1
    assert [file.name for file in environment.home.iterdir()] == [KEY_FILE]
    assert (environment.home / KEY_FILE).stat().st_mode & 0o777 == 0o600
    content = (environment.home / KEY_FILE).read_text()
    assert {load_hash_key(replace(environment, hash_key=content))} == keys


def test_the_variable_wins_and_makes_no_file(tmp_path: Path) -> None:
    key = load_hash_key(Environment(home=tmp_path, hash_key="a secret of one's own"))
    assert len(key) == 32
    assert not list(tmp_path.iterdir())


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="FEEDBACK_LOOP_HASH_KEY has 5 characters"):
        load_hash_key(Environment(home=tmp_path, hash_key="short"))
    (tmp_path / KEY_FILE).write_text("")
    with pytest.raises(ConfigurationError, match=KEY_FILE):
        load_hash_key(Environment(home=tmp_path))
