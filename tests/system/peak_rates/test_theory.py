"""Theoretical rates: from texts as /proc/cpuinfo of many machines has them, and from GPU facts."""

import mmap
from types import SimpleNamespace

import pytest

from depthprof.system.peak_rates import theory, timing
from depthprof.system.peak_rates.theory import core_of, gpu_theory

AVX2 = "fpu sse2 avx avx2 fma"
AVX512 = f"{AVX2} avx512f avx512bw"


def x86(vendor: str, family: int, model: int, flags: str, mhz: str = "2445.404") -> str:
    fields = f"vendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\n"
    named = f"{fields}model name\t: some\ncpu MHz\t\t: {mhz}\nflags\t\t: {flags}\n"
    return f"processor\t: 0\n{named}\nprocessor\t: 1\n{named}"


def arm(part: str, features: str, implementer: str = "0x41") -> str:
    of_core = f"CPU implementer\t: {implementer}\nCPU part\t: {part}\n"
    return f"processor\t: 0\nFeatures\t: {features}\n{of_core}"


CORES = {
    "Zen": (x86("AuthenticAMD", 23, 0x01, AVX2), 16, 16),
    "Zen 2": (x86("AuthenticAMD", 23, 0x31, AVX2), 32, 32),
    "Zen 3": (x86("AuthenticAMD", 25, 0x01, AVX2), 32, 32),
    "Zen 4": (x86("AuthenticAMD", 25, 0x11, f"{AVX512} avx512_bf16"), 32, 64),
    "Zen 5": (x86("AuthenticAMD", 26, 0x02, f"{AVX512} avx512_bf16"), 64, 128),
    "Zen 5 whose AVX-512 a VM hides": (x86("AuthenticAMD", 26, 0x02, AVX2), 32, 32),
    "an AMD of the future": (x86("AuthenticAMD", 29, 0x02, AVX512), 64, 64),
    "Haswell": (x86("GenuineIntel", 6, 63, AVX2), 32, 32),
    "Sandy Bridge": (x86("GenuineIntel", 6, 42, "sse2 avx"), 16, 16),
    "Skylake server": (x86("GenuineIntel", 6, 85, AVX512), 64, 64),
    "Tiger Lake": (x86("GenuineIntel", 6, 140, AVX512), 32, 32),
    "Emerald Rapids": (
        x86("GenuineIntel", 6, 207, f"{AVX512} avx512_bf16 avx512_fp16 amx_bf16 amx_tile"),
        *(64, 2048),
    ),
    "an x86 of nobody": (x86("Other", 6, 1, "sse2"), 8, 8),
    "Neoverse N1": (arm("0xd0c", "fp asimd asimdhp"), 16, 16),
    "Neoverse V1": (arm("0xd40", "fp asimd asimdhp sve bf16"), 32, 128),
    "Neoverse N1 without a line of features": (arm("0xd0c", ""), 16, 16),
    "an Arm of nobody": (arm("0xfff", "fp asimd", "0x99"), 32, 32),
    "big and little": (arm("0xd03", "asimd") + "\n" + arm("0xd0b", "asimd"), 16, 16),
}


@pytest.mark.parametrize("name", CORES)
def test_a_core_does_so_many_operations_a_cycle(name: str) -> None:
    text, fp32, bf16 = CORES[name]
    core = core_of(text)
    assert core is not None
    assert (core.flops["fp32"], core.flops["bf16"]) == (fp32, bf16)


@pytest.mark.parametrize("text", ["", "\n", "processor : 0\n", "no colon", arm("0xfff", "")])
def test_a_text_that_says_too_little_gives_no_core(text: str) -> None:
    assert core_of(text) is None


