"""Prospects: what each look could show of a fix of a pattern, week by week."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pattern_prospects",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        sa.Column("pattern_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("look_day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("per_week", sa.Double(), nullable=False),
        sa.Column("dispersion", sa.Double(), nullable=False),
        sa.Column("power_of_half", sa.Double(), nullable=False),
        sa.Column("smallest_cut", sa.Double(), nullable=True),
        sa.Column("with_hold_back_10", sa.Double(), nullable=True),
        sa.Column("with_hold_back_20", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("application", "week", "pattern_id", "look_day", name=op.f("pk_pattern_prospects")),
        schema="feedback_loop",
    )


def downgrade() -> None:
    op.drop_table("pattern_prospects", schema="feedback_loop")
