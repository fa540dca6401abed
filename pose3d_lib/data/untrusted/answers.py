"""Plain values as JSON beside a file of bytes: arrays, dicts, lists, tuples, texts, bytes and numbers, nothing else.

None, numbers and texts stand for themselves; anything else is a list that begins with what it is.
"""

import math
from typing import BinaryIO

import numpy as np

MAX_DEPTH = 50  # nesting of containers; VideoPose3D's files need five levels
MAX_VALUES = 8_000_000  # values and letters in them
TENSORS = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
_ALIGNED = 64


class Refused(Exception):
    """Why something is not read; the caller knows of which file."""


class Packer:
    """Makes JSON of values; the bytes of arrays go into the file, once of arrays over the same memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._count = file, 0
        self._written: dict[tuple, tuple[int, np.ndarray]] = {}  # the arrays are kept, so that no address is used again
        file.write(bytes(_ALIGNED))  # an empty file cannot be mapped

    def pack(self, value: object, depth: int = 0) -> object:
        self._count += 1 + (len(value) if isinstance(value, str | bytes) else 0)
        if self._count > MAX_VALUES:
            raise Refused("holds more values than motion or a network has; refused")
        if depth > MAX_DEPTH:
            raise Refused(f"is nested more than {MAX_DEPTH} deep, or holds itself; refused")
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, dict):
            if not all(key is None or type(key) in (bool, int, float, str, bytes) for key in value):
                raise Refused("has a dict whose keys are not plain; refused")
            return ["dict", self._pack_all(value, depth), self._pack_all(value.values(), depth)]
        if isinstance(value, list | tuple):
            return ["list" if isinstance(value, list) else "tuple", self._pack_all(value, depth)]
        if isinstance(value, np.ndarray | np.generic):
            return self._pack_array(value, depth)
        if isinstance(value, bytes):
            return ["bytes", value.decode("latin-1")]
        return self.pack_other(value, depth)

    def pack_other(self, value: object, depth: int) -> object:
        raise Refused(f"holds a {type(value).__name__}, which is neither array, container, text nor number; refused")

    def _pack_all(self, values: object, depth: int) -> list:
        return [self.pack(value, depth + 1) for value in values]

    def _pack_array(self, array: np.ndarray | np.generic, depth: int) -> list:
        if array.dtype == object:
            return ["objects", array.shape, self._pack_all(array.ravel().tolist(), depth)]
        if check_size(array.dtype, array.shape) and array.dtype.kind == "U":
            letters = np.ascontiguousarray(array).reshape(-1).view(array.dtype.byteorder.replace("|", "=") + "u4")
            if letters.max() > 0x10FFFF:
                raise Refused("holds a text with letters that Unicode does not have; refused")
        kind, array = "array" if isinstance(array, np.ndarray) else "scalar", np.asarray(array)
        memory = array.__array_interface__["data"][0], array.dtype.str, array.shape, array.strides
        if memory not in self._written:
            self._file.write(bytes(-self._file.tell() % _ALIGNED))
            self._written[memory] = self._file.tell(), array
            self._file.write(np.ascontiguousarray(array).data)
        return [kind, array.dtype.str, array.shape, self._written[memory][0]]


def check_size(dtype: np.dtype, shape: tuple[int, ...]) -> int:
    """The bytes of an array of numbers or texts; refuses any other, and one that has more items than bytes."""
    if not all(type(length) is int and length >= 0 for length in shape):
        raise Refused("holds an array whose shape is not a tuple of lengths; refused")
    if dtype.kind not in "biufcSU":
        raise Refused(f"holds an array of type {dtype}; expected numbers or texts; refused")
    items = math.prod(shape)
    if items > max(1, items * dtype.itemsize):
        raise Refused(f"holds an array of {items:,} items without a byte; refused")
    return items * dtype.itemsize


def unpack(item: object, buffer: np.ndarray) -> object:
    """The value of what `Packer.pack` returned. Arrays are read-only and lie in the buffer.

    A malformed item ends in Refused, ValueError, TypeError, LookupError, AttributeError, ArithmeticError or RuntimeError.
    """
    match item:
        case None | bool() | int() | float() | str():
            return item
        case ["list", items]:
            return [unpack(inner, buffer) for inner in items]
        case ["tuple", items]:
            return tuple(unpack(inner, buffer) for inner in items)
        case ["dict", keys, values]:
            pairs = zip(keys, values, strict=True)
            return {unpack(key, buffer): unpack(value, buffer) for key, value in pairs}
        case ["bytes", text]:
            return text.encode("latin-1")
        case ["objects", shape, items]:
            array = np.empty(len(items), object)
            for number, inner in enumerate(items):
                array[number] = unpack(inner, buffer)
            return array.reshape(shape)
        case ["array" | "scalar" as kind, code, shape, start]:
            check_size(dtype := np.dtype(code), tuple(shape))
            array = np.ndarray(shape, dtype, buffer=buffer, offset=start)
            return array if kind == "array" else array[()]
        case ["tensor", name, shape, data] if name in TENSORS:
            import torch  # which only checkpoints need

            dtype, data = getattr(torch, name), np.array(unpack(data, buffer))
            return torch.frombuffer(data, dtype=dtype).reshape(shape) if data.size else torch.empty(shape, dtype=dtype)
    raise Refused("was answered in a way that is not known")
