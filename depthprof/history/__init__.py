"""Changes of level in a series of numbers: where, how much, how surely. Arrays only."""

from depthprof.history.drift import Ramp
from depthprof.history.levels import FEWEST_POINTS, Change, Levels, levels
from depthprof.history.noise import Noise

__all__ = ["FEWEST_POINTS", "Change", "Levels", "Noise", "Ramp", "levels"]
