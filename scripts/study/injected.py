"""The real V2 pipeline under names of the study: as it is, as a placebo, slowed in one stage.

`scripts.study.injected:forward_busy_5` is V2 with busy work of 5 % in forward; `aa` is V2 as it
is, `placebo` differs in padding and name alone; `shuffled_` before any of them shuffles the heap.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from depthprof.pipelines.contract import Renamed, padding
from depthprof.pipelines.pictures.loading import load_pictures
from depthprof.pipelines.registry import load_pipeline
from depthprof.records import Workload
from scripts.study.injection import Injection, Slowed

SHUFFLED = "shuffled_"
_kept: list[bytearray] = []


def __getattr__(name: str) -> Callable[[Workload], Any]:
    shuffled = name.startswith(SHUFFLED)
    wanted = name.removeprefix(SHUFFLED)
    if wanted not in ("aa", "placebo") and wanted.count("_") != 2:
        raise AttributeError(name)

    def make(workload: Workload) -> Any:
        if shuffled:
            random = Random()
            _kept.extend(bytearray(random.randrange(1, 300_000)) for _ in range(50))
        before = padding() if wanted == "placebo" else bytearray()
        pipeline = load_pipeline("v2", workload)
        if wanted in ("aa", "placebo"):
            return Renamed(pipeline, before)
        picture = load_pictures(None, keeps_aspect=not workload.square).pictures[0][0]
        import torch  # late: the other modules do without it

        with torch.no_grad():
            return Slowed(pipeline, Injection.named(wanted.replace("_", "-")), picture)

    return make
