"""The four sizes of the network, and which blocks each version taps.

Figures: DepthAnything/Depth-Anything-V2 at a561b84 (depth_anything_v2/dpt.py, run.py) and
LiheYoung/Depth-Anything at 1d03336 (depth_anything/dpt.py). Metric depth: V2's metric_depth folder.
"""

from dataclasses import dataclass

from depthprof.errors import BadInput, nearest
from depthprof.records import SIZE_ALIASES, SIZES

VERSIONS = ("v1", "v2")
IMAGE_PIXELS = 518
"""Side of the square the position embedding was trained on."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One size of the network as one version uses it.

    Attributes:
        dim: width of the tokens. depth: number of blocks. heads: attention heads a block.
        features: width of the depth head. out_channels: of the four tapped features, finest first.
        taps: indices (from 0) of the four blocks whose output the head reads.
        fused_mlp: whether the MLP is the fused SwiGLU (giant) and not the one with GELU.
        max_depth: metres that a metric network's sigmoid is multiplied by; None for relative depth.
    """

    size: str
    version: str
    dim: int
    depth: int
    heads: int
    features: int
    out_channels: tuple[int, int, int, int]
    taps: tuple[int, ...]
    fused_mlp: bool = False
    max_depth: float | None = None

    @property
    def resizes_output(self) -> bool:
        """Whether forward ends with one more resize, as V1's does."""
        return self.version == "v1"


_WIDTHS = {
    "small": (384, 12, 6, 64, (48, 96, 192, 384)),
    "base": (768, 12, 12, 128, (96, 192, 384, 768)),
    "large": (1024, 24, 16, 256, (256, 512, 1024, 1024)),
    "giant": (1536, 40, 24, 384, (1536, 1536, 1536, 1536)),
}
_TAPS_V2 = {
    "small": (2, 5, 8, 11),
    "base": (2, 5, 8, 11),
    "large": (4, 11, 17, 23),
    "giant": (9, 19, 29, 39),
}


def config_for(version: str, size: str, max_depth: float | None = None) -> ModelConfig:
    """Return the configuration of a version and a size (or its alias, such as vits).

    Args:
        version: "v1" or "v2". size: of the network.
        max_depth: in metres, of a metric network; None for relative depth.

    Raises:
        BadInput: unknown version or size, V1 giant, which never existed, or V1 with a max_depth.
    """
    if version not in VERSIONS:
        raise BadInput(f'unknown version "{version}"; {nearest(version, VERSIONS)}')
    size = SIZE_ALIASES.get(size, size)
    if size not in SIZES:
        raise BadInput(f'unknown model "{size}"; {nearest(size, (*SIZES, *SIZE_ALIASES))}')
    if version == "v1" and size == "giant":
        raise BadInput(
            'V1 has no model "giant": it was published as small, base and large;'
            " giant exists in v2 alone"
        )
    if version == "v1" and max_depth is not None:
        raise BadInput(
            "V1 has no --max-depth: its metric models are ZoeDepth, another network; give it to v2"
            f" alone, as in v2@max-depth={max_depth:g}"
        )
    dim, depth, heads, features, out_channels = _WIDTHS[size]
    taps = tuple(range(depth - 4, depth)) if version == "v1" else _TAPS_V2[size]
    fused = size == "giant"
    return ModelConfig(
        size, version, dim, depth, heads, features, out_channels, taps, fused, max_depth
    )
