"""What separate iterations of a side showed: its work, memory and traits; parts and kernels."""

from dataclasses import dataclass

from depthprof.units import keep_shown


@dataclass(frozen=True, slots=True)
class StageWork:
    """What a stage has to do, counted and not timed.

    Attributes:
        stage: its name.
        flops: floating-point operations by torch's counter (a multiply-add is two); matrix
            products, convolutions and attention only, 0 where the stage has none.
        read_bytes: what the stage is given, and the weights it needs, each once.
        written_bytes: what it hands on.
        ops: calls into torch's operators, each at least one kernel on a GPU.
        convolution_flops: the part of `flops` that is convolutions, which on a GPU may use TF32
            where float32 products may not.
    """

    stage: str
    flops: int
    read_bytes: int
    written_bytes: int
    ops: int
    convolution_flops: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """Peaks of one iteration of one side, in bytes; None where the system does not report them.

    Attributes:
        host_peak_bytes: resident memory of the process, in which both sides may be loaded.
        weights_bytes: parameters and buffers of this side.
        device_allocated_bytes, device_reserved_bytes: torch.cuda.max_memory_allocated and
            max_memory_reserved without the tensors of the other side; None on a CPU.
    """

    host_peak_bytes: int | None
    weights_bytes: int | None
    device_allocated_bytes: int | None = None
    device_reserved_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Trait:
    """One fact about how a stage does its work, such as a copy through pageable memory.

    Attributes:
        code: which fact; `docs/findings.md` lists them.
        stage: where it was seen.
        amount: its size, in `unit` ("B", "calls", ...).
        where: what did it: "file.py:12", a tensor's dtype, an operator's name.
    """

    code: str
    stage: str
    amount: int
    unit: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen of a side after the timed iterations."""

    work: tuple[StageWork, ...]
    memory: Memory
    traits: tuple[Trait, ...] = ()

    def work_of(self, stage: str) -> StageWork | None:
        """The work of a stage, None where nothing is known."""
        return next((work for work in self.work if work.stage == stage), None)

    def trait(self, code: str, stage: str | None = None) -> Trait | None:
        """The first trait of a code (and stage), None if it was not seen."""
        return next(
            (one for one in self.traits if one.code == code and stage in (None, one.stage)), None
        )


@dataclass(frozen=True, slots=True)
class PartTime:
    """One part of the network: a module that is called by itself in forward.

    Attributes:
        name: its path in the network, such as "pretrained.blocks.3".
        group: what it counts to: "patch embedding", "blocks", "norm", "head", or the direct child
            of a network of the user's own.
        median_ns: median time an iteration, all its calls together.
        calls: calls an iteration.
    """

    name: str
    group: str
    median_ns: float
    calls: int


@dataclass(frozen=True, slots=True)
class OpTime:
    """One kernel, copy or operator, summed up over the iterations of one stage.

    Attributes:
        name: as torch.profiler calls it.
        stage: in which it was launched; empty where that is not known.
        kind: "kernel", "copy" or "set" by the device's clock, "op" by the host's.
        self_ns: time an iteration, of an op without the ops that it called.
        calls: calls an iteration.
    """

    name: str
    stage: str
    kind: str
    self_ns: float
    calls: float


@dataclass(frozen=True, slots=True)
class Drilled:
    """What `profile --modules` and `profile --trace` found, in iterations of their own.

    Attributes:
        iterations: traced ones; the parts were timed in as many others.
        clock: "device" where CUDA events timed the parts, "host" elsewhere.
        forward_ns: median of forward in the iterations that timed the parts; None without parts.
        whole_ns: time of an iteration that `ops` are shares of: between its first and last mark.
        parts: in the order first called. ops: the dearest first.
        apart_ns: by how much the profiler's clock and ours may be apart after alignment.
        note: a sentence on what could not be found, or "".
        trace: name of the trace file, None where none was asked for.
    """

    iterations: int
    clock: str
    forward_ns: float | None
    whole_ns: float
    parts: tuple[PartTime, ...]
    ops: tuple[OpTime, ...]
    apart_ns: float
    note: str = ""
    trace: str | None = None

    def __post_init__(self) -> None:
        keep_shown(self, "trace")

    @property
    def between_ns(self) -> float | None:
        """Time of forward in none of the parts."""
        if self.forward_ns is None:
            return None
        return self.forward_ns - sum(part.median_ns for part in self.parts)


@dataclass(frozen=True, slots=True)
class StageTiming:
    """Our span of one stage beside torch.profiler's of the same iterations; medians.

    Attributes:
        stage: its name, or "total".
        clock: "device" or "host".
        ours_ns: between our marks.
        theirs_ns: on the device, between the same marks as the profiler's time stamps place them;
            on the host, the profiler's range around the stage.
        difference_ns: median of ours less theirs; on the host that is what the range costs.
        agrees: on the device, whether the difference is within 2 % or 5 us; on the host, whether
            the range lies inside our span and costs no more than 2 % or 100 us.
        work_ns: from the first start to the last end of its kernels and copies; None on the host.
        busy_ns: time in which one of them ran. works: how many there were.
        work_agrees: whether ours is within 2 % or 5 us of `work_ns`; where not, the device waited
            for the host inside the stage.
    """

    stage: str
    clock: str
    ours_ns: float
    theirs_ns: float
    difference_ns: float
    agrees: bool
    work_ns: float | None = None
    busy_ns: float | None = None
    works: int | None = None
    work_agrees: bool | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Whether our clocks agree with torch.profiler's on one machine.

    Attributes:
        device: resolved. device_name: of the GPU or CPU. iterations: compared.
        stages: the device's first where it has a clock.
        range_ns: what a profiler's range costs the host: the median over stages.
        apart_ns: half the width in which the offset of the two host clocks lies; negative where
            no offset fits all ranges.
        adds_up: whether the host spans of every iteration add up to it exactly, in order.
        note: a sentence on what could not be checked, or "".
    """

    device: str
    device_name: str
    iterations: int
    stages: tuple[StageTiming, ...]
    range_ns: float
    apart_ns: float
    adds_up: bool
    note: str = ""

    @property
    def agrees(self) -> bool:
        """Whether everything that could be checked agrees."""
        return self.adds_up and all(stage.agrees for stage in self.stages)
