"""One untimed iteration of a side, looked at: work, memory, habits. Floor 3, measuring."""

from depthprof.runner.observe.observing import observe

__all__ = ["observe"]
