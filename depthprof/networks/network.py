"""The network both versions share: the encoder, and a DPT decoder that fuses four features.

Source: depth_anything/dpt.py and blocks.py of both versions (no batch norm, no class token), and
metric_depth/depth_anything_v2/dpt.py of V2, whose network for metric depth has the same keys and
ends in a sigmoid where the relative one ends in a ReLU.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from depthprof.networks.configs import ModelConfig
from depthprof.networks.vit import Encoder
from depthprof.records import PATCH_PIXELS, Weights


def resized(values: Tensor, size: Sequence[int]) -> Tensor:
    """Resize [B, C, h, w] bilinearly with aligned corners, as the head does everywhere."""
    return functional.interpolate(values, size=tuple(size), mode="bilinear", align_corners=True)


class ResidualConvUnit(nn.Module):
    """ReLU and convolution, twice, added to the input."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, values: Tensor) -> Tensor:
        """Map [B, features, h, w] to the same shape."""
        inner = self.conv2(functional.relu(self.conv1(functional.relu(values))))
        out: Tensor = inner + values
        return out


class FeatureFusion(nn.Module):
    """Add a finer feature to the coarser path, refine, enlarge, project."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(features, features, 1)
        self.resConfUnit1 = ResidualConvUnit(features)  # the key in published checkpoints
        self.resConfUnit2 = ResidualConvUnit(features)

    def forward(self, path: Tensor, finer: Tensor | None, size: Sequence[int]) -> Tensor:
        """Map [B, features, h, w] to [B, features, *size]; the coarsest has no `finer`."""
        if finer is not None:
            path = path + self.resConfUnit1(finer)
        out: Tensor = self.out_conv(resized(self.resConfUnit2(path), size))
        return out


class Scratch(nn.Module):
    """The decoder's layers, under the name the published checkpoints give them."""

    def __init__(self, features: int, out_channels: Sequence[int], last: nn.Module) -> None:
        super().__init__()
        for number, channels in enumerate(out_channels, 1):
            layer = nn.Conv2d(channels, features, 3, padding=1, bias=False)
            self.add_module(f"layer{number}_rn", layer)
            self.add_module(f"refinenet{number}", FeatureFusion(features))
        self.output_conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        self.output_conv2 = nn.Sequential(
            nn.Conv2d(features // 2, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 1, 1),
            last,
        )


class DepthHead(nn.Module):
    """Four features of a grid of patches to one depth map."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        first, second, _, fourth = config.out_channels
        self.projects = nn.ModuleList(nn.Conv2d(config.dim, n, 1) for n in config.out_channels)
        self.resize_layers = nn.ModuleList(
            (
                nn.ConvTranspose2d(first, first, 4, stride=4),
                nn.ConvTranspose2d(second, second, 2, stride=2),
                nn.Identity(),
                nn.Conv2d(fourth, fourth, 3, stride=2, padding=1),
            )
        )
        last = nn.ReLU() if config.max_depth is None else nn.Sigmoid()
        self.scratch = Scratch(config.features, config.out_channels, last)

    def forward(self, features: Sequence[Tensor], rows: int, columns: int) -> Tensor:
        """Map four [B, rows * columns, dim] to [B, 1, 14 rows, 14 columns], not negative."""
        levels = [
            self._level(number, tokens, rows, columns) for number, tokens in enumerate(features)
        ]
        path: Tensor | None = None
        for number in (4, 3, 2, 1):
            level = levels[number - 1]
            finer = levels[number - 2].shape[-2:] if number > 1 else _doubled(level)
            fusion = self.scratch.get_submodule(f"refinenet{number}")
            path = fusion(level, None, finer) if path is None else fusion(path, level, finer)
        size = (rows * PATCH_PIXELS, columns * PATCH_PIXELS)
        out: Tensor = self.scratch.output_conv2(resized(self.scratch.output_conv1(path), size))
        return out

    def _level(self, number: int, tokens: Tensor, rows: int, columns: int) -> Tensor:
        grid = tokens.transpose(1, 2).reshape(len(tokens), -1, rows, columns)
        level = self.resize_layers[number](self.projects[number](grid))
        return self.scratch.get_submodule(f"layer{number + 1}_rn")(level)  # type: ignore[no-any-return]


def _doubled(values: Tensor) -> tuple[int, int]:
    return 2 * values.shape[-2], 2 * values.shape[-1]


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
