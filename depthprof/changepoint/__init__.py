"""Changes of level in a series of numbers: where, how much, how surely. Arrays only."""

from depthprof.changepoint.drift import Ramp
from depthprof.changepoint.levels import FEWEST_POINTS, Change, Levels, levels
from depthprof.changepoint.noise import Noise

__all__ = ["FEWEST_POINTS", "Change", "Levels", "Noise", "Ramp", "levels"]
