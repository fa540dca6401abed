"""Values as JSON, and the bytes of their arrays in a file beside it.

Numbers, texts, lists and dicts are JSON's own. Tuples and arrays of objects become lists, keys of dicts texts. An array is a
dict of the one key ARRAY with its type, its shape and its place in the file; so would be such a dict in a file that is read,
which could only show bytes of the same answer.
"""

import json
import math
import sys
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

ARRAY = "pose3d array"
ALIGNED = 64  # bytes
MOST_EMPTY = 100_000  # the product of the other lengths of an array that has a length of 0


class Refused(Exception):
    """Why something is not read; the caller adds the file."""


def pack(value: object, file: BinaryIO) -> str:
    """The JSON of a value, whose arrays are appended to the file as often as they are in it: a small one cannot grow."""

    def packed(value: object) -> object:
        torch = sys.modules.get("torch")
        if torch and isinstance(value, torch.Tensor):
            value = value.detach().float() if value.dtype == torch.bfloat16 else value.detach()
            value = value.contiguous().numpy()
        if isinstance(value, np.generic):
            return value.item()
        if not isinstance(value, np.ndarray):
            raise Refused(
                f"holds a {type(value).__name__}, which is neither array, container, text nor number; refused"
            )
        if value.dtype == object:
            return value.tolist()
        _check_array(value.dtype, value.shape)
        if value.dtype.kind == "U":
            value.tolist()  # fails for letters that Unicode does not have
        file.write(bytes(-file.tell() % ALIGNED))
        start = file.tell()
        file.write(np.ascontiguousarray(value).data)
        return {ARRAY: [value.dtype.str, value.shape, start]}

    return json.dumps(value, default=packed, separators=(",", ":"))


def unpack(text: str, buffer: np.ndarray) -> object:
    """The value of what `pack` returned. Arrays are read-only and lie in the buffer.

    A malformed text ends in Refused, ValueError, TypeError, LookupError, AttributeError, ArithmeticError or RuntimeError.
    """

    def found(item: dict) -> object:
        if item.keys() != {ARRAY}:
            return item
        code, shape, start = item[ARRAY]
        _check_array(np.dtype(code), shape)
        return np.ndarray(shape, code, buffer=buffer[start:])

    return json.loads(text, object_hook=found)


def _check_array(dtype: np.dtype, shape: Sequence[int]) -> None:
    if dtype.kind not in "biufcSU":  # above all no addresses of objects
        raise Refused(f"holds an array of type {dtype}; expected numbers or texts; refused")
    # A file may announce any number of empty rows, which only the loops over them notice.
    items, most = math.prod(filter(None, shape)), MOST_EMPTY if dtype.itemsize else 1
    if 0 in (dtype.itemsize, *shape) and items > most:
        raise Refused(f"holds an array of {items:,} items without a byte; refused")
