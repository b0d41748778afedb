"""What assets are given: the database, the embedder, the tracker and alerts.

Belongs here: turning configuration into plain objects. Does not belong here: what is done with them.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pydantic
from sqlalchemy import Connection, Engine

from feedback_loop.clients.alerts import post_alert
from feedback_loop.clients.embeddings import EmbeddingPolicy, RememberingEmbedder, create_embedder
from feedback_loop.clients.local_tracker import LocalTracker
from feedback_loop.clients.trackers import open_tracker
from feedback_loop.config import Settings
from feedback_loop.defs.asking import open_analyst
from feedback_loop.defs.asking_ledger import Asked
from feedback_loop.defs.failures import as_dagster_failure
from feedback_loop.defs.vectors import StoredEmbedder
from feedback_loop.environment import read_environment
from feedback_loop.errors import FeedbackLoopError
from feedback_loop.llm import Embedder
from feedback_loop.llm.analyst import Analyst
from feedback_loop.llm.policy import AnalystPolicy
from feedback_loop.store.engine import open_database
from feedback_loop.store.vectors import check_embedding
from feedback_loop.tracker import Tracker

WAITING = "W"
"""Waiting tickets are called `W-<number>`: the tracker gives them their key when they go."""
OpenAnalyst = Callable[[str], AbstractContextManager[tuple[Analyst, Asked]]]
"""Application -> its analyst for the week that runs, and what it was asked so far."""


class Database(dg.ConfigurableResource):
    """The PostgreSQL database: one's own by URL, else the embedded one."""

    url: str | None = pydantic.Field(default=None, description="postgresql://...; default: what the environment says")

    _engine: Engine | None = pydantic.PrivateAttr(default=None)

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Database"]:
        """Hold the database open for as long as the run needs it."""
        environment = read_environment()
        if self.url:
            environment = type(environment)(**{**vars(environment), "database_url": self.url})
        with as_dagster_failure(), open_database(environment) as engine:
            self._engine = engine
            yield self

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction. Our errors leave it as failures that Dagster retries only where that can help."""
        with as_dagster_failure(), self.transaction() as conn:
            yield conn

    @property
    def engine(self) -> Engine:
        """The database, for what holds transactions of its own."""
        if self._engine is None:
            raise RuntimeError("the database resource is used outside of a run")
        return self._engine

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, whose errors leave it as they are: for callers that decide about them."""
        with self.engine.begin() as conn:
            yield conn


class EmbedderResource(dg.ConfigurableResource):
    """Text to vectors. The settings say by which model; a process loads it once."""

    def create(self, database: Database, policy: EmbeddingPolicy) -> Embedder:
        """The embedder that patterns of this database are made with.

        Raises:
            dagster.Failure: the database was filled with another model, and the settings do not accept the change.
        """
        with as_dagster_failure():
            embedder = _embedder(policy)
        with database.begin() as conn:
            check_embedding(conn, embedder.version, policy.accept_change)
        return embedder if embedder.is_cheap else StoredEmbedder(embedder, database.begin)


class AnalystResource(dg.ConfigurableResource):
    """Who reads what people said: models inside a budget, or nobody. The settings say which."""

    def opener(self, database: Database, policy: AnalystPolicy, week: date) -> OpenAnalyst:
        """Application -> its analyst for this week's money."""
        environment = read_environment()

        @contextlib.contextmanager
        def open_for(application: str) -> Iterator[tuple[Analyst, Asked]]:
            with (
                as_dagster_failure(),
                open_analyst(
                    environment, policy, database.begin, application, week, now=_now, sleep=time.sleep
                ) as both,
            ):
                yield both

        return open_for


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 (when a call was made, which no result depends on)


class TrackerResource(dg.ConfigurableResource):
    """Where tickets live. The settings say in which tracker."""

    directory: str | None = pydantic.Field(
        default=None, description="of the local tracker; default: .feedback_loop/tickets"
    )

    @contextlib.contextmanager
    def open(self, settings: Settings) -> Iterator[Tracker]:
        """The tracker, signed in to."""
        environment = read_environment()
        directory = Path(self.directory) if self.directory else environment.tickets_dir
        place = settings.tracker
        with open_tracker(place, settings.targets, environment, directory, settings.asset_url, self.now) as tracker:
            yield tracker

    def waiting(self) -> LocalTracker:
        """Where tickets wait until a person releases them."""
        beside = Path(self.directory).parent / "waiting" if self.directory else read_environment().waiting_dir
        return LocalTracker(beside, prefix=WAITING, released="planned")

    def now(self) -> datetime:
        """When a call to the tracker is made."""
        return _now()


@functools.cache
def _embedder(policy: EmbeddingPolicy) -> Embedder:
    return RememberingEmbedder(create_embedder(policy))


class Alerts(dg.ConfigurableResource):
    """Says what went wrong: always in the log, and to a webhook where one is set."""

    webhook: str | None = pydantic.Field(default=None, description="Slack-compatible webhook URL")

    def send(self, text: str) -> None:
        """Log, and post. An alert that cannot be delivered is logged as such and stops nothing."""
        log = dg.get_dagster_logger()
        log.warning(text)
        if self.webhook:
            try:
                post_alert(self.webhook, text)
            except FeedbackLoopError as error:
                log.error(f"alert not delivered: {error}")  # noqa: TRY400 (the reason is the message)
