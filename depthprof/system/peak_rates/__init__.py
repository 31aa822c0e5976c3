"""What a machine and one of its devices can do at best. Floor 2, measuring."""

from depthprof.system.peak_rates.measuring import fingerprint_of, measure_limits

__all__ = ["fingerprint_of", "measure_limits"]
