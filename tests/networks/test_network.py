"""Keys and shapes of every size, the taps, and the three attentions."""

import ast
from pathlib import Path

import pytest
import torch

from depthprof.errors import BadInput
from depthprof.networks import DepthAnything, config_for, load_model
from depthprof.networks.configs import ModelConfig
from depthprof.networks.vit import check_attention

GOLDEN = Path(__file__).parents[1] / "golden"
PARAMETERS = {
    "vits": 24_785_089,
    "vitb": 97_470_785,
    "vitl": 335_315_649,
    "vitg": 1_258_132_225,
}
CASES = [("v1", "vits"), ("v1", "vitb"), ("v1", "vitl"), *(("v2", size) for size in PARAMETERS)]


def tiny(version: str = "v2") -> ModelConfig:
    """A network of the real make, small enough for tests."""
    taps = (0, 1, 2, 3)
    return ModelConfig("small", version, 32, 4, 2, 16, (8, 16, 16, 32), taps)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(("version", "size"), CASES)
def test_keys_and_shapes_are_the_published_ones(version: str, size: str) -> None:
    with torch.device("meta"):
        model = DepthAnything(config_for(version, size))
    lines = (GOLDEN / f"keys_{size}.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    published = {key: ast.literal_eval(shape) for key, shape, _ in rows}
    assert {key: tuple(value.shape) for key, value in model.state_dict().items()} == published
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[size]


def test_the_versions_tap_other_blocks() -> None:
    assert config_for("v1", "vits").taps == (8, 9, 10, 11)
    assert config_for("v1", "large").taps == (20, 21, 22, 23)
    assert config_for("v2", "small").taps == (2, 5, 8, 11)
    assert config_for("v2", "vitl").taps == (4, 11, 17, 23)
    assert config_for("v2", "giant").taps == (9, 19, 29, 39)


@pytest.mark.parametrize(
    ("version", "size", "said"),
    [
        ("v1", "giant", "V1 has no model .giant.: it was published as small, base and large"),
        ("v1", "vitg", "V1 has no model"),
        ("v3", "small", 'unknown version "v3"; did you mean'),
        ("v2", "smal", 'unknown model "smal"; did you mean "small"'),
    ],
)
def test_what_does_not_exist_is_refused(version: str, size: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        config_for(version, size)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_attentions_agree(version: str) -> None:
    batch = torch.randn(2, 3, 42, 70, generator=torch.Generator().manual_seed(3))
    written_out, fused = (
        load_model(version, "small", attention=kind)(batch) for kind in ("published", "sdpa")
    )
    assert written_out.shape == (2, 42, 70)
    assert written_out.std() > 0.05
    assert torch.allclose(written_out, fused, atol=1e-4)


@pytest.mark.parametrize("metres", [20.0, 80.0])
def test_metric_depth_is_a_sigmoid_times_the_deepest(metres: float) -> None:
    batch = torch.randn(1, 3, 42, 70, generator=torch.Generator().manual_seed(3))
    relative, metric = load_model("v2", "small"), load_model("v2", "small", max_depth=metres)
    assert metric.state_dict().keys() == relative.state_dict().keys()
    relative.depth_head.scratch.output_conv2[3] = torch.nn.Identity()
    raw: list[torch.Tensor] = []
    relative.depth_head.register_forward_hook(lambda _, __, out: raw.append(out[:, 0]))
    relative(batch)
    found = metric(batch)
    assert torch.allclose(found, metres / (1 + torch.exp(-raw[0])), rtol=1e-5)
    assert 0 < found.min() < found.max() < metres


def test_v1_has_no_metric_head() -> None:
    with pytest.raises(BadInput, match=r"ZoeDepth, .* as in v2@max-depth=20$"):
        load_model("v1", "small", max_depth=20.0)


def test_xformers_is_refused_on_the_cpu_and_where_it_is_not_installed() -> None:
    with pytest.raises(BadInput, match="xformers has no CPU implementation"):
        check_attention("xformers", "cpu")
    with pytest.raises(BadInput, match='unknown attention "flash"'):
        load_model("v2", "small", attention="flash")
    try:
        import xformers  # noqa: F401
    except ImportError:
        with pytest.raises(BadInput, match="needs the package xformers"):
            load_model("v2", "small", attention="xformers")


def test_the_position_embedding_is_taken_as_it_is_at_the_trained_size() -> None:
    model = DepthAnything(tiny()).pretrained
    assert model._positions(37, 37) is model.pos_embed
    with torch.no_grad():
        model.pos_embed.normal_(generator=torch.Generator().manual_seed(1))
        assert model._positions(3, 50).shape == (1, 151, 32)
        assert model.to(torch.bfloat16)._positions(3, 5).dtype == torch.bfloat16


def test_random_weights_come_from_the_seed_alone() -> None:
    first, again, other = (
        load_model(version, "vits", seed=seed)
        for version, seed in (("v1", 5), ("v2", 5), ("v2", 6))
    )
    for key, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    key = "pretrained.blocks.3.attn.qkv.weight"
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])
    assert (first.weights.source, first.weights.sha256, first.weights.seed) == ("random", None, 5)
    assert first.weights.parameters == PARAMETERS["vits"]
    assert not first.training
    assert not any(parameter.requires_grad for parameter in first.parameters())
