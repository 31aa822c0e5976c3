"""What was measured: every sample, on which machine, of which sides. No verdicts."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from depthprof.records.machine import Limits
from depthprof.records.observed import Observed
from depthprof.records.telemetry import BlockConditions, Interruptions, Telemetry
from depthprof.records.workload import STAGES, Workload
from depthprof.units import keep_shown

RUN_SCHEMA = 6
"""Number of the saved run's layout; a reader refuses a larger one."""

SEGMENTS_SCHEMA = 6
"""From this schema on a run knows its segments."""

WARM_UP_TURN = -1
"""The block number of samples taken while warming up; they are kept but never analysed."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """All samples of a run as columns of length n (10,000 iterations weigh about 1.5 MB).

    Attributes:
        launch: int64 [n], the process (or pair of them) it was taken in.
        turn: int64 [n], the pair it belongs to, counted within the process; -1 is warm-up.
        block: int64 [n], the block of uninterrupted iterations of one side, within the process.
        side: int64 [n], index into `Run.sides`.
        start_ns: int64 [n], host clock at the iteration's first mark; on Linux all processes
            share its zero.
        host_ns: int64 [n, stages], gaps between neighbouring host marks.
        device_ns: int64 [n, stages], gaps between neighbouring device events; -1 where the side's
            device has no clock of its own. None if no side has.
        stages: names of the columns.
        interruptions: what happened to the measuring thread; None where it was not read.
    """

    launch: NDArray[np.int64]
    turn: NDArray[np.int64]
    block: NDArray[np.int64]
    side: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    host_ns: NDArray[np.int64]
    device_ns: NDArray[np.int64] | None = None
    stages: tuple[str, ...] = STAGES
    interruptions: Interruptions | None = None

    def __len__(self) -> int:
        return len(self.side)


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a side's parameters came from: a file (with its SHA-256) or a seed."""

    source: str
    sha256: str | None
    seed: int | None
    parameters: int

    def __post_init__(self) -> None:
        keep_shown(self, "source")


@dataclass(frozen=True, slots=True)
class Picture:
    """One input picture: its name, its height and width in pixels, and how it was converted."""

    name: str
    height: int
    width: int
    note: str = ""

    def __post_init__(self) -> None:
        keep_shown(self, "name", "note")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that looks like a picture, in a folder of pictures, and was not read.

    `why` goes on where the name ends: "is not a picture: the file is empty".
    """

    name: str
    why: str

    def __post_init__(self) -> None:
        keep_shown(self, "name", "why")


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a run, as it really was: resolved device, shapes, weights.

    `name` is "a" (the baseline) or "b" (the candidate); `label` is what people read.
    `input_shapes` are the distinct network inputs, [B, 3, h, w] each. `code_sha256` is of the
    pipeline's source files, None in a run that was saved before they were hashed. `observed` is
    None where it was not recorded: an older run, or one that ended before its time.
    """

    name: str
    label: str
    variant: str
    workload: Workload
    device: str
    device_name: str
    threads: int
    weights: Weights | None
    input_shapes: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...] = ()
    code_sha256: str | None = None
    observed: Observed | None = None

    def __post_init__(self) -> None:
        keep_shown(self, "label", "variant", "notes")


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine and the software of a run. Sizes in bytes; None where there is no such thing."""

    depthprof: str
    python: str
    torch: str
    numpy: str
    opencv: str
    platform: str
    cpu: str
    cpu_cores: int
    memory_bytes: int
    load_1min: float | None = None
    gpu: str | None = None
    driver: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    commit: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of a worker (or of one a side): its memory layout and how its warm-up ended.

    `segments` are the pairs (numbers within the process) at which its segments begin;
    `new_layouts` is whether weights and pictures were moved to fresh memory before each. Runs
    before schema 6 have neither.
    """

    index: int
    padding_bytes: tuple[int, ...]
    setup_s: float
    warm_up_s: float
    warm_up_iterations: tuple[int, ...]
    warm_up_end: str
    iterations_per_block: int
    turns: int
    segments: tuple[int, ...] = ()
    new_layouts: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with a side while measuring; what was measured before stays."""

    side: str | None
    stage: str | None
    launch: int
    code: str
    text: str

    def __post_init__(self) -> None:
        keep_shown(self, "text")


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Everything one `compare` (two sides) or `profile` (one side) measured.

    `ended` says why measuring stopped: "budget", "decided" (what it was measured for), "precise"
    (every median of a profile), "interrupted" or "failed"; "scattered" in runs before schema 6.
    `shared` is whether both sides lived in one worker process. `limits` are those of the machine
    and its device, `telemetry` its readings meanwhile; None in older runs or where not asked.
    `left_out` are the files of its folders of pictures that could not be read.
    """

    created: str
    sides: tuple[Side, ...]
    environment: Environment
    pictures: tuple[Picture, ...]
    launches: tuple[Launch, ...]
    samples: Samples
    budget_s: float
    elapsed_s: float
    ended: str
    shared: bool
    seed: int
    failures: tuple[Failure, ...] = ()
    command: str = ""
    conditions: BlockConditions | None = None
    limits: Limits | None = None
    telemetry: Telemetry | None = None
    left_out: tuple[LeftOut, ...] = ()
    schema: int = field(default=RUN_SCHEMA)

    def __post_init__(self) -> None:
        keep_shown(self, "command")

    @property
    def is_comparison(self) -> bool:
        """Whether there is a candidate beside the baseline."""
        return len(self.sides) == 2

    @property
    def ended_as_planned(self) -> bool:
        """Whether the budget ended it, and nothing that was seen in the figures.

        Runs before schema 6 were analysed by another rule as they grew; they count as planned.
        """
        return self.ended == "budget" or self.schema < SEGMENTS_SCHEMA
