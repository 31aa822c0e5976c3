"""NVML itself: imported late, initialised, and its refusals put into words."""

from importlib import import_module
from typing import Any

NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, INVALID_ARGUMENT = 3, 4, 13, 2
NOT_FOUND = 6

LOST = (1, 9, 15, 16)
"""Errors after which nothing is answered any more: uninitialised, driver gone, GPU lost, or in
need of a reset (nvmlReturn_t)."""

FINAL = (NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, INVALID_ARGUMENT)
"""Errors that a question gets again whenever it is asked, so it is asked no more."""

WORDS = {
    1: "NVML was shut down",
    INVALID_ARGUMENT: "NVML does not take the question",
    NOT_SUPPORTED: "this GPU does not support it",
    NO_PERMISSION: "no permission",
    NOT_FOUND: "NVML knows none of that name",
    9: "the NVIDIA driver is not loaded",
    12: "NVML's library is not on this machine, so there is no NVIDIA driver",
    FUNCTION_NOT_FOUND: "this driver does not know it",
    15: "the GPU is lost",
    16: "the GPU must be reset",
    18: "library and driver are of unlike versions: reboot, or load the driver again",
}


class NvmlAbsent(Exception):
    """NVML, or the GPU in it, cannot be used; the text is a sentence that says why."""


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
    except nvml.NVMLError as error:
        raise NvmlAbsent(f"NVML does not answer: {in_words(error)}") from None
    return nvml


def in_words(error: Exception) -> str:
    """Put an NVMLError into words; an AttributeError is a function the binding does not have."""
    if isinstance(error, AttributeError):
        return "this version of nvidia-ml-py does not know it"
    return WORDS.get(getattr(error, "value", 0), str(error))


def driver_version(nvml: Any = None) -> str | None:
    """Version of the NVIDIA driver, None where NVML does not answer."""
    try:
        nvml = connected(nvml)
    except NvmlAbsent:
        return None
    try:
        return text(nvml.nvmlSystemGetDriverVersion())
    except nvml.NVMLError:
        return None
    finally:
        shut_down(nvml)


def shut_down(nvml: Any) -> None:
    """Leave NVML; a driver that is gone has nothing left to be told."""
    try:
        nvml.nvmlShutdown()
    except nvml.NVMLError:
        return


def text(answer: str | bytes) -> str:
    """Read an answer that older versions of nvidia-ml-py give as bytes."""
    return answer.decode() if isinstance(answer, bytes) else str(answer)
