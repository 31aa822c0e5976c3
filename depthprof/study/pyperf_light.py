"""One stage of the light pipeline as a pyperf benchmark: `python -m depthprof.study.pyperf_light`.

Run by the study, with pyperf's own defaults; `--stage` says which stage.
"""

from typing import Any

import numpy as np

from depthprof.study.injection import METHODS
from depthprof.study.light import Light


def stage_call(stage: str) -> tuple[Any, Any]:
    """Return a stage of the light pipeline and the value it takes."""
    light = Light()
    value: Any = [np.random.default_rng(1).integers(0, 255, (600, 512, 3), dtype=np.uint8)]
    for name, method in METHODS.items():
        if name == stage:
            return getattr(light, method), value
        value = getattr(light, method)(value)
    raise ValueError(f"no such stage: {stage!r}")


def main() -> None:
    """Hand one stage to pyperf's runner; its options are pyperf's."""
    import pyperf

    runner = pyperf.Runner(add_cmdline_args=lambda cmd, args: cmd.extend(["--stage", args.stage]))
    runner.argparser.add_argument("--stage", default="forward", choices=tuple(METHODS))
    chosen = runner.parse_args()
    call, value = stage_call(chosen.stage)
    runner.bench_func(chosen.stage, call, value)


if __name__ == "__main__":
    main()
