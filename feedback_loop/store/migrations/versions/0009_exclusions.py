"""Feedback that is left out and why; weights of users in a pattern's week."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

WEIGHTED = ("weighted_occurrences", "weighted_users")


def upgrade() -> None:
    op.create_table(
        "feedback_exclusions",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text(), autoincrement=False, nullable=False) for name in ("feedback_id", "reason")),
        sa.Column("interaction_id", sa.Text(), nullable=False),
        sa.Column("user_hash", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.TIMESTAMP(timezone=True), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("signal", "effect")),
        sa.Column("weight", sa.Double(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("detail", "policy_version")),
        sa.PrimaryKeyConstraint("application", "week", "feedback_id", "reason", name=op.f("pk_feedback_exclusions")),
        schema="feedback_loop",
    )
    for name in ("feedback_id", "interaction_id"):
        op.create_index(op.f(f"ix_feedback_exclusions_{name}"), "feedback_exclusions", [name], schema="feedback_loop")
    counts = (
        "n_feedback",
        "n_complaints",
        "n_verified",
        "n_verified_complaints",
        "n_excluded",
        "n_wordless",
        "n_weighted",
    )
    op.create_table(
        "cleaning_weeks",
        sa.Column("application", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("week", sa.Date(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in counts),
        sa.Column("new_odds", sa.Double(), nullable=True),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("application", "week", name=op.f("pk_cleaning_weeks")),
        schema="feedback_loop",
    )
    for name in WEIGHTED:
        column: sa.Column[float] = sa.Column(name, sa.Double(), server_default=sa.text("0"), nullable=False)
        op.add_column("pattern_weeks", column, schema="feedback_loop")
    op.execute("update feedback_loop.pattern_weeks set weighted_occurrences = n_occurrences, weighted_users = n_users")


def downgrade() -> None:
    for name in WEIGHTED:
        op.drop_column("pattern_weeks", name, schema="feedback_loop")
    op.drop_table("cleaning_weeks", schema="feedback_loop")
    op.drop_table("feedback_exclusions", schema="feedback_loop")
