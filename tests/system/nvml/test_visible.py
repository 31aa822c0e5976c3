"""Which card is meant: CUDA_VISIBLE_DEVICES as CUDA reads it, over cards that NVML lists."""

import os
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from depthprof.errors import BadInput
from depthprof.pipelines import device as devices
from depthprof.pipelines.device import auto_note, resolve_device
from depthprof.records import Workload
from depthprof.system.doctor import Finding, examine
from depthprof.system.nvml import (
    GpuAddress,
    NotVisible,
    NvmlAbsent,
    located,
    visible,
    visible_address,
)
from depthprof.system.nvml.visible import listed

A, B, C = (f"GPU-{letter * 8}-1111-2222-3333-444455556666" for letter in "abc")
SLICE = "MIG-77777777-1111-2222-3333-444455556666"


class Cards:
    """NVML with some cards, in nvidia-smi's order."""

    NVMLError = pynvml.NVMLError

    def __init__(self, *uuids: str, names: tuple[str, ...] = (), slices: tuple[str, ...] = ()):
        self._uuids = uuids
        self._names = names or ("NVIDIA H200",) * len(uuids)
        self._slices = slices

    def nvmlInit(self) -> None: ...  # noqa: N802
    def nvmlShutdown(self) -> None: ...  # noqa: N802

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self._uuids)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any:  # noqa: N802
        if uuid in self._slices:
            return uuid
        if uuid in self._uuids:
            return self._uuids.index(uuid)
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetUUID(self, handle: Any) -> Any:  # noqa: N802
        return self._uuids[handle].encode() if isinstance(handle, int) else handle

    def nvmlDeviceGetName(self, handle: Any) -> str:  # noqa: N802
        return self._names[handle] if isinstance(handle, int) else "a slice"

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml"):
            raise AttributeError(name)

        def refuse(*_: Any) -> Any:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

        return refuse


def shown(value: str | None, device: str = "cuda", cards: Any = None, **more: str) -> GpuAddress:
    environ = more if value is None else {"CUDA_VISIBLE_DEVICES": value, **more}
    return visible_address(cards or Cards(A, B), device, environ)


@pytest.mark.parametrize(
    ("value", "device", "uuid"),
    [
        (None, "auto", A),
        (None, "cuda:1", B),
        ("1", "cuda", B),
        ("1,0", "cuda:1", A),
        (" 1 , 0 ", "cuda:1", A),
        ("0,7,1", "cuda:0", A),  # what stands before the first that is none
        ("0,-1,1", "cuda:0", A),
        ("1gpu,0", "cuda:0", B),  # read as strtoul reads
        ("+1", "cuda", B),
        (f"{B},{A}", "cuda:1", A),
        ("GPU-b", "cuda", B),  # shortened
        (f"{A},GPU-c", "cuda:0", A),
        (f"1,{A}", "cuda", B),
    ],
)
def test_the_card_that_cuda_would_take(value: str | None, device: str, uuid: str) -> None:
    assert shown(value, device).uuid == uuid


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("7", "CUDA_VISIBLE_DEVICES=7 names none of the 2 cards"),
        ("7,0", "names none of the 2 cards"),
        ("2", "names none of the 2 cards"),
        ("", "CUDA_VISIBLE_DEVICES= hides the 2 cards"),
        (" ", "hides the 2 cards"),
        ("-1", "CUDA_VISIBLE_DEVICES=-1 hides the 2 cards"),
        ("-1,0", "names none of the 2 cards"),
        ("0,0", "names a card twice, so CUDA shows none"),
        (f"{A},{A}", "names a card twice"),
        (f"{A},GPU-aaaa", "names none"),  # twice by two beginnings
        ("all", "names none"),
        ("none", "names none"),
        ("GPU-", "names none"),  # more than one begins so
        (C, "names none"),
        (A.removeprefix("GPU-"), "names none"),
        (SLICE, "names none"),
        (",0", "names none"),
        ("-", "names none"),
    ],
)
def test_no_card_is_visible_and_it_is_said_why(value: str, said: str) -> None:
    with pytest.raises(NotVisible, match=r"^no card is visible: ") as caught:
        shown(value)
    assert said in str(caught.value)
    assert caught.value.is_meant == (value.strip() in ("", "-1"))


