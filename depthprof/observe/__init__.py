"""One untimed iteration of a side, looked at: work, memory, habits. Floor 3, measuring."""

from depthprof.observe.observing import observe

__all__ = ["observe"]
