"""How a device multiplies: in float32, or in bfloat16 where that is faster; the weights are float32 in either case."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

PRECISIONS = ("float32", "bfloat16")


def fastest_precision(device: str) -> str:
    """What `auto` stands for: "bfloat16" where a GPU or an x86-64 processor has instructions for it, elsewhere "float32"."""
    if device == "cuda":
        has_instructions = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        processor = torch.cpu.get_capabilities()
        has_instructions = any(processor.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return "bfloat16" if has_instructions else "float32"


def _permission(precision: str, device: str) -> str:
    """What float32 products may be rounded to, as PyTorch's settings name it."""
    if device == "cuda":
        return "tf32" if precision == "bfloat16" else "ieee"
    processor = torch.cpu.get_capabilities()
    return "bf16" if processor.get("architecture") == "x86_64" and not processor.get("amx_tile") else "ieee"


@contextmanager
def arithmetic(precision: str, device: str) -> Iterator[None]:
    """Everything that is computed within multiplies matrices in this precision; PyTorch's settings return afterwards.

    They are settings of the whole process: two threads cannot compute in different precisions at a time.

    On a CPU, PyTorch leaves float32 products to MKL, which oneDNN outran on the AMD processor where both were measured.
    PyTorch asks oneDNN for them where they may be rounded to bfloat16, and on x86-64 oneDNN does round only where there are
    matrix units (AMX). So elsewhere the permission buys speed and costs no digit.

    With "bfloat16", products between hidden layers take and give bfloat16 (PyTorch's autocast) and so do the passes over
    what lies between them; sums within a product, the statistics of the batch norms, the first and the last product, whose
    numbers are coordinates, the loss and the weights are float32. On a GPU those two products may be rounded to TF32.

    Args:
        precision: one of PRECISIONS.
        device: "cpu" or "cuda".
    """
    if precision not in PRECISIONS:
        raise ValueError(f"expected one of {', '.join(PRECISIONS)}, found {precision!r}")
    backend = (torch.backends.cuda if device == "cuda" else torch.backends.mkldnn).matmul
    before = backend.fp32_precision
    try:
        backend.fp32_precision = _permission(precision, device)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False):
            yield
    finally:
        backend.fp32_precision = before
