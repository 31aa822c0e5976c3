"""Revisions of the store's schema, in order (Alembic)."""
