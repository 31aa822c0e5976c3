"""The network of Depth Anything V1 and V2, its weights and checkpoints. Floor 2, measuring."""

from depthprof.networks.configs import ModelConfig, config_for
from depthprof.networks.loading import load_model
from depthprof.networks.network import DepthAnything

__all__ = ["DepthAnything", "ModelConfig", "config_for", "load_model"]
