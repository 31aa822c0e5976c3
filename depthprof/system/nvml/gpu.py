"""One GPU, or one slice of it: its handles, and questions that may go unanswered."""

from collections.abc import Callable, Iterator
from typing import Any

from depthprof.system.nvml.library import (
    LOST,
    NOT_FOUND,
    NvmlAbsent,
    in_words,
    is_final,
    is_lacking,
    refusals,
    text,
)
from depthprof.system.nvml.questions import OTHER_NAMES, QUESTIONS, SLICE, SYSTEM
from depthprof.system.nvml.visible import PREFIXES, GpuAddress

LARGEST = 2**63 - 1


def find_handle(nvml: Any, address: GpuAddress) -> Any:
    """Find the handle of a GPU or of a MIG slice; its index counts only if that is all there is.

    Raises:
        NvmlAbsent: NVML knows no such GPU, or does not let us see it.
    """
    refused = []
    for ask in _ways(nvml, address):
        try:
            return ask()
        except refusals(nvml) as error:
            refused.append(error)
    telling = [error for error in refused if getattr(error, "value", 0) != NOT_FOUND]
    why = in_words((telling or refused)[0]) if refused else "nothing names it"
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
    """A GPU that is asked one question at a time; each may be refused, and the reason is kept.

    Args:
        nvml: the initialised module, pynvml or a stand-in. address: which GPU.

    Attributes:
        handle: of what was asked for: a GPU, or a MIG slice. whole: of the GPU it belongs to.
        instance: number of the slice's GPU instance, None where there is no slice.
        uuid: NVML's. reasons: by what was asked, why it was refused.
        notes: what is not offered and why, a sentence each, in the order found.

    Raises:
        NvmlAbsent: there is no such GPU.
    """

    def __init__(self, nvml: Any, address: GpuAddress) -> None:
        self.nvml = nvml
        self.handle = find_handle(nvml, address)
        self.whole = self.handle
        self.instance: int | None = None
        self.notes: list[str] = []
        self.reasons: dict[str, str] = {}
        self._final: set[str] = set()
        self._names: dict[str, tuple[str, ...]] = {}
        self.uuid = address.uuid or address.pci or f"number {address.index}"
        self.uuid = self.answer("uuid") or self.uuid
        self._see_slices()

    def answer(self, name: str) -> Any:
        """Ask one of QUESTIONS; None, and once a note, where it is refused.

        Raises:
            NvmlAbsent: the GPU or the driver is gone, and with it all other answers.
        """
        asked = QUESTIONS[name]
        of = () if asked.of == SYSTEM else (self.handle if asked.of == SLICE else self.whole,)
        found = self.ask(
            asked.what, lambda: asked.read(self.call(asked.function, *of, *asked.arguments))
        )
        if isinstance(found, int) and not 0 <= found <= LARGEST:  # NVML's "not available"
            self.refused(asked.what, "the driver gives no value")
            return None
        return found

    def reason(self, name: str) -> str:
        """Why one of QUESTIONS was refused, "" where it was not."""
        return self.reasons.get(QUESTIONS[name].what, "")

    def ask(self, what: str, question: Callable[[], Any]) -> Any:
        """Ask something that is no single question; refused and raises as `answer`."""
        if what in self._final:
            return None
        try:
            return question()
        except refusals(self.nvml) as error:
            if getattr(error, "value", None) in LOST:
                raise NvmlAbsent(in_words(error)) from None
            if is_final(error):
                self._final.add(what)
            self.refused(what, in_words(error))
            return None

    def refused(self, what: str, why: str) -> None:
        """Keep the reason of an answer that there is not; noted once."""
        if what not in self.reasons:
            self.reasons[what] = why
            self.notes.append(f"NVML does not tell {what}: {why}")

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function, by the first of its names that driver and binding have.

        Raises:
            Exception: of `refusals`, the most telling one.
        """
        errors: list[Exception] = []
        for known in self._names.get(name) or (name, *OTHER_NAMES.get(name, ())):
            try:
                found = getattr(self.nvml, known)(*arguments)
            except refusals(self.nvml) as error:
                if not errors and not is_final(error):
                    raise
                errors.append(error)
            else:
                self._names[name] = (known,)
                return found
        raise next((error for error in errors if not is_lacking(error)), errors[0])

    def _see_slices(self) -> None:
        """Find the whole GPU behind a slice, or say that it is sliced."""
        nvml = self.nvml
        if self._is_slice():
            whole = self.ask(
                "which GPU the MIG slice is of",
                lambda: nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self.handle),
            )
            self.whole = self.handle if whole is None else whole
            self.instance = self.answer("slice")
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
        except refusals(self.nvml):  # older than MIG
            return self.uuid.startswith("MIG-")
        return bool(answer)  # pynvml gives a c_uint, which is true unless it is 0

    def _has_slices(self) -> bool:
        try:
            return bool(self.nvml.nvmlDeviceGetMigMode(self.handle)[0])
        except refusals(self.nvml):  # a GPU without MIG
            return False
