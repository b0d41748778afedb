"""Tickets for any tracker: documents instead of Markdown, what a tracker knows of them, where a fix's time is from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SCHEMA = "feedback_loop"
_TIME = postgresql.TIMESTAMP(timezone=True)
_JSON = postgresql.JSONB(astext_type=sa.Text())

# Bodies and titles were Markdown: backslashes before marks, an invisible U+2060 after each @. Now they are what people
# wrote, in a paragraph for each that empty lines parted. Functions, for an expression in USING may hold no subquery.
_PLAIN = """
    create function feedback_loop.as_plain(markdown text) returns text immutable language sql as $$
        select regexp_replace(replace(markdown, '@' || chr(8288), '@'), '\\\\([^[:alnum:][:space:]])', '\\1', 'g')
    $$
"""
_DOCUMENT = """
    create function feedback_loop.as_document(markdown text) returns jsonb immutable language sql as $$
        select coalesce(jsonb_agg(jsonb_build_object('kind', 'paragraph', 'inlines', jsonb_build_array(
            jsonb_build_object('text', feedback_loop.as_plain(btrim(part, E' \\n\\r\\t')))
        )) order by place), '[]')
        from regexp_split_to_table(markdown, '\\n[ \\t\\r]*\\n') with ordinality as parts (part, place)
        where part ~ '[^[:space:]]'
    $$
"""


def upgrade() -> None:
    _as_documents()
    for table in ("tickets", "ticket_events"):
        op.add_column(table, sa.Column("problem", sa.Text(), nullable=True), schema=_SCHEMA)
    op.drop_constraint("uq_tickets_ticket_key", "tickets", schema=_SCHEMA)
    op.create_unique_constraint("uq_tickets_tracker_ticket_key", "tickets", ["tracker", "ticket_key"], schema=_SCHEMA)
    op.add_column("tickets", sa.Column("issue_id", sa.Text(), nullable=True), schema=_SCHEMA)
    op.add_column(
        "tickets",
        sa.Column("old_keys", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        schema=_SCHEMA,
    )
    op.add_column("tickets", sa.Column("attempted_at", _TIME, nullable=True), schema=_SCHEMA)
    op.add_column(
        "tickets",
        sa.Column("is_complete", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema=_SCHEMA,
    )
    for name in ("status_name", "resolution", "duplicate_of"):
        op.add_column("tickets", sa.Column(name, sa.Text(), nullable=True), schema=_SCHEMA)
    op.add_column("tickets", sa.Column("fetched_at", _TIME, nullable=True), schema=_SCHEMA)
    op.add_column("tickets", sa.Column("reopened_by_people_at", _TIME, nullable=True), schema=_SCHEMA)
    for name, default in (("origin", "''"), ("precision", "'instant'"), ("confidence", "'high'")):
        column = sa.Column(name, sa.Text(), server_default=sa.text(default), nullable=False)
        op.add_column("fixes", column, schema=_SCHEMA)
    # Until now a resolved ticket was a fix of the moment in which somebody resolved it.
    op.execute("update feedback_loop.fixes set confidence = 'low', origin = 'the ticket' where source = 'ticket'")
    op.add_column("fixes", sa.Column("withdrawn_at", _TIME, nullable=True), schema=_SCHEMA)
    op.add_column("fixes", sa.Column("withdrawn_reason", sa.Text(), nullable=True), schema=_SCHEMA)


def _as_documents() -> None:
    op.execute(_PLAIN)
    op.execute(_DOCUMENT)
    using = "feedback_loop.as_document(body)"
    for table in ("tickets", "ticket_events"):
        op.alter_column(table, "body", existing_type=sa.Text(), type_=_JSON, postgresql_using=using, schema=_SCHEMA)
    op.execute("update feedback_loop.tickets set title = feedback_loop.as_plain(title)")
    op.execute("drop function feedback_loop.as_document(text)")
    op.execute("drop function feedback_loop.as_plain(text)")


def downgrade() -> None:
    for name in ("withdrawn_reason", "withdrawn_at", "confidence", "precision", "origin"):
        op.drop_column("fixes", name, schema=_SCHEMA)
    for name in (
        "reopened_by_people_at", "fetched_at", "duplicate_of", "resolution", "status_name", "is_complete",
        "attempted_at", "old_keys", "issue_id",
    ):  # fmt: skip
        op.drop_column("tickets", name, schema=_SCHEMA)
    op.drop_constraint("uq_tickets_tracker_ticket_key", "tickets", schema=_SCHEMA)
    op.create_unique_constraint("uq_tickets_ticket_key", "tickets", ["ticket_key"], schema=_SCHEMA)
    for table in ("ticket_events", "tickets"):
        op.drop_column(table, "problem", schema=_SCHEMA)
        op.alter_column(
            table, "body", existing_type=_JSON, type_=sa.Text(), postgresql_using="body::text", schema=_SCHEMA
        )
