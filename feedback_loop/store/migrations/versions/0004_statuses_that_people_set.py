"""Statuses that people set: which tickets have one, so that no verdict closes them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SCHEMA = "feedback_loop"


def upgrade() -> None:
    op.add_column(
        "tickets",
        sa.Column("is_set_by_people", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema=_SCHEMA,
    )


def downgrade() -> None:
    op.drop_column("tickets", "is_set_by_people", schema=_SCHEMA)
