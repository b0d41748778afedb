"""Tools that are imported from: cursors, and the scores written back to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TIMESTAMP = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "import_cursors",
        sa.Column("source", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("cursor", _TIMESTAMP, nullable=False),
        sa.Column("updated_at", _TIMESTAMP, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_import_cursors")),
        schema="feedback_loop",
    )
    op.create_table(
        "written_scores",
        sa.Column("source", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("score_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("interaction_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("written_at", _TIMESTAMP, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("source", "score_id", name=op.f("pk_written_scores")),
        schema="feedback_loop",
    )


def downgrade() -> None:
    op.drop_table("written_scores", schema="feedback_loop")
    op.drop_table("import_cursors", schema="feedback_loop")
