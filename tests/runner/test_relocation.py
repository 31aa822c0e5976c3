"""New memory layouts: everything moves, nothing changes, what is shared stays shared."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from depthprof.errors import PipelineError
from depthprof.pipelines.contract import Renamed
from depthprof.runner import relocation
from depthprof.runner.places import LINE_BYTES, Places
from depthprof.runner.relocation import Relocation


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)
        self.first = nn.Linear(90, 90)
        self.tied = nn.Linear(90, 90)
        self.tied.weight = self.first.weight
        whole = torch.randn(6, 40)
        self.register_buffer("low", whole[:3])
        self.register_buffer("high", whole[2:])
        self.norm = nn.BatchNorm1d(40)
        self.first.bias.requires_grad_(requires_grad=False)


class Pipeline:
    weights = None

    def __init__(self) -> None:
        self.model: Any = Network()

    def stage(self, value: Any) -> Any:
        return value

    preprocess = h2d = forward = postprocess = d2h = deliver = stage


class Buffered(Pipeline):
    def __init__(self) -> None:
        super().__init__()
        self.array = np.arange(12.0).reshape(3, 4)
        self.again = self.array
        self.tensor = torch.arange(6.0)
        self.calls = 0

    def relocate(self, move: Callable[[Any], Any]) -> None:
        self.calls += 1
        self.array, self.again = move(self.array), move(self.again)
        self.tensor = move(self.tensor)
        assert move(self.model.first.weight) is self.model.first.weight  # moved already
        assert move("a word") == "a word"


def picture(order: str = "C") -> np.ndarray[Any, Any]:
    drawn = np.random.default_rng(0).integers(0, 255, (60, 51, 3), dtype=np.uint8)
    return np.asarray(drawn, order=order)  # type: ignore[call-overload,no-any-return]


def renew(pipeline: Any, batches: list[list[Any]] | None = None, seed: str = "0") -> bool:
    return Relocation().renew({"a": (pipeline, batches or [])}, seed)


def tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    return dict((*network.named_parameters(), *network.named_buffers()))


def test_every_weight_moves_and_keeps_its_bits_strides_and_identity() -> None:
    pipeline = Pipeline()
    known = tensors(pipeline.model)
    before = {
        name: (one.detach().clone(), one.data_ptr(), one.stride(), one.requires_grad)
        for name, one in known.items()
    }
    assert renew(pipeline)
    after = tensors(pipeline.model)
    for name, one in after.items():
        value, place, stride, requires_grad = before[name]
        assert one is known[name]
        assert torch.equal(one, value)
        assert (one.stride(), one.requires_grad) == (stride, requires_grad)
        if name not in ("low", "high"):  # whose base is somebody else's too
            assert one.data_ptr() != place
            assert one.data_ptr() % LINE_BYTES == place % LINE_BYTES
    assert pipeline.model.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_what_is_shared_stays_shared() -> None:
    pipeline = Pipeline()
    renew(pipeline)
    model = pipeline.model
    assert model.tied.weight is model.first.weight
    model.low[2, 0] = 99
    assert model.high[0, 0] == 99
    own = Pipeline()
    own.model.second = nn.Linear(90, 90)
    own.model.second.weight = nn.Parameter(own.model.first.weight.data)  # one memory, two objects
    place = own.model.first.weight.data_ptr()
    assert renew(own)
    assert own.model.first.weight.data_ptr() == own.model.second.weight.data_ptr() != place


def test_a_weight_that_others_look_into_stays() -> None:
    pipeline = Pipeline()
    seen = pipeline.model.norm.running_mean[:2]
    assert renew(pipeline)  # the rest is more than enough
    pipeline.model.norm.running_mean += 1
    assert seen.tolist() == [1, 1]


def test_a_network_gives_what_it_gave() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()
    pipeline = Pipeline()
    pipeline.model = network
    given = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        before = network(given)
        renew(pipeline)
        assert torch.allclose(network(given), before)


def test_pictures_move_in_their_lists() -> None:
    images = [picture(), picture("F"), picture()[:, ::-1]]
    batches = [[images[0], images[1]], [images[2], images[0]]]
    assert renew(Pipeline(), batches)
    (first, second), (third, again) = batches
    assert again is first
    for new, old in zip((first, second, third), images, strict=True):
        assert new is not old
        assert not np.shares_memory(new, old)
        assert np.array_equal(new, old)
    assert second.flags.f_contiguous
    frozen = picture()
    frozen.flags.writeable = False
    assert not Places(Random(0)).array(frozen).flags.writeable


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: Renamed(one, bytearray())])
def test_a_pipeline_may_move_its_own_buffers(wrap: Callable[[Any], Any]) -> None:
    pipeline = Buffered()
    array, tensor = pipeline.array, pipeline.tensor
    assert renew(wrap(pipeline))
    assert pipeline.calls == 1
    assert pipeline.array is pipeline.again
    assert not np.shares_memory(pipeline.array, array)
    assert np.array_equal(pipeline.array, array)
    assert pipeline.tensor.data_ptr() != tensor.data_ptr()
    assert torch.equal(pipeline.tensor, tensor)


def test_a_relocate_that_raises_is_a_sentence_about_its_side() -> None:
    class Broken(Pipeline):
        def relocate(self, _: Any) -> None:
            raise ValueError("no such place")

    with pytest.raises(PipelineError, match="relocate raised ValueError: no such place") as caught:
        renew(Broken())
    assert caught.value.side == "a"


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_networks_that_are_compiled_or_replayed_stay_where_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class OptimizedModule(nn.Module):  # as torch.compile wraps one
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self._orig_mod = module

    class CUDAGraph:
        pass

    def compiled() -> None:
        """Stand for what torch.compile makes of a function."""

    scripted = torch.jit.trace(nn.Linear(3, 3), torch.ones(1, 3))
    replayed = nn.Linear(3, 3)
    replayed.forward = lambda value: value  # type: ignore[method-assign]
    for model in (OptimizedModule(nn.Linear(3, 3)), scripted, replayed):
        pipeline = Pipeline()
        pipeline.model = model
        places = [one.data_ptr() for one in model.parameters()]
        assert not renew(pipeline, [[picture()]])
        assert [one.data_ptr() for one in model.parameters()] == places
    compiled._torchdynamo_orig_callable = compiled  # type: ignore[attr-defined]
    for extra in (CUDAGraph(), compiled):
        pipeline = Pipeline()
        pipeline.extra = extra  # type: ignore[attr-defined]
        assert not renew(pipeline, [[picture()]])
    monkeypatch.setattr(relocation, "free_memory_bytes", lambda: 1000)
    assert not renew(Pipeline(), [[picture()]])


def test_a_side_with_nothing_to_move_has_no_new_layout() -> None:
    empty = Pipeline()
    empty.model = None
    assert not renew(empty)
    assert not renew(empty, [[picture()]])  # what it computes with is not known
    both = {"a": (Pipeline(), [[picture()]]), "b": (empty, [])}
    assert not Relocation().renew(both, "0")  # each side needs one


def test_the_seed_draws_the_order_of_the_sides_and_their_places() -> None:
    def drawn(seed: str) -> tuple[str, list[int]]:
        order: list[str] = []

        class Told:
            def __init__(self, name: str) -> None:
                self.name = name

            def relocate(self, _: Any) -> None:
                order.append(self.name)

        owners: Any = {name: (Told(name), [[picture()]]) for name in "ab"}
        moved = Relocation()
        moved.renew(owners, seed)
        return "".join(order), [one.nbytes for one in moved._padding]

    assert drawn("1") == drawn("1")
    orders = [drawn(str(seed))[0] for seed in range(40)]
    assert 8 <= orders.count("ab") <= 32
    assert orders.count("ab") + orders.count("ba") == 40
    assert len({tuple(drawn(str(seed))[1]) for seed in range(10)}) == 10


GROWTH = """
import torch
from torch import nn
from depthprof.runner.relocation import Relocation
class Pipeline:
    def __init__(self):
        self.model = nn.Sequential(*(nn.Linear(1000, 1000) for _ in range(8)))
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
owners = {"a": (Pipeline(), []), "b": (Pipeline(), [])}
relocation = Relocation()
sizes = []
for number in range(20):
    assert relocation.renew(owners, str(number))
    sizes.append(resident())
held = sum(one.untyped_storage().nbytes() for one in owners["a"][0].model.parameters())
print(max(sizes[10:]) - sizes[2], held)
import sys
assert "torch._dynamo" not in sys.modules
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory in use is Linux's")
def test_memory_does_not_grow_and_no_compiler_is_imported() -> None:
    command = [sys.executable, "-c", GROWTH]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    grown_bytes, held_bytes = map(int, done.stdout.split())
    assert held_bytes < 40e6
    assert grown_bytes < 3 * held_bytes  # of 20 copies of both sides
