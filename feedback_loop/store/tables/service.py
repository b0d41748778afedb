"""Who may send facts to the ingest service. Does not belong here: the facts (`facts.py`)."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from feedback_loop.store.tables.columns import Text, Timestamp, column, key, metadata

write_keys = sa.Table(
    "write_keys",
    metadata,
    key("key_id"),
    column("kind", Text),  # server | widget
    column("application", Text),
    column("origins", ARRAY(Text), default="'{}'"),  # of pages that may use a widget key
    column("secret_hash", sa.LargeBinary),  # SHA-256 of 256 random bits
    column("created_at", Timestamp),
    column("revoked_at", Timestamp, null=True),
)
