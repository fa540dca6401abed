"""How a device multiplies: in float32, or in bfloat16 where that is faster; the weights are always float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pose3d_lib.common.errors import InputError

PRECISIONS = ("float32", "bfloat16")


def check_device(device: str) -> None:
    """Rejects "cuda" where PyTorch has no such device."""
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda: this machine has no CUDA device that PyTorch can use; cpu works here")


def fastest_precision(device: str) -> str:
    """The value of `auto`: "bfloat16" if a GPU or an x86-64 processor has instructions for it, otherwise "float32"."""
    if device == "cuda":
        has_instructions = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_instructions = any(_processor().get(name) for name in ("avx512_bf16", "amx_bf16"))
    return "bfloat16" if has_instructions else "float32"


def _processor() -> dict[str, object]:
    """What the processor can do; nothing is known of it before PyTorch 2.13."""
    return torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}


def _permission(precision: str, device: str) -> str:
    """The rounding that float32 products may have, as PyTorch's settings name it."""
    if device == "cuda":
        return "tf32" if precision == "bfloat16" else "ieee"
    processor = _processor()
    return "bf16" if processor.get("architecture") == "x86_64" and not processor.get("amx_tile") else "ieee"


@contextmanager
def arithmetic(precision: str, device: str) -> Iterator[None]:
    """Computes matrix products within in this precision, one of PRECISIONS, on "cpu" or "cuda"; of the whole process.

    On a CPU, PyTorch uses oneDNN, which outran MKL where both were measured, for products that may be rounded to bfloat16, and on
    x86-64 oneDNN rounds only if there are matrix units (AMX). So without them the permission gives speed and costs no digit.
    (PyTorch before 2.9 has no such setting.)

    With "bfloat16", the products between hidden layers and the passes between them are bfloat16 (PyTorch's autocast). All else,
    such as the first and the last product, whose numbers are coordinates, is float32; on a GPU these two may be TF32.
    """
    backend = getattr(torch.backends.cuda if device == "cuda" else torch.backends.mkldnn, "matmul", None)
    before = getattr(backend, "fp32_precision", None)
    try:
        if before is not None:
            backend.fp32_precision = _permission(precision, device)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False):
            yield
    finally:
        if before is not None:
            backend.fp32_precision = before
