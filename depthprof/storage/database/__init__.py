"""Runs that are kept: in SQLite by default, in PostgreSQL for a team.

Nothing that measures imports it, so measuring does without SQLAlchemy.
"""

from depthprof.storage.database.opening import DEFAULT_FOLDER, open_store
from depthprof.storage.database.storing import RunRow, Store

__all__ = ["DEFAULT_FOLDER", "RunRow", "Store", "open_store"]
