"""Every threshold from both sides: a run just beyond it, and one just short of it."""

from dataclasses import replace

import pytest

from depthprof.records import Result
from tests.advice.cases import FLOAT64, IMAGE, TABLE, in_turns, multiplying, trait
from tests.advice.made import CPU_LIMITS, DEPTH_BYTES, Made, judged, of_code, on_cpu

SMALL = {"return": (0, 30_000, 30_000, 0), "preprocess": (0, 0, 0, 0)}


def waiting(sync_us: float, d2h_us: float) -> Result:
    return judged(Made(host_us={"sync": sync_us, "d2h": d2h_us}))


def returning(return_us: float, forward_us: float, **more: object) -> Result:
    made = on_cpu(host_us={"return": return_us, "forward": forward_us}, **more)
    return judged(made, limits=CPU_LIMITS)


def tiny_copy(d2h_us: float) -> Result:
    return judged(Made(device_us={"d2h": d2h_us}, work={"d2h": (0, 40, 40, 1)}))


def given(part: float) -> Result:
    amount = round(DEPTH_BYTES * part)
    return judged(on_cpu(traits=[trait("product_bytes", "return", amount, "B")]))


PAIRS = {
    # code and threshold: just beyond, just short
    "copy_blamed WAIT_RATIO": (waiting(125, 120), waiting(115, 120)),
    "copy_blamed WORTH_NS": (waiting(10.5, 5), waiting(9.5, 5)),
    "carry_over WORTH_RATIO": (in_turns(1.25), in_turns(1.15)),
    "carry_over WORTH_NS": (in_turns(2, preprocess_us=42), in_turns(2, preprocess_us=40)),
    "colour_map_host WORTH_RATIO": (
        judged(Made(host_us={"return": 1_222}, traits=[TABLE], workload=IMAGE)),  # 5.2 %
        judged(Made(host_us={"return": 1_123}, traits=[TABLE], workload=IMAGE)),  # 4.8 %
    ),
    "far_from_limit LINK_RATIO": (
        judged(Made(device_us={"d2h": 175})),  # 29 %
        judged(Made(device_us={"d2h": 166})),  # 31 %
    ),
    "far_from_limit COPY_WORTH_NS": (tiny_copy(10.5), tiny_copy(9.5)),
    "far_from_limit MEMORY_RATIO": (returning(2_100, 20_000), returning(2_000, 20_000)),
    "far_from_limit HOST_WORTH_RATIO": (
        returning(606, 10_000, work=SMALL),  # 5.2 %
        returning(557, 10_000, work=SMALL),  # 4.8 %
    ),
    "float64_host WORTH_BYTES": (
        judged(on_cpu(traits=[replace(FLOAT64, amount=65_536)])),
        judged(on_cpu(traits=[replace(FLOAT64, amount=65_535)])),
    ),
    "slow_products SLOW_RATIO": (multiplying(37e12), multiplying(38e12)),
    "more_bytes_than_needed WORTH_RATIO": (given(1.51), given(1.49)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_rule_speaks_just_beyond_its_threshold_and_not_just_short_of_it(name: str) -> None:
    code = name.split()[0]
    beyond, short = PAIRS[name]
    assert of_code(beyond, code)
    assert not of_code(short, code)
