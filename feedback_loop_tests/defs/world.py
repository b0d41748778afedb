"""The loop on a test's database: the real definitions, an ephemeral Dagster instance, a directory for tickets."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from sqlalchemy import Engine

from feedback_loop.definitions import build_definitions
from feedback_loop.defs.resources import Alerts, Database, TrackerResource
from feedback_loop.defs.runs import Loop
from feedback_loop.verify import GuardPolicy
from feedback_loop_tests.factories import Record, import_records, rows

UNAUDITED = GuardPolicy(needs_audit=False, needs_placebo=False)
"""Of a team whose tickets a verdict may close though nobody audited the detector and no placebo was tried yet."""


@dataclass(frozen=True)
class World:
    """A database, a ticket directory and the loop on them, with an ephemeral Dagster instance."""

    engine: Engine
    folder: Path
    loop: Loop
    definitions: dg.Definitions
    instance: dg.DagsterInstance

    @property
    def tickets_dir(self) -> Path:
        return self.folder / "tickets"

    def add(self, records: Iterable[Record]) -> None:
        import_records(self.engine, self.folder, records)

    def rows(self, table: str, without: Sequence[str] = ()) -> list[dict[str, Any]]:
        return rows(self.engine, table, without=without)

    def value(self, query: str, **parameters: Any) -> Any:
        with self.engine.connect() as conn:
            return conn.execute(sa.text(query), parameters).scalar()

    def execute(self, statement: str, **parameters: Any) -> None:
        with self.engine.begin() as conn:
            conn.execute(sa.text(statement), parameters)


@contextmanager
def open_world(engine: Engine, folder: Path, webhook: str | None = None, **overrides: Any) -> Iterator[World]:
    """The real definitions on this database and directory."""
    url = engine.url.render_as_string(hide_password=False)
    resources: dict[str, Any] = {
        "database": Database(url=url),
        "tracker": TrackerResource(directory=str(folder / "tickets")),
        "alerts": Alerts(webhook=webhook),
    }
    definitions = build_definitions(resources | overrides)
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(engine, folder, Loop(definitions, instance, engine), definitions, instance)
