"""Draft the next migration from what `tables/` has and the migrations lack.

    python -m feedback_loop_tests.store.draft_migration "tickets get a due date"

It writes `feedback_loop/store/migrations/versions/NNNN_<message>.py`: read it, mend it, add what Alembic does not see
(views, data), then run `ruff format` and `pytest feedback_loop_tests/store/test_schema.py`. Before the first release
0001 may be drafted anew: save its view, delete the file, run this, put the view back.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command

from feedback_loop.store import schema
from feedback_loop.store.embedded import embedded_server
from feedback_loop.store.engine import create_engine
from feedback_loop.store.tables import SCHEMA


def draft(message: str) -> None:
    number = len(schema.revisions()) + 1
    with tempfile.TemporaryDirectory() as directory, embedded_server(Path(directory) / "server", ["draft"]) as url:
        engine = create_engine(url.set(database="draft"))
        with engine.begin() as connection:
            schema.create_schema(connection, SCHEMA)
            config = schema.alembic_config(connection)
            config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
            command.upgrade(config, "head")
            command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")
        engine.dispose()


if __name__ == "__main__":
    draft(" ".join(sys.argv[1:]) or "change")
