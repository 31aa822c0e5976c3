"""Names of files and sides become fit to be shown, stored and sent as soon as they are recorded."""

from typing import Any

from depthprof.units import shown


def keep_shown(record: Any, *fields: str) -> None:
    """Replace texts, and tuples of texts, of a frozen record by what may be shown of them.

    Records call it when they are made, so that what was measured now and what is read from a file
    are alike, and no report, store or protocol meets a name that it cannot hold.
    """
    for field in fields:
        value = getattr(record, field)
        if isinstance(value, str):
            object.__setattr__(record, field, shown(value))
        elif isinstance(value, tuple):
            object.__setattr__(record, field, tuple(map(shown, value)))
