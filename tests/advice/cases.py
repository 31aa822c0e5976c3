"""For every rule a run in which it holds, and runs in which it just does not."""

from dataclasses import dataclass, replace

import numpy as np

from depthprof.records import (
    BlockConditions,
    Limits,
    MatrixRate,
    Policy,
    Result,
    Run,
    TheoreticalRate,
    Trait,
)
from tests.advice.made import CPU_LIMITS, DEPTH_BYTES, Made, judged, on_cpu
from tests.records.gpu import telemetry


@dataclass(frozen=True)
class Case:
    """Where a rule holds (loud), which stage it names, and where it must be silent."""

    loud: Result
    stage: str | None
    silent: tuple[Result, ...]


def trait(code: str, stage: str, amount: int = 1, unit: str = "calls", where: str = "") -> Trait:
    return Trait(code, stage, amount, unit, where)


PAGEABLE = trait("pageable_copy", "d2h", DEPTH_BYTES, "B")
FLOAT64 = trait("float64_host", "preprocess", 7_372_800, "B", "preprocess.py:39")
COLOURS = trait("colour_map_host", "return", where="matplotlib.colors")
TABLE = trait("colour_map_host", "return", where="cv2.applyColorMap")
IMAGE = {"product": "image"}
WRITTEN_OUT = trait("published_attention", "forward", 12)
FUSED = trait("sdpa_attention", "forward", 12)
ON_GPU = trait("weights_on", "forward", where="cuda")


def conditions(*throttled: int) -> BlockConditions:
    count = len(throttled)
    columns = {name: np.full(count, -1) for name in BlockConditions.__dataclass_fields__}
    columns |= {"launch": np.zeros(count, int), "block": np.arange(count)}
    return BlockConditions(**{**columns, "throttled": np.asarray(throttled)})


def readings(*reasons: int) -> Result:
    return judged(Made(), telemetry=telemetry(len(reasons), throttle_reasons=list(reasons)))


