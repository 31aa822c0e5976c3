"""`doctor --timing`: which side the clocks are checked on."""

from argparse import Namespace

from depthprof.pipelines.registry import check_variant
from depthprof.profiling import client
from depthprof.records import Timing, Workload
from depthprof.runner import SidePlan
from depthprof.runner.plan import split_side

SLOW_INPUT_PIXELS = 98
"""Input size on a CPU unless the side names one: a full one would take minutes."""


def checked_timing(arguments: Namespace) -> Timing:
    """Hold our clocks against torch.profiler's on the side and device that were asked for.

    Raises:
        DepthprofError: an unknown side or device, or the side failed.
    """
    from depthprof.pipelines.device import resolve_device  # late: it loads torch

    variant, options = split_side(arguments.timing)
    check_variant(variant)
    workload = resolve_device(Workload(**{"device": arguments.device, **options}))
    if workload.device == "cpu" and "input_size" not in options:
        workload = workload.changed(input_size=SLOW_INPUT_PIXELS)
    return client.check_timing(SidePlan("a", arguments.timing, variant, workload))


def was_checked(found: Timing) -> bool:
    """Whether the device's clock was checked, where the device has one."""
    return found.device == "cpu" or any(stage.clock == "device" for stage in found.stages)
