"""One untimed iteration of a side: its work, its memory and its traits."""

from depthprof.runner.observe.observing import observe

__all__ = ["observe"]
