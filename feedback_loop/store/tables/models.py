"""What models were asked, what they said and what it cost; and the vectors of texts.

Belongs here: the ledger of calls, the cache of replies, open batches, cached vectors. Does not belong here: what the
loop makes of a reply (`patterns.py`, `loop.py`).
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from feedback_loop.store.tables.columns import (
    BigInteger,
    Boolean,
    Date,
    Float,
    Integer,
    Text,
    Timestamp,
    column,
    key,
    metadata,
)

llm_calls = sa.Table(
    "llm_calls",
    metadata,
    key("call_id"),
    column("application", Text),
    column("week", Date, null=True),
    column("called_at", Timestamp),
    column("model", Text),
    column("purpose", Text),  # describe | card | judge | audit
    column("prompt_version", Text, default="''"),
    column("request_hash", Text, default="''"),
    column("batch_id", Text, null=True),
    *(column(name, Text, null=True) for name in ("message_id", "request_id", "stop_reason")),
    *(column(name, BigInteger) for name in ("input_tokens", "output_tokens")),
    *(column(name, BigInteger, default="0") for name in ("cache_write_tokens", "cache_read_tokens")),
    column("cost_usd", Float),
    column("outcome", Text),
    column("error", Text, null=True),
    sa.Index(None, "application", "week"),
)

llm_replies = sa.Table(
    "llm_replies",
    metadata,
    key("application"),
    key("request_hash"),
    column("model", Text),
    column("purpose", Text),
    column("reply", JSONB),
    column("replied_at", Timestamp),
)

llm_batches = sa.Table(
    "llm_batches",
    metadata,
    key("application"),
    key("batch_key"),  # names the requests in it; written before the batch is asked for
    column("batch_id", Text, null=True),
    column("purpose", Text),
    column("model", Text),
    column("status", Text),  # planned | submitted | ended | failed
    column("n_requests", Integer),
    column("reserved_usd", Float),
    column("week", Date, null=True),
    column("requests", JSONB),  # what is needed to read the results without the run that asked
    column("planned_at", Timestamp),
    column("ended_at", Timestamp, null=True),
    column("is_collected", Boolean, default="false"),
)

text_vectors = sa.Table(
    "text_vectors",
    metadata,
    key("embedding_version"),
    key("text_hash", sa.LargeBinary),
    column("vector", sa.LargeBinary),  # float16, little endian
    column("kept_at", Timestamp, default="now()"),
)