def in_turns(after_b: float, launches: int = 6, preprocess_us: float = 1_000) -> Result:
    """A B, B A, A B: every side follows either; after b preprocess takes `after_b` times as long.

    Both sides begin a launch with a block of warm-up, as they do.
    """
    from depthprof.verdict.decision import judge

    side = Made(host_us={"preprocess": preprocess_us})
    made = judged(side, side, launches=1)
    places, rows = [], []
    order = [0, 1, 1, 0] * 6
    for launch in range(launches):
        for block, side in enumerate(order):
            before = order[block - 1] if block else 0
            host = made.run.samples.host_ns[side].copy()
            own = 1.5 if side else 1.0  # b's preprocess is slower by itself, which must not count
            host[0] = host[0] * own * (after_b if before else 1.0)
            places.append((launch, (block - 1) // 2 if block else -1, block, side, 0))
            rows.append(host)
    return judge(in_place(made.run, places, rows), Policy())


def in_place(run: Run, places: list[tuple[int, ...]], rows: list[np.ndarray]) -> Run:
    columns = np.asarray(places).T
    known = run.samples.device_ns
    assert known is not None
    samples = replace(
        run.samples,
        **dict(zip(("launch", "turn", "block", "side", "start_ns"), columns, strict=True)),
        host_ns=np.stack(rows),
        device_ns=np.tile(known[:1], (len(rows), 1)),
    )
    return replace(run, samples=samples)


def kernels(torch_flops_per_s: float) -> Limits:
    """Limits of a CPU on which oneDNN multiplies at 50 TFLOP/s."""
    known = (
        MatrixRate("fp32", torch_flops_per_s, "torch.mm"),
        MatrixRate("fp32", 50e12, "torch mkldnn_linear"),
        MatrixRate("fp32", 30e12, "numpy.matmul"),
    )
    return replace(
        CPU_LIMITS, kernels=known, theoretical=(TheoreticalRate("fp32", 60e12, "made up"),)
    )


def multiplying(torch_flops_per_s: float, forward_us: float = 60_000) -> Result:
    side = on_cpu(host_us={"forward": forward_us})
    return judged(side, limits=kernels(torch_flops_per_s))


CASES = {
    "pageable_copy": Case(
        judged(Made(device_us={"d2h": 1_700}, traits=[PAGEABLE])),
        "d2h",
        (judged(Made(device_us={"d2h": 1_700})), judged(on_cpu(traits=[PAGEABLE]))),
    ),
    "copy_blamed": Case(
        judged(Made()),
        "d2h",
        (
            judged(Made(host_us={"sync": 9})),
            judged(Made(host_us={"sync": 100, "d2h": 120})),
            judged(on_cpu(host_us={"sync": 20_000})),
        ),
    ),
    "launch_bound": Case(
        judged(Made(host_us={"forward": 16_000})),
        "forward",
        (judged(Made(host_us={"forward": 15_900})), judged(on_cpu())),
    ),
    "transfer_bound": Case(
        judged(Made(device_us={"d2h": 20_100})),
        "d2h",
        (judged(Made(device_us={"d2h": 19_900})), judged(on_cpu(host_us={"d2h": 90_000}))),
    ),
    "batch_too_small": Case(
        judged(Made(host_us={"sync": 22_950})),  # busy for 79.5 %
        None,
        (judged(Made(host_us={"sync": 22_430})), judged(on_cpu(host_us={"sync": 24_000}))),
    ),
    "host_bound_loop": Case(
        judged(Made(host_us={"return": 21_000})),
        "return",
        (judged(Made(host_us={"return": 20_000})), judged(on_cpu(host_us={"return": 99_000}))),
    ),
    "float64_host": Case(
        judged(on_cpu(traits=[FLOAT64])),
        "preprocess",
        (
            judged(on_cpu()),
            judged(on_cpu(traits=[replace(FLOAT64, amount=65_535)])),
        ),
    ),
    "colour_map_host": Case(
        judged(on_cpu(traits=[COLOURS], workload=IMAGE)),
        "return",
        (
            judged(on_cpu(traits=[COLOURS])),
            judged(on_cpu(traits=[TABLE], workload=IMAGE)),
            judged(on_cpu(workload=IMAGE)),
        ),
    ),
    "more_bytes_than_needed": Case(
        judged(Made(workload=IMAGE)),
        "d2h",
        (
            judged(Made()),
            judged(on_cpu(workload=IMAGE)),
            judged(
                on_cpu(traits=[trait("product_bytes", "return", DEPTH_BYTES * 149 // 100, "B")])
            ),
        ),
    ),
    "positions_interpolated": Case(
        judged(Made(traits=[trait("positions_interpolated", "forward")])),
        "forward",
        (judged(Made()),),
    ),
    "published_attention": Case(
        judged(Made(traits=[WRITTEN_OUT])),
        "forward",
        (
            judged(Made(traits=[FUSED])),
            judged(Made(traits=[WRITTEN_OUT, FUSED])),
            judged(Made(traits=[WRITTEN_OUT]), Made(traits=[FUSED])),  # measured: not faster
        ),
    ),
    "throttled": Case(
        readings(0x20, *[0] * 19),
        None,
        (
            readings(0, 0x04, 0x04, 0x01),
            readings(*[0] * 20, 0x40),
            readings(-1, -1),
            judged(Made(), conditions=conditions(0, 0)),
        ),
    ),
    "unlike_threads": Case(
        judged(Made(threads=1), Made(threads=4)),
        None,
        (judged(Made(), Made()), judged(Made())),
    ),
    "devices_differ": Case(
        judged(Made(traits=[ON_GPU, trait("input_on", "forward", where="cpu")])),
        "forward",
        (
            judged(Made(traits=[ON_GPU, trait("input_on", "forward", where="cuda:0")])),
            judged(Made(traits=[ON_GPU])),
        ),
    ),
    "far_from_limit": Case(
        judged(Made(device_us={"d2h": 1_700})),
        "d2h",
        (
            judged(Made(device_us={"d2h": 165})),  # 31 %
            judged(Made(device_us={"d2h": 1_700}), limits=None),
            judged(Made(device_us={"d2h": 1_700}, work=None)),
            judged(Made(device_us={"d2h": 9}, work={"d2h": (0, 40, 40, 1)})),  # latency
            judged(on_cpu()),
        ),
    ),
    "slow_products": Case(
        multiplying(22e12),
        "forward",
        (
            multiplying(50e12),
            multiplying(22e12, forward_us=10_000),  # forward itself went at 40 TFLOP/s
            judged(on_cpu(), limits=CPU_LIMITS),  # of an earlier depthprof: one kernel
            judged(on_cpu(), limits=replace(kernels(22e12), threads=2)),
            judged(Made(), limits=replace(kernels(22e12), device="cuda:0", threads=4)),
            judged(on_cpu(workload={"dtype": "bf16"}), limits=kernels(22e12)),
        ),
    ),
    "carry_over": Case(
        in_turns(2.0),
        "preprocess",
        (in_turns(1.0), in_turns(1.19), in_turns(2.0, launches=4), judged(Made(), Made())),
    ),
}
