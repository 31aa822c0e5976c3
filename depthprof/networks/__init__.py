"""The network of Depth Anything V1 and V2, its weights and checkpoints."""

from depthprof.networks.configs import ModelConfig, config_for
from depthprof.networks.loading import load_model
from depthprof.networks.network import DepthAnything

__all__ = ["DepthAnything", "ModelConfig", "config_for", "load_model"]
