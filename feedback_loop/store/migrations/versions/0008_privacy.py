"""Privacy: who has opted out, and when a vector was kept, so that retention can end it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TIMESTAMP = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "opt_outs",
        sa.Column("user_hash", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("opted_out_at", _TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("user_hash", name=op.f("pk_opt_outs")),
        schema="feedback_loop",
    )
    op.add_column(
        "text_vectors",
        sa.Column("kept_at", _TIMESTAMP, server_default=sa.text("now()"), nullable=False),
        schema="feedback_loop",
    )


def downgrade() -> None:
    op.drop_column("text_vectors", "kept_at", schema="feedback_loop")
    op.drop_table("opt_outs", schema="feedback_loop")
