"""Tables and plots of the study."""

from depthprof.study.store import Store


def write_findings(store: Store) -> None:
    """Write what the results say beside them."""
    del store
