"""What a machine and one of its devices can do at best."""

from depthprof.system.peak_rates.measuring import fingerprint_of, measure_limits

__all__ = ["fingerprint_of", "measure_limits"]
