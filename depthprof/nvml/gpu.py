"""One GPU, or one slice of it: its handles, and questions that may go unanswered."""

from collections.abc import Callable, Iterator
from typing import Any

from depthprof.nvml.address import PREFIXES, GpuAddress
from depthprof.nvml.library import FINAL, LOST, NOT_FOUND, NvmlAbsent, in_words, text
from depthprof.records import UNKNOWN

LARGEST = 2**63 - 1


def find_handle(nvml: Any, address: GpuAddress) -> Any:
    """Find the handle of a GPU or of a MIG slice; its index counts only if that is all there is.

    Raises:
        NvmlAbsent: NVML knows no such GPU, or does not let us see it.
    """
    refusals = []
    for ask in _ways(nvml, address):
        try:
            return ask()
        except nvml.NVMLError as error:
            refusals.append(error)
    telling = [error for error in refusals if getattr(error, "value", 0) != NOT_FOUND]
    why = in_words((telling or refusals)[0]) if refusals else "nothing names it"
    name = address.uuid or address.pci or f"number {address.index}"
    raise NvmlAbsent(f"NVML does not show the GPU {name}: {why}")


def _ways(nvml: Any, address: GpuAddress) -> Iterator[Callable[[], Any]]:
    uuid, pci, index = address.uuid, address.pci, address.index
    if uuid is not None:
        bare = uuid[4:] if uuid.startswith(PREFIXES) else uuid
        names = [uuid] if uuid != bare else [prefix + bare for prefix in PREFIXES]
        for name in names:
            yield lambda name=name: nvml.nvmlDeviceGetHandleByUUID(name)  # type: ignore[misc]
        yield lambda: _by_beginning(nvml, bare)
    if pci is not None:
        yield lambda: nvml.nvmlDeviceGetHandleByPciBusId(pci)
    if uuid is None and pci is None and index is not None:
        yield lambda: nvml.nvmlDeviceGetHandleByIndex(index)


def _by_beginning(nvml: Any, beginning: str) -> Any:
    """The one GPU whose UUID begins so: CUDA_VISIBLE_DEVICES takes shortened ones."""
    handles = [nvml.nvmlDeviceGetHandleByIndex(n) for n in range(nvml.nvmlDeviceGetCount())]
    found = [
        handle
        for handle in handles
        if text(nvml.nvmlDeviceGetUUID(handle)).removeprefix("GPU-").startswith(beginning)
    ]
    if len(found) != 1:
        raise nvml.NVMLError(NOT_FOUND)
    return found[0]


class Gpu:
    """A GPU that is asked one question at a time.

    Args:
        nvml: the initialised module, pynvml or a stand-in. address: which GPU.

    Attributes:
        handle: of what was asked for: a GPU, or a MIG slice. whole: of the GPU it belongs to.
        instance: number of the slice's GPU instance, None where there is no slice.
        uuid: NVML's. notes: what is not offered and why, a sentence each, in the order found.

    Raises:
        NvmlAbsent: there is no such GPU.
    """

    def __init__(self, nvml: Any, address: GpuAddress) -> None:
        self.nvml = nvml
        self.handle = find_handle(nvml, address)
        self.whole = self.handle
        self.instance: int | None = None
        self.notes: list[str] = []
        self._final: set[str] = set()
        self._told: set[str] = set()
        self.uuid = address.uuid or address.pci or f"number {address.index}"
        known = self.ask("the UUID", lambda: nvml.nvmlDeviceGetUUID(self.handle))
        if known is not None:
            self.uuid = text(known)
        self._see_slices()

    def ask(self, what: str, question: Callable[[], Any]) -> Any:
        """Ask something; None, and once a note, where it is refused.

        Raises:
            NvmlAbsent: the GPU or the driver is gone, and with it all other answers.
        """
        if what in self._final:
            return None
        try:
            return question()
        except (self.nvml.NVMLError, AttributeError) as error:
            self._refused(what, error)
            return None

    def number(self, what: str, question: Callable[[], Any]) -> int:
        """As `ask`, for a whole number; -1 where there is no answer, or one that means "none"."""
        answer = self.ask(what, question)
        return UNKNOWN if answer is None or not 0 <= int(answer) <= LARGEST else int(answer)

    def clock_reasons(self) -> Any:
        """Why the clocks are as they are, as bits; asked by the older name where need be."""
        nvml = self.nvml
        newer = getattr(nvml, "nvmlDeviceGetCurrentClocksEventReasons", None)
        if newer is not None and "the newer name" not in self._final:
            try:
                return newer(self.whole)
            except nvml.NVMLError as error:
                if getattr(error, "value", 0) not in FINAL:
                    raise
                self._final.add("the newer name")
        return nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self.whole)

    def _refused(self, what: str, error: Exception) -> None:
        code = getattr(error, "value", None)
        if code in LOST:
            raise NvmlAbsent(in_words(error)) from None
        if code in FINAL or isinstance(error, AttributeError):
            self._final.add(what)
        if what not in self._told:
            self._told.add(what)
            self.notes.append(f"NVML does not tell {what}: {in_words(error)}")

    def _see_slices(self) -> None:
        """Find the whole GPU behind a slice, or say that it is sliced."""
        nvml = self.nvml
        if self._is_slice():
            whole = self.ask(
                "which GPU the MIG slice is of",
                lambda: nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self.handle),
            )
            self.whole = self.handle if whole is None else whole
            instance = self.number(
                "the number of the MIG slice",
                lambda: nvml.nvmlDeviceGetGpuInstanceId(self.handle),
            )
            self.instance = None if instance == UNKNOWN else instance
            self.notes.append(
                "the GPU is a MIG slice: memory and processes are the slice's; clocks, power,"
                " energy, heat and throttle reasons are the whole GPU's, its other slices included"
            )
        elif self._has_slices():
            self.notes.append(
                "MIG is on, but it is not known which slice is in use: all readings are of the"
                " whole GPU; name the slice by its UUID in CUDA_VISIBLE_DEVICES"
            )

    def _is_slice(self) -> bool:
        try:
            answer = self.nvml.nvmlDeviceIsMigDeviceHandle(self.handle)
        except (self.nvml.NVMLError, AttributeError):  # older than MIG
            return self.uuid.startswith("MIG-")
        return bool(answer)  # pynvml gives a c_uint, which is true unless it is 0

    def _has_slices(self) -> bool:
        try:
            current, _ = self.nvml.nvmlDeviceGetMigMode(self.handle)
        except (self.nvml.NVMLError, AttributeError):  # a GPU without MIG
            return False
        return bool(current)
