"""The watches: operators, Python frames, peaks of memory."""

import sys
from collections import Counter
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import matplotlib
import numpy as np
import pytest
import torch
from torch.nn import functional

from depthprof.records import Memory
from depthprof.runner.observe import Extent, PeakWatch, traits_of
from depthprof.runner.watches import SOFTMAX, FrameWatch, OperatorWatch, fused_attention, host_end


def attention(values: torch.Tensor) -> torch.Tensor:
    weights = functional.linear(values, torch.ones(4, 4)).softmax(dim=-1)
    return weights.transpose(0, 1).reshape(-1)[None] + 1


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
def test_operators_count_alike_without_gradients_and_in_inference_mode(without: Any) -> None:
    with without():
        values = torch.ones(4, 4)
        weights = torch.ones(4, 4)
        with OperatorWatch() as watch:
            functional.linear(values, weights).softmax(dim=-1).transpose(0, 1)[None].add_(1)
    assert watch.kernels == 3
    assert watch.names == {"aten::mm": 1, "aten::_softmax": 1, "aten::add_": 1}


def test_looking_making_room_and_views_are_no_kernels() -> None:
    with torch.no_grad(), OperatorWatch() as watch:
        values = torch.empty(4, 6)
        values.view(6, 4).t()[1:].unsqueeze(0).expand(3, 3, 6)
        torch.empty_like(values)
        _ = values.shape, values.is_contiguous()
    assert watch.kernels == 0
    assert not watch.names


def test_what_is_silent_is_a_kernel_all_the_same() -> None:
    with torch.no_grad(), OperatorWatch() as watch:
        watch.silent = frozenset({"aten::_softmax"})
        torch.ones(3).softmax(0)
    assert watch.names["aten::_softmax"] == 0
    assert watch.kernels == 2


def test_a_copy_between_host_and_device_is_seen_with_its_bytes() -> None:
    # The device is torch's "meta", which copies nothing but is another place than the host.
    values = torch.ones(5, 7)
    with torch.no_grad(), OperatorWatch() as watch:
        there = values.to("meta")
        there.copy_(values)
        values.to(torch.float64)
        there.clone()
    assert watch.pageable_bytes == 2 * 5 * 7 * 4
    assert watch.pageable_where == "aten::copy_"


def place(kind: str) -> Any:
    return SimpleNamespace(device=SimpleNamespace(type=kind))


@pytest.mark.parametrize(
    ("name", "source", "target", "end"),
    [
        ("aten::_to_copy", "cpu", "cuda", "source"),
        ("aten::_to_copy", "cuda", "cpu", "target"),
        ("aten::_to_copy", "cuda", "cuda", None),
        ("aten::_to_copy", "cpu", "cpu", None),
        ("aten::copy_", "cpu", "cuda", "source"),
        ("aten::copy_", "cuda", "cpu", "target"),
        ("aten::copy_", "cuda", "cuda", None),
        ("aten::add", "cpu", "cuda", None),
    ],
)
def test_the_host_s_end_of_a_copy(name: str, source: str, target: str, end: str | None) -> None:
    ends = {"source": place(source), "target": place(target)}
    copies_in_place = name == "aten::copy_"
    args = (ends["target"], ends["source"]) if copies_in_place else (ends["source"],)
    found = host_end(name, args, ends["target"])
    assert found is (None if end is None else ends[end])


def test_fused_attention_has_many_names() -> None:
    fused = (
        "aten::_scaled_dot_product_flash_attention",
        "aten::_scaled_dot_product_efficient_attention",
        "aten::_scaled_dot_product_cudnn_attention",
        "aten::_scaled_dot_product_flash_attention_for_cpu",
        "aten::_efficient_attention_forward",
        "aten::_flash_attention_forward",
        "xformers_flash::flash_fwd",
    )
    names = Counter(dict.fromkeys(fused, 2)) + Counter({"aten::_softmax": 3, "aten::bmm": 1})
    assert fused_attention(names) == dict.fromkeys(fused, 2)


def seen(act: Callable[[], object], least: int = 100) -> FrameWatch:
    watch = FrameWatch(least)
    with watch.watching():
        act()
    return watch


def in_double() -> np.ndarray[Any, Any]:
    wide = np.zeros((10, 20))
    return wide.astype(np.float32)


