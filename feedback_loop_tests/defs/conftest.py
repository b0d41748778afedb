"""Worlds for the tests of this room: one per test, or one that a module fills once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from feedback_loop_tests.defs.world import World, open_world


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> Iterator[World]:
    """An empty database with the loop on it."""
    with open_world(engine, tmp_path) as world:
        yield world
