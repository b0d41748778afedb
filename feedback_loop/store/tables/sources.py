"""Tools that are imported from: how far each was read, and what was written back. Does not belong here: facts."""

import sqlalchemy as sa

from feedback_loop.store.tables.columns import Text, Timestamp, column, key, metadata

import_cursors = sa.Table(
    "import_cursors",
    metadata,
    key("source"),
    column("cursor", Timestamp),  # read up to here, by the time of the source's records
    column("updated_at", Timestamp, default="now()"),
)

written_scores = sa.Table(
    "written_scores",
    metadata,
    key("source"),
    key("score_id"),
    column("interaction_id", Text),
    column("name", Text),
    column("value", Text),
    column("comment", Text, null=True),
    column("problem", Text, null=True),  # why the tool refuses it
    column("written_at", Timestamp, default="now()"),
)
