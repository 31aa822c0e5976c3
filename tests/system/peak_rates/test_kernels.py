"""Kernels of a CPU: the best counts, what runs on more threads than it may does not."""

from collections.abc import Callable

import pytest
import torch

from depthprof.records import MatrixRate
from depthprof.system.peak_rates import kernels
from depthprof.system.peak_rates.kernels import KERNELS, best_of_kernels, cpu_kernels
from depthprof.system.peak_rates.memory import SIZES_BYTES, host_memory


@pytest.mark.parametrize(
    ("threads", "cores", "variables", "hold"),
    [
        (1, 2, {}, False),  # a pool of two on one thread of torch's
        (2, 2, {}, True),
        (1, 16, {"OPENBLAS_NUM_THREADS": "1"}, True),
        (1, 16, {"OMP_NUM_THREADS": "1"}, True),
        (2, 16, {"OPENBLAS_NUM_THREADS": "4", "OMP_NUM_THREADS": "1"}, False),
        (4, 16, {"OPENBLAS_NUM_THREADS": "", "OMP_NUM_THREADS": "2"}, True),
        (1, 2, {"OMP_NUM_THREADS": "0"}, False),
        (1, 2, {"OMP_NUM_THREADS": "many"}, False),
    ],
)
def test_a_blas_with_threads_of_its_own_counts_only_where_they_are_no_more_than_torch_s(
    threads: int,
    cores: int,
    variables: dict[str, str],
    hold: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in kernels.POOL_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(kernels, "usable_cores", lambda: cores)
    monkeypatch.setattr(kernels, "TRIAL_SIDE", 16)
    monkeypatch.setattr(kernels, "PART_S", 0.0)
    monkeypatch.setattr(kernels, "DTYPES", {"fp32": torch.float32})
    found = {one.kernel for one in cpu_kernels(threads, (16,))}
    assert "torch.mm" in found
    assert ("numpy.matmul" in found) == hold
    assert ("cv2.gemm" in found) == hold


def test_the_fastest_kernel_of_each_dtype_is_the_measured_peak() -> None:
    tried = (
        MatrixRate("fp32", 104e9, "torch.mm"),
        MatrixRate("fp32", 161e9, "torch mkldnn_linear"),
        MatrixRate("bf16", 9e9, "torch.mm"),
    )
    assert best_of_kernels(tried) == tried[1:]
    assert best_of_kernels(()) == ()


def test_every_kernel_multiplies_what_it_is_given() -> None:
    first, second = torch.randn(32, 32), torch.randn(32, 32)
    products = (first @ second, first @ second.t(), second @ first)
    for name, make in KERNELS:
        made = make((first, second))()
        dense = made.to_dense() if isinstance(made, torch.Tensor) else torch.as_tensor(made)
        found = dense.reshape(32, 32)
        assert any(torch.allclose(found, product, atol=1e-3) for product in products), name


def test_a_kernel_that_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> Callable[[], object]:
        raise AttributeError("mkldnn_linear")

    for name in ("KERNELS", "TORCH_KERNELS"):
        monkeypatch.setattr(kernels, name, (("none", missing), KERNELS[0]))
    monkeypatch.setattr(kernels, "PART_S", 0.0)
    monkeypatch.setattr(kernels, "DTYPES", {"fp32": torch.float32})
    monkeypatch.setattr(kernels, "TRIAL_SIDE", 32)
    monkeypatch.setattr(kernels, "best_s", lambda *_: 1e-3)
    assert cpu_kernels(1, (64,)) == (MatrixRate("fp32", 2 * 64**3 / 1e-3, "torch.mm"),)


def test_memory_has_a_rate_for_every_size_within_the_array_and_its_best_kernel() -> None:
    count = (SIZES_BYTES[1] + 4096) // 4
    source, target = torch.ones(count), torch.zeros(count)
    taken: list[float] = []

    def timed(act: Callable[[], object]) -> float:
        act()
        taken.append(1.0)
        return 1.0

    found = host_memory(source, target, timed)
    sizes = [2 * SIZES_BYTES[0], 2 * SIZES_BYTES[1], 2 * source.nbytes]
    assert [one.size_bytes for one in found] == sizes
    assert all(one.kernel in ("triad", "numpy add") for one in found)  # the most bytes in a second
    assert all(one.bytes_per_s == one.size_bytes * 1.5 for one in found)