@pytest.mark.parametrize(
    ("value", "device", "said"),
    [
        ("1", "cuda:1", "there is no cuda:1: 1 card is visible of 2 (CUDA_VISIBLE_DEVICES=1)"),
        ("0,7,1", "cuda:1", "1 card is visible of 2 (CUDA_VISIBLE_DEVICES=0,7,1)"),
        ("0,1", "cuda:2", "2 cards are visible of 2"),
        (None, "cuda:2", "there is no cuda:2: 2 cards are here"),
    ],
)
def test_a_number_beyond_the_visible_cards_is_no_card(
    value: str | None, device: str, said: str
) -> None:
    with pytest.raises(NotVisible) as caught:
        shown(value, device)
    assert said in str(caught.value)


def test_one_card_is_told_as_one() -> None:
    with pytest.raises(NotVisible, match="=7 does not name the one card"):
        shown("7", cards=Cards(A))


def test_a_slice_is_taken_by_its_uuid_if_nvml_has_it() -> None:
    cards = Cards(A, slices=(SLICE,))
    assert shown(SLICE, cards=cards) == GpuAddress(uuid=SLICE)
    old = "MIG-GPU-aaaaaaaa-1111-2222-3333-444455556666/1/0"
    assert shown(old, cards=Cards(A, slices=(old,))) == GpuAddress(uuid=old)
    with pytest.raises(NotVisible, match="no cuda:1"):
        shown(f"{SLICE},MIG-none", "cuda:1", cards)


@pytest.mark.parametrize("given_to", ["void", "none", ""])
def test_a_container_that_was_given_no_card_is_told_so(given_to: str) -> None:
    with pytest.raises(NotVisible, match=f"NVIDIA_VISIBLE_DEVICES={given_to} gives") as caught:
        shown(None, cards=Cards(), NVIDIA_VISIBLE_DEVICES=given_to)
    assert caught.value.is_meant
    with pytest.raises(NotVisible, match=r"^no NVIDIA card is here$"):
        shown("0", cards=Cards(), NVIDIA_VISIBLE_DEVICES="all")


@pytest.mark.parametrize(("code", "is_told"), [(9, True), (12, True), (4, False), (18, False)])
def test_a_container_without_a_driver_is_told_so(
    code: int, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise pynvml.NVMLError(code)

    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "void")
    with pytest.raises(NvmlAbsent) as caught:
        located("cuda", SimpleNamespace(NVMLError=pynvml.NVMLError, nvmlInit=refuse))
    assert ("=void gives this container none" in str(caught.value)) == is_told


# --- the order in which CUDA counts -----------------------------------------------------------

UNLIKE = ("NVIDIA T400", "NVIDIA H200")


@pytest.fixture
def by_torch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """torch counts the faster card, NVML's second, as its first."""
    asked: list[str] = []

    def told(device: str, *_: Any) -> GpuAddress:
        asked.append(device)
        return GpuAddress(uuid=B, pci="00000000:3B:00.0", index=0)

    monkeypatch.setattr(visible, "torch_address", told)
    return asked


@pytest.mark.parametrize("value", [None, "0", "0,1"])
def test_among_unlike_cards_torch_says_which_is_first(
    value: str | None, by_torch: list[str]
) -> None:
    assert shown(value, cards=Cards(A, B, names=UNLIKE)).uuid == B
    assert by_torch == ["cuda"]


