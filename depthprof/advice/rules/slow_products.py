"""Matrix products that torch runs by a kernel slower than others on this CPU."""

from collections.abc import Iterator

from depthprof.advice.bounds import limits_hold_for
from depthprof.advice.facts import Facts, SideFacts, figures, gained
from depthprof.records import Finding, Limits, MatrixRate
from depthprof.units import NS_PER_S, duration, percent, rate

CODE = "slow_products"
ORDER = 39

OWN_KERNEL = "torch.mm"
"""What torch multiplies with, on a CPU mostly by MKL."""

SLOW_RATIO = 0.75
"""Kernels of one processor differ by a tenth, and by more while other processes run."""

NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}

REMEDY = (
    "run the network through the faster kernel; torch.utils.mkldnn.to_mkldnn has linear layers"
    " multiplied by oneDNN, and so do OpenVINO and other runtimes that bring their own kernels;"
    " measure which pays, and first check with limits --fresh while nothing else runs"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """On a CPU, torch's own product reaches under 75 % of the fastest kernel's rate.

    Both were measured on this machine, on as many threads (docs/limits.md, `kernels`). That no
    disturbed measurement speaks, the forward itself must have gone no faster than that. The gain is
    what the products of forward take longer at the one rate than at the other.
    """
    for side in facts.sides:
        rates = _rates(facts.limits, side)
        work, took_ns = side.work("forward"), side.judged_ns.get("forward", 0.0)
        if rates is None or work is None or not took_ns > 0:
            continue
        own, fastest = rates
        reached = work.flops / took_ns * NS_PER_S
        if max(own.flops_per_s, reached) >= SLOW_RATIO * fastest.flops_per_s:
            continue
        products = work.flops - work.convolution_flops
        saved_s = products / own.flops_per_s - products / fastest.flops_per_s
        yield Finding(
            CODE,
            side.name,
            "forward",
            f"torch's {NAMES[own.dtype]} products run at"
            f" {percent(own.flops_per_s / fastest.flops_per_s)} of what this CPU does",
            figures(
                (own.kernel, rate(own.flops_per_s, "FLOP")),
                (fastest.kernel, rate(fastest.flops_per_s, "FLOP")),
                *_theory(facts.limits, own.dtype),
                ("forward, measured", f"{duration(took_ns)}, {rate(reached, 'FLOP')}"),
            ),
            gained(min(saved_s * NS_PER_S, side.above_floor_ns("forward") or 0.0)),
            REMEDY,
        )


def _rates(limits: Limits | None, side: SideFacts) -> tuple[MatrixRate, MatrixRate] | None:
    """Torch's kernel and the fastest one, for the side's dtype on its threads of this CPU."""
    if limits is None or limits.device != "cpu" or not limits_hold_for(limits, side.side):
        return None
    known = [one for one in limits.kernels if one.dtype == side.side.workload.dtype]
    own = next((one for one in known if one.kernel == OWN_KERNEL), None)
    return None if own is None else (own, max(known, key=lambda one: one.flops_per_s))


def _theory(limits: Limits | None, dtype: str) -> tuple[tuple[str, str], ...]:
    theory = limits.theoretical_per_s(dtype) if limits else None
    return () if theory is None else (("theoretical rate", rate(theory, "FLOP")),)