def given_back() -> object:
    return np.ones(150)


def tensor_in_double() -> torch.Tensor:
    wide = torch.zeros(10, 20, dtype=torch.float64)
    return wide.float()


def in_a_library() -> np.ndarray[Any, Any]:
    return np.stack([np.zeros(100), np.zeros(100)]).astype(np.float32)


def replaced() -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = np.zeros(200)
    values = values.astype(np.float32)
    values += 1
    return values


def yielding() -> list[object]:
    def numbers() -> Any:
        wide = np.zeros(200)
        yield len(wide)

    return list(numbers())


@pytest.mark.parametrize(
    ("act", "size_bytes"),
    [(in_double, 1600), (given_back, 1200), (tensor_in_double, 1600), (in_a_library, 1600)],
)
def test_float64_is_seen_with_the_line_that_had_it(act: Any, size_bytes: int) -> None:
    watch = seen(act)
    assert watch.float64_bytes == size_bytes
    file, _, line = watch.float64_where.partition(":")
    assert file == "test_watches.py"
    lines = Path(__file__).read_text().splitlines()
    assert lines[int(line) - 1].lstrip().startswith("return")


@pytest.mark.parametrize("act", [in_double, given_back, tensor_in_double])
def test_small_float64_is_not_worth_a_word(act: Any) -> None:
    assert seen(act, least=1000).float64_bytes == 0


@pytest.mark.parametrize("act", [replaced, yielding])
def test_what_was_replaced_or_lives_on_in_a_generator_is_not_seen(act: Any) -> None:
    assert seen(act).float64_bytes == 0  # what docs/limits.md says it does not see