@pytest.mark.parametrize(
    ("measured_hz", "highest_khz", "mhz", "expected"),
    [
        (3.1e9, "", "2445.404", (3.1e9, "measured")),  # a virtual machine
        (None, "", "2445.404", (2445.404e6, "nominal")),
        (1.2e9, "3700000\n", "1200.0", (3.7e9, "the kernel's highest")),  # not at work yet
        (None, "", "", None),  # hidden
        (None, "none", "unknown", None),
        (3.1e9, "<unsupported>", "", (3.1e9, "measured")),
    ],
)
def test_the_highest_known_clock_counts(
    measured_hz: float | None, highest_khz: str, mhz: str, expected: tuple[float, str] | None
) -> None:
    cpuinfo = x86("AuthenticAMD", 25, 1, AVX2, mhz)
    found = theory.highest_clock(measured_hz, highest_khz, cpuinfo)
    assert found == (expected and (pytest.approx(expected[0]), expected[1]))


@pytest.mark.parametrize(("threads", "cores"), [(1, 1), (2, 2), (9, 4)])
def test_a_cpu_s_rate_is_cores_times_operations_times_clock(
    threads: int, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(theory, "usable_cores", lambda: 4)
    monkeypatch.setattr(theory, "measured_clock_hz", lambda: 3e9)
    monkeypatch.setattr(
        theory, "_text", lambda f: x86("AuthenticAMD", 25, 1, AVX2) if f == theory.CPUINFO else ""
    )
    (fp32, *halves) = theory.cpu_theory(threads)
    assert fp32.per_s == pytest.approx(cores * 32 * 3e9)
    assert "32 FLOP a cycle (AMD Zen 3 or 4) x 3.00 GHz (measured)" in fp32.basis
    assert [one.what for one in halves] == ["fp16", "bf16"]
    monkeypatch.setattr(theory, "_text", lambda _: "")
    assert theory.cpu_theory(threads) == ()


def test_the_chain_adds_what_it_says_and_takes_longer_the_longer_it_is() -> None:
    chain = timing._chain()
    if chain is None:
        pytest.skip("this system executes no memory that was written, or is no x86-64 Linux")
    assert [chain(rounds) for rounds in (1, 7, 1000)] == [timing.CHAIN * n for n in (1, 7, 1000)]
    clock_hz = timing.measured_clock_hz()
    assert clock_hz is not None
    assert 2e8 < clock_hz < 1e10


@pytest.mark.parametrize("machine", ["aarch64", "arm64", "riscv64"])
def test_other_processors_have_no_measured_clock(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing.platform, "machine", lambda: machine)
    assert timing.measured_clock_hz() is None


def test_a_system_that_executes_no_written_memory_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> mmap.mmap:
        raise PermissionError

    monkeypatch.setattr(timing.mmap, "mmap", refuse)
    assert timing.measured_clock_hz() is None


H200 = {  # as torch 2.11 has them
    **{"major": 9, "minor": 0, "multi_processor_count": 132, "clock_rate": 1_980_000},
    **{"memory_clock_rate": 3_201_000, "memory_bus_width": 6016},
}
H200_MEASURED = {"fp32": 53.4e12, "tf32": 395.4e12, "fp16": 749e12, "bf16": 777e12}
"""The best of three layouts and sizes on that card."""


def test_an_h200_s_rates_are_those_of_its_data_sheet_and_above_what_was_measured() -> None:
    found = {one.what: one.per_s for one in gpu_theory(SimpleNamespace(**H200))}
    assert found["fp32"] == pytest.approx(67e12, rel=0.01)
    assert found["memory"] == pytest.approx(4.8e12, rel=0.01)
    assert all(found[what] > rate for what, rate in H200_MEASURED.items())
    assert found["memory"] > 4.683e12  # its fill of 2 GiB


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"clock_rate": None}, {"memory"}),  # a torch without it
        ({"major": 99}, {"memory"}),
        ({"memory_clock_rate": 0}, {"fp32", "tf32", "fp16", "bf16"}),
        ({"major": 7, "minor": 5}, {"fp32", "fp16", "memory"}),
        (dict.fromkeys(H200), set()),
    ],
)
def test_what_is_not_known_of_a_gpu_is_left_out(
    changed: dict[str, object], expected: set[str]
) -> None:
    facts = SimpleNamespace(**H200 | changed)
    assert {one.what for one in gpu_theory(facts)} == expected
    assert gpu_theory(SimpleNamespace()) == ()
