"""The network both versions share: encoder and depth head."""

from torch import Tensor, nn
from torch.nn import functional

from depthprof.networks.configs import ModelConfig
from depthprof.networks.dpt import DepthHead, resized
from depthprof.networks.vit import Encoder
from depthprof.records import PATCH_PIXELS, Weights


class DepthAnything(nn.Module):
    """Depth Anything of one size, as one version runs it.

    V1 and V2 have the same parameters and keys; they tap other blocks, and V1 ends with one more
    resize, which changes nothing where h and w are multiples of 14.

    `weights` says where the parameters came from, once they are loaded; `notes` says, a sentence
    each, what was done to the names or types in the checkpoint to load it.
    """

    weights: Weights
    notes: tuple[str, ...] = ()

    def __init__(self, config: ModelConfig, attention: str = "published") -> None:
        super().__init__()
        self.config = config
        self.attention = attention
        self.pretrained = Encoder(config, attention)
        self.depth_head = DepthHead(config)

    def forward(self, batch: Tensor) -> Tensor:
        """Map [B, 3, h, w] (h, w multiples of 14) to depth [B, h, w], >= 0.

        It is relative inverse depth, or metres where the configuration has a max_depth.
        """
        height, width = batch.shape[-2:]
        features = self.pretrained(batch)
        depth = self.depth_head(features, height // PATCH_PIXELS, width // PATCH_PIXELS)
        if self.config.max_depth is not None:
            metres: Tensor = depth.squeeze(1) * self.config.max_depth
            return metres
        if self.config.resizes_output:
            depth = resized(depth, (height, width))
        return functional.relu(depth).squeeze(1)