class Shy:
    """A stand-in that is made when first used, and cannot be made."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


def shy() -> np.ndarray[Any, Any]:
    stand_in = Shy()
    wide = np.zeros(200)
    del stand_in
    other = Shy()
    return wide if other is not None else wide[:1]


def test_values_that_answer_no_question_are_asked_none() -> None:
    assert seen(shy).float64_bytes == 1600


def test_colour_maps_on_the_host_are_counted_by_what_did_it() -> None:
    grey = np.zeros((4, 4), dtype=np.uint8)
    colours = matplotlib.colormaps["Spectral_r"]

    def act() -> None:
        colours(grey)
        colours(grey)
        cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)

    assert seen(act).colour_maps == {"matplotlib.colors": 2, "cv2.applyColorMap": 1}
    assert not seen(lambda: cv2.resize(grey, (2, 2))).colour_maps


def test_a_profiler_that_was_set_is_set_again() -> None:
    def profiler(*_: object) -> None:
        """Looks at nothing."""

    before = sys.getprofile()
    sys.setprofile(profiler)
    try:
        seen(in_double)
        assert sys.getprofile() is profiler
        with pytest.raises(ZeroDivisionError):
            seen(lambda: 1 / 0)
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(before)


def test_nothing_that_was_looked_at_is_kept() -> None:
    import weakref

    class Array(np.ndarray):  # type: ignore[type-arg]
        """An array that can be referred to weakly."""

    left: list[weakref.ref[Array]] = []

    def act() -> None:
        wide = np.zeros(200).view(Array)
        left.append(weakref.ref(wide))

    watch = FrameWatch(100)
    with watch.watching():
        act()
        assert left[0]() is None
    assert watch.float64_bytes == 1600


def test_no_softmax_is_counted_from_begin_to_end_of_fused_attention() -> None:
    silent: list[frozenset[str]] = []

    class Noting(OperatorWatch):
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "silent":
                silent.append(value)
            super().__setattr__(name, value)

    watch = FrameWatch(1, Noting())
    values = torch.zeros(1, 1, 4, 4)
    with torch.no_grad(), watch.watching():
        functional.scaled_dot_product_attention(values, values, values)
    assert silent == [frozenset(), SOFTMAX, frozenset()]
    assert watch.fused_calls == 1


def test_the_peak_of_this_process_is_that_of_the_time_between(tmp_path: Path) -> None:
    watch = PeakWatch("cpu", None)
    watch.begin()
    before = watch.end(None)
    if before.host_peak_bytes is None:
        pytest.skip("this system does not tell")
    size_bytes = 96 << 20
    with mmap(-1, size_bytes) as fresh:  # an array may be given pages that are resident already
        fresh.write(b"1" * size_bytes)
    after = watch.end(7)
    assert after.host_peak_bytes is not None
    assert after.host_peak_bytes - before.host_peak_bytes >= 0.5 * size_bytes
    watch.begin()
    again = watch.end(None).host_peak_bytes
    assert again is not None
    assert again < after.host_peak_bytes - 0.5 * size_bytes
    assert (after.weights_bytes, after.device_allocated_bytes) == (7, None)
    blind = PeakWatch("cpu", None, tmp_path / "nowhere")
    blind.begin()
    assert blind.end(1) == Memory(None, 1)
    (tmp_path / "status").write_text("VmRSS: 5 kB\nVmHWM:\t 3 kB\n")
    half = PeakWatch("cpu", None, tmp_path)
    half.begin()
    assert half.end(1).host_peak_bytes == 3072
    assert (tmp_path / "clear_refs").read_text() == "5"


def cuda_with(before: int, most: tuple[int, int], log: list[tuple[str, str]]) -> SimpleNamespace:
    """torch.cuda with some bytes allocated, and the peaks of what was allocated and reserved."""
    return SimpleNamespace(
        synchronize=lambda device: log.append(("wait", device)),
        empty_cache=lambda: log.append(("empty", "cuda:1")),
        reset_peak_memory_stats=lambda device: log.append(("reset", device)),
        memory_allocated=lambda device: (log.append(("allocated", device)), before)[1],
        memory_reserved=lambda device: (log.append(("reserved", device)), most[1])[1],
        max_memory_allocated=lambda device: (log.append(("most", device)), most[0])[1],
        max_memory_reserved=lambda device: (log.append(("most", device)), most[1])[1],
    )


def test_the_peaks_of_a_gpu_are_torch_s_since_they_were_reset() -> None:
    log: list[tuple[str, str]] = []
    watch = PeakWatch("cuda:1", cuda_with(100, (111, 172), log))
    watch.begin()
    memory = watch.end(3)  # of the 100 before, 97 are the other side's
    assert (memory.device_allocated_bytes, memory.device_reserved_bytes) == (14, 75)
    words = ("wait", "empty", "reset", "allocated", "most", "most")
    assert log == [(word, "cuda:1") for word in words]


@pytest.mark.parametrize(
    ("before", "most", "weights"),
    [
        (99_300_000, (105_700_000, 119_500_000), 99_140_356),  # it fits into what is spare
        (198_600_000, (205_000_000, 239_000_000), 99_140_356),  # two sides
        (99_300_000, (99_300_000, 99_300_000), 99_140_356),  # it takes no memory of the GPU's
        (99_300_000, (307_000_000, 353_000_000), 99_140_356),
        (5_000, (6_000, 2 << 20), None),  # no network was found
    ],
)
def test_weights_lie_in_what_is_allocated_and_that_in_what_is_reserved(
    before: int, most: tuple[int, int], weights: int | None
) -> None:
    watch = PeakWatch("cuda:1", cuda_with(before, most, []))
    watch.begin()
    memory = watch.end(weights)
    assert memory.device_allocated_bytes is not None
    assert memory.device_reserved_bytes is not None
    assert (weights or 0) <= memory.device_allocated_bytes <= memory.device_reserved_bytes
    assert memory.device_reserved_bytes - memory.device_allocated_bytes == most[1] - most[0]


def test_a_stage_that_shows_nothing_has_no_trait() -> None:
    nothing = (OperatorWatch(), FrameWatch(1), ((), ()), "")
    for stage in ("preprocess", "h2d", "forward", "postprocess", "sync", "d2h"):
        assert list(traits_of(stage, *nothing)) == []
    (only,) = traits_of("return", *nothing)
    assert (only.code, only.amount) == ("product_bytes", 0)


def test_a_fused_call_that_torch_writes_out_counts_as_fused() -> None:
    frames = FrameWatch(1)
    frames.fused_calls = 2
    moved = ([Extent("cpu", 0, 0, 4)], ())
    traits = traits_of("forward", OperatorWatch(), frames, moved, "cuda:0")
    found = {trait.code: trait for trait in traits}
    assert found["sdpa_attention"].amount == 2
    assert "published_attention" not in found
    assert found["weights_on"].where == "cuda:0"
    assert found["input_on"].where == "cpu"
