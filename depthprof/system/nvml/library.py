"""NVML itself: imported late, initialised, and its refusals put into words."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from ctypes import ArgumentError
from importlib import import_module
from threading import Thread
from typing import Any, TypeVar

Found = TypeVar("Found")

NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, INVALID_ARGUMENT = 3, 4, 13, 2
NOT_FOUND, VERSION_MISMATCH = 6, 25

LOST = (1, 9, 15, 16)
"""Errors after which nothing is answered any more: uninitialised, driver gone, GPU lost, or in
need of a reset (nvmlReturn_t)."""

NO_DRIVER = (9, 12)
"""Errors that a container without a card gets too: driver not loaded, library not found."""

FINAL = (NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, INVALID_ARGUMENT, VERSION_MISMATCH)
"""Errors that a question gets again whenever it is asked, so it is asked no more."""

TOO_OLD = "the driver is too old for this"
NO_FUNCTION = "this version of nvidia-ml-py does not have it"

WORDS = {
    1: "NVML was shut down",
    INVALID_ARGUMENT: "NVML does not take the question",
    NOT_SUPPORTED: "not supported on this GPU",
    NO_PERMISSION: "no permission",
    NOT_FOUND: "NVML has no such GPU",
    9: "the NVIDIA driver is not loaded",
    10: "the driver did not answer in time",
    12: "NVML's library is not on this machine, so there is no NVIDIA driver",
    FUNCTION_NOT_FOUND: TOO_OLD,
    14: "the GPU's information ROM is damaged",
    15: "the GPU is lost",
    16: "the GPU must be reset",
    17: "the operating system blocks the GPU (cgroup or permissions of /dev/nvidia*)",
    18: "library and driver are of unlike versions: reboot, or load the driver again",
    21: "the GPU has no data for this",
    VERSION_MISMATCH: "the driver does not take this version of the question",
    28: "there is no GPU",
    999: "NVML failed and gives no reason",
}
"""By nvmlReturn_t; a value that is not here is put in NVML's own words."""

ODD = (AttributeError, TypeError, ValueError, LookupError, OSError, ArgumentError)
"""What the binding itself raises: a function that it lacks, or an answer of another form."""

PATIENCE_S = 10.0
"""A healthy driver answers everything within a second; a lost GPU may let a call hang for good."""


CONTAINER = "NVIDIA_VISIBLE_DEVICES"
NO_CARD_GIVEN = ("", "none", "void")
"""Values of NVIDIA_VISIBLE_DEVICES with which a container gets no card (NVIDIA Container Toolkit,
GPU enumeration)."""


class NvmlAbsent(Exception):
    """NVML, or the GPU in it, cannot be used; the text is a sentence that says why."""


def refusals(nvml: Any) -> tuple[type[Exception], ...]:
    """Whatever a question to NVML may raise: no question ends a run.

    Where the driver lacks what a function is built on, nvidia-ml-py raises an
    NVMLLibraryMismatchError, which is no NVMLError.
    """
    mismatch = getattr(nvml, "NVMLLibraryMismatchError", nvml.NVMLError)
    return (nvml.NVMLError, mismatch, *ODD)


def is_lacking(error: Exception) -> bool:
    """Whether driver or binding lack the function that was called."""
    code = getattr(error, "value", None)
    mismatch = type(error).__name__ == "NVMLLibraryMismatchError"
    return mismatch or code == FUNCTION_NOT_FOUND or isinstance(error, AttributeError)


def is_final(error: Exception) -> bool:
    """Whether the same question is refused whenever it is asked."""
    return is_lacking(error) or getattr(error, "value", None) in FINAL


def connected(nvml: Any = None) -> Any:
    """Import pynvml (unless a stand-in is given) and initialise NVML.

    Returns:
        The module. NVML counts its users: each `connected` wants one `nvmlShutdown`.

    Raises:
        NvmlAbsent: there is no binding, no library, no driver, or no permission.
    """
    if nvml is None:
        try:
            nvml = import_module("pynvml")
        except ImportError:
            raise NvmlAbsent(
                "NVML is not asked: the package nvidia-ml-py is not installed"
            ) from None
    try:
        nvml.nvmlInit()
    except refusals(nvml) as error:
        hint = container_hint(os.environ) if getattr(error, "value", 0) in NO_DRIVER else ""
        raise NvmlAbsent(f"NVML does not answer: {in_words(error)}{hint}") from None
    return nvml


def container_hint(environ: Mapping[str, str]) -> str:
    """What to add where there is no card: that this container was given none, else ""."""
    given = environ.get(CONTAINER, "all")
    return f" ({CONTAINER}={given} gives this container none)" if given in NO_CARD_GIVEN else ""


def in_words(error: Exception) -> str:
    """Say why a question was refused, as short as a note of its own."""
    code = getattr(error, "value", None)
    if code is not None:
        return WORDS.get(code, str(error))
    if isinstance(error, AttributeError):
        return NO_FUNCTION
    if is_lacking(error):
        return TOO_OLD
    return f"its answer cannot be read ({type(error).__name__}: {error})"


def driver_version(nvml: Any = None) -> str | None:
    """Version of the NVIDIA driver, None where NVML does not answer."""
    try:
        nvml = connected(nvml)
    except NvmlAbsent:
        return None
    try:
        return text(nvml.nvmlSystemGetDriverVersion())
    except refusals(nvml):
        return None
    finally:
        shut_down(nvml)


def shut_down(nvml: Any) -> None:
    """Leave NVML, even where the driver is gone."""
    try:
        nvml.nvmlShutdown()
    except refusals(nvml):
        return


def within(limit_s: float, act: Callable[[], Found]) -> Found:
    """Do something that may hang in the driver, and give what it gives.

    Raises:
        NvmlAbsent: no answer within `limit_s`; its thread is left, since no program can end it.
    """
    answer: Future[Found] = Future()

    def work() -> None:
        try:
            answer.set_result(act())
        except (NvmlAbsent, RuntimeError, *ODD) as error:  # raised where the answer is waited for
            answer.set_exception(error)

    Thread(target=work, name="depthprof NVML", daemon=True).start()
    try:
        return answer.result(limit_s)
    except TimeoutError:
        raise NvmlAbsent(f"NVML gave no answer within {limit_s:g} s: the driver hangs") from None


def text(answer: str | bytes) -> str:
    """Read an answer that older versions of nvidia-ml-py give as bytes."""
    return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
