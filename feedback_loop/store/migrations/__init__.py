"""Alembic's room: `env.py` and the steps between schema versions. Run by `schema.py` only."""
