"""A running service for every test: it starts in a tenth of a second, and rates are its own."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from feedback_loop_tests.intake.service.world import Service
from feedback_loop_tests.intake.service.world import service as running_service


@pytest.fixture
def service(engine: Engine) -> Iterator[Service]:
    """A running service on a database of its own."""
    with running_service(engine) as started:
        yield started
