"""Values as JSON, and the bytes of their arrays in a file beside it.

Numbers, texts, lists and dicts are JSON's own. Tuples and arrays of objects become lists, keys of dicts texts. An array or
tensor is a dict of one key, ARRAY or TENSOR, with its type, its shape and its place in the file; so would be such a dict in
a file that is read, which could only show bytes of the same answer.
"""

import json
import sys
from typing import BinaryIO

import numpy as np

ARRAY, TENSOR = "pose3d array", "pose3d tensor"
ALIGNED = 64  # bytes


class Refused(Exception):
    """Why something is not read; the caller adds the file."""


def pack(value: object, file: BinaryIO) -> str:
    """The JSON of a value, whose arrays are appended to the file, those over the same memory once.

    So it shows by the address that a value holds one recording for two takes, and a small file cannot grow.
    """
    written: dict[tuple, tuple[int, np.ndarray]] = {}  # the arrays are kept, so that no address is used again

    def packed(value: object) -> object:
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            return value.tolist() if value.dtype == object else {ARRAY: placed(value)}
        torch = sys.modules.get("torch")
        if torch and isinstance(value, torch.Tensor):
            data = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
            return {TENSOR: [str(value.dtype).removeprefix("torch."), tuple(value.shape), placed(data)]}
        raise Refused(f"holds a {type(value).__name__}, which is neither array, container, text nor number; refused")

    def placed(array: np.ndarray) -> tuple[str, tuple[int, ...], int]:
        _check_kind(array.dtype)
        if array.size > max(1, array.nbytes):
            raise Refused(f"holds an array of {array.size:,} items without a byte; refused")
        if array.dtype.kind == "U":
            array.tolist()  # fails for letters that Unicode does not have
        memory = array.__array_interface__["data"][0], array.dtype.str, array.shape, array.strides
        if memory not in written:
            file.write(bytes(-file.tell() % ALIGNED))
            written[memory] = file.tell(), array
            file.write(np.ascontiguousarray(array).data)
        return array.dtype.str, array.shape, written[memory][0]

    return json.dumps(value, default=packed, separators=(",", ":"))


def unpack(text: str, buffer: np.ndarray) -> object:
    """The value of what `pack` returned. Arrays are read-only and lie in the buffer.

    A malformed text ends in Refused, ValueError, TypeError, LookupError, AttributeError, ArithmeticError or RuntimeError.
    """

    def placed(code: str, shape: list[int], start: int) -> np.ndarray:
        _check_kind(np.dtype(code))
        return np.ndarray(shape, code, buffer=buffer[start:])

    def found(item: dict) -> object:
        if item.keys() == {ARRAY}:
            return placed(*item[ARRAY])
        if item.keys() == {TENSOR}:
            import torch  # which only checkpoints need

            name, shape, place = item[TENSOR]
            data, dtype = np.array(placed(*place)), getattr(torch, name)
            return torch.frombuffer(data, dtype=dtype).reshape(shape) if data.size else torch.empty(shape, dtype=dtype)
        return item

    return json.loads(text, object_hook=found)


def _check_kind(dtype: np.dtype) -> None:
    if dtype.kind not in "biufcSU":  # above all no addresses of objects
        raise Refused(f"holds an array of type {dtype}; expected numbers or texts; refused")