@pytest.mark.parametrize(
    ("value", "cards", "more"),
    [
        (None, Cards(A, B, names=UNLIKE), {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        ("GPU-aaaa", Cards(A, B, names=UNLIKE), {}),
        ("0", Cards(A, B), {}),
        ("0", Cards(A, names=UNLIKE[:1]), {}),
    ],
)
def test_torch_is_not_asked_where_the_order_is_known(
    value: str | None, cards: Cards, more: dict[str, str], by_torch: list[str]
) -> None:
    assert shown(value, cards=cards, **more).uuid == A
    assert by_torch == []


def test_without_torch_s_word_the_number_is_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_cuda(*_: Any) -> GpuAddress:
        raise AssertionError("Torch not compiled with CUDA enabled")

    monkeypatch.setattr(visible, "torch_address", no_cuda)
    assert shown("1", cards=Cards(A, B, names=UNLIKE)) == GpuAddress(index=1)


def test_a_bare_prefix_names_no_card_even_where_there_is_one() -> None:
    """Seen on an H200: CUDA 13.0 shows no card for "GPU-"."""
    with pytest.raises(NotVisible, match="does not name the one card"):
        shown("GPU-", cards=Cards(A))


# --- against torch's own reading --------------------------------------------------------------

parse = getattr(torch.cuda, "_parse_visible_devices", None)
NUMBERS = ("0", "1", "2", "-1", " 1", "1 ", "+1", "01", "1x", "x", "", "9999999999", "1.5", "0x1")
WORDS = st.sampled_from((*NUMBERS, A, B, "GPU-a", "GPU-", "MIG-1", SLICE, "GPU", "all"))


@pytest.mark.skipif(parse is None, reason="this torch reads the variable elsewhere")
@given(st.lists(WORDS, max_size=4))
def test_the_variable_is_read_as_torch_reads_it(words: list[str]) -> None:
    value = ",".join(words)
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = value
    try:
        assert parse is not None
        assert listed(value) == parse()
    finally:
        os.environ.pop("CUDA_VISIBLE_DEVICES")
        if before is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


# --- who asks ---------------------------------------------------------------------------------


def doctor_says(device: str, tmp_path: Any, cards: Any) -> Finding:
    found = {finding.name: finding for finding in examine(device, 0.001, tmp_path, cards)}
    return found["GPU"]


@pytest.mark.parametrize(
    ("value", "device", "status", "said"),
    [
        ("7", "cuda", "warning", "=7 names none of the 2 cards"),
        ("7", "auto", "warning", "=7 names none of the 2 cards"),
        ("", "auto", "ok", "hides the 2 cards; only the CPU"),
        ("-1", "cuda", "warning", "hides the 2 cards"),
        ("0", "cuda:1", "warning", "there is no cuda:1"),
        ("1", "cuda", "ok", "the second"),
    ],
)
def test_the_doctor_describes_the_card_that_is_used_or_none(
    value: str,
    device: str,
    status: str,
    said: str,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    found = doctor_says(device, tmp_path, Cards(A, B, names=("the first", "the second")))
    assert found.status == status
    assert said in found.what
    assert "nvidia-smi` works" not in found.advice


def test_a_device_that_cuda_hides_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(devices, "located", lambda wanted: located(wanted, Cards(A, B)))
    with pytest.raises(BadInput, match="=7 names none of the 2 cards; use --device cpu or auto"):
        resolve_device(Workload(device="cuda"))
    assert auto_note("auto", "cpu") == (
        "device auto is the CPU here: no card is visible:"
        " CUDA_VISIBLE_DEVICES=7 names none of the 2 cards"
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(BadInput, match=r"there are: cuda:0 \(CUDA_VISIBLE_DEVICES=1\)"):
        resolve_device(Workload(device="cuda:1"))


@pytest.mark.parametrize(
    ("value", "asked", "resolved"),
    [("7", "cpu", "cpu"), ("", "auto", "cpu"), ("-1", "auto", "cpu"), (None, "auto", "cpu")],
)
def test_a_cpu_that_was_meant_has_no_note(
    value: str | None, asked: str, resolved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if value is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    monkeypatch.setattr(devices, "located", lambda wanted: located(wanted, Cards(A, B)))
    assert auto_note(asked, resolved) is None


def test_a_machine_without_a_driver_has_its_own_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)

    broken = SimpleNamespace(NVMLError=pynvml.NVMLError, nvmlInit=refuse)
    with pytest.raises(NvmlAbsent, match="unlike versions"):
        located("cuda", broken)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(devices, "located", lambda wanted: located(wanted, broken))
    with pytest.raises(BadInput, match=r"no usable GPU \(NVML does not answer: .*reboot"):
        resolve_device(Workload(device="cuda"))
