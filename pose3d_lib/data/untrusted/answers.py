"""Plain values as JSON beside one file of bytes: arrays, dicts, lists, tuples, texts, bytes and numbers, nothing else.

The values are a flat list of nodes. A node refers to earlier nodes by their numbers, so that nothing is written twice and
no answer holds itself. Numbers, texts and None stand in their container; `[number]` there is a reference.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

MAX_DEPTH = 50
"""Nesting of containers; VideoPose3D's files need five levels."""

MAX_NODES, MAX_VALUES = 2_000_000, 8_000_000
"""Containers and arrays, and values and letters in them;"""

TENSORS = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
_ALIGNED, _CHUNK = 64, 1 << 20


class Refused(Exception):
    """Why something is not read; where it stood is known further up."""


@dataclass(eq=False)
class Array:
    """An array, or one number of numpy's or a tensor of PyTorch's, that was not made: what its bytes mean, and the bytes.

    Attributes:
        tag: "array", "scalar" or "tensor".
        dtype: of the bytes; of a tensor, how many a number has.
        shape, order: as in numpy.
        data: the bytes, a stream of them, or the list of objects of an array of objects.
        torch_dtype: of a tensor, one of `TENSORS`.
    """

    tag: str = "array"
    dtype: np.dtype | None = None
    shape: tuple[int, ...] = ()
    order: str = "C"
    data: object = None
    torch_dtype: str = ""


def _unknown(value: object) -> object:
    raise Refused(f"holds a {type(value).__name__}, which is neither array, container, text nor number; refused")


class Writer:
    """Values on their way into nodes; the bytes of arrays go into the file."""

    def __init__(self, file: BinaryIO, convert: Callable[[object], object] = _unknown) -> None:
        self.nodes: list[list] = []
        self._file, self._convert, self._count = file, convert, 0
        self._known: dict[int, tuple[int, int]] = {}
        self._written: dict[int, int] = {}
        file.write(bytes(_ALIGNED))  # an empty file cannot be mapped

    def put_whole(self, value: object) -> object:
        """The value, or the reference to its node; values put before share nothing with it."""
        self._known, self._written = {}, {}
        return self._put(value, 0)[0]

    def _put(self, value: object, depth: int) -> tuple[object, int]:
        """The value's entry in its container, and the depth of containers below it."""
        self._count += 1 + (len(value) if isinstance(value, str | bytes) else 0)
        if self._count > MAX_VALUES or len(self.nodes) > MAX_NODES:
            raise Refused("holds more values than motion or a network has; refused")
        if value is None or type(value) in (bool, int, float, str):
            return value, 0
        index, height = self._known.get(id(value), (-1, 1))
        if depth + height > MAX_DEPTH:
            raise Refused(f"is nested more than {MAX_DEPTH} deep, or holds itself; refused")
        if index < 0:
            node, height = self._node(value, depth + 1)
            index = len(self.nodes)
            self.nodes.append(node)
            self._known[id(value)] = index, height
        return [index], height

    def _node(self, value: object, depth: int) -> tuple[list, int]:
        if isinstance(value, dict):
            keys = list(value)
            if not all(key is None or type(key) in (bool, int, float, str, bytes) for key in keys):
                raise Refused("has a dict whose keys are not plain; refused")
            (keys, _), (values, height) = self._all(keys, depth), self._all(value.values(), depth)
            return ["dict", keys, values], height
        if isinstance(value, list | tuple):
            items, height = self._all(value, depth)
            return ["tuple" if isinstance(value, tuple) else "list", items], height
        if isinstance(value, bytes):
            return ["bytes", value.decode("latin-1")], 1
        if isinstance(value, np.ndarray):
            value = Array("array", value.dtype, value.shape, "C", np.ascontiguousarray(value).data)
        if not isinstance(value, Array):
            return self._node(self._convert(value), depth)
        if value.dtype is None:
            raise Refused("holds an array that was only begun; refused")
        if value.dtype.hasobject:
            items, height = self._all(value.data, depth)
            return ["objects", items, value.shape], height
        return [value.tag, value.torch_dtype or value.dtype.str, value.shape, value.order, self._write(value)], 1

    def _all(self, values: object, depth: int) -> tuple[list, int]:
        items, height = [], 0
        for value in values:
            item, below = self._put(value, depth)
            items.append(item)
            height = max(height, below)
        return items, height + 1

    def _write(self, array: Array) -> int:
        """Write the array's bytes; returns their offset in the file."""
        size = check_size(array.dtype, array.shape)
        if isinstance(array.data, bytes) and id(array.data) in self._written:
            return self._written[id(array.data)]
        self._file.write(bytes(-self._file.tell() % _ALIGNED))
        start, done = self._file.tell(), 0
        if not hasattr(array.data, "read"):
            done = self._file.write(array.data)
        else:
            while done < size and (chunk := array.data.read(min(_CHUNK, size - done))):
                done += self._file.write(chunk)
        if done != size:
            raise Refused(f"an array of shape {array.shape} and type {array.dtype} has {done:,} bytes, not {size:,}")
        if isinstance(array.data, bytes):
            self._written[id(array.data)] = start
        return start


def check_size(dtype: np.dtype, shape: tuple[int, ...]) -> int:
    """The bytes of an array of numbers or texts; refuses any other, and one that has more items than bytes."""
    if dtype.kind not in "biufcSU":
        raise Refused(f"holds an array of type {dtype}; expected numbers or texts; refused")
    size = count_items(shape) * dtype.itemsize
    if math.prod(shape) > max(1, size):
        raise Refused(f"holds an array of {math.prod(shape):,} items without a byte; refused")
    return size


def count_items(shape: object) -> int:
    """The items of an array of this shape; refuses what is none."""
    plain = isinstance(shape, tuple) and len(shape) <= 32
    if not (plain and all(type(length) is int and length >= 0 for length in shape)):
        raise Refused("holds an array whose shape is not a tuple of lengths; refused")
    return math.prod(shape)


def restore(nodes: list[list], buffer: np.ndarray) -> Callable[[object], object]:
    """A function that gives the value for what `Writer.put_whole` returned.

    Arrays are read-only and lie in the buffer. A malformed answer ends in Refused, ValueError, TypeError,
    LookupError, AttributeError, ArithmeticError or RuntimeError.
    """
    made: list = []

    def value_of(item: object) -> object:
        return made[item[0]] if type(item) is list else item

    for node in nodes:
        match node:
            case ["list", items]:
                made.append([value_of(item) for item in items])
            case ["tuple", items]:
                made.append(tuple(value_of(item) for item in items))
            case ["dict", keys, values]:
                made.append(dict(zip(map(value_of, keys), map(value_of, values), strict=True)))
            case ["bytes", text]:
                made.append(text.encode("latin-1"))
            case ["objects", items, shape]:
                array = np.empty(len(items), object)
                for number, item in enumerate(items):
                    array[number] = value_of(item)
                made.append(array.reshape(shape))  # numpy pickles the objects in C order whatever the array's own
            case ["tensor", name, shape, _, offset] if name in TENSORS:
                made.append(_tensor(name, shape, buffer[offset:]))
            case ["array" | "scalar" as tag, descr, shape, "C" | "F" as order, offset]:
                array = _array(np.dtype(descr), tuple(shape), order, buffer, offset)
                made.append(array if tag == "array" else array[()])
            case _:
                raise Refused("was answered in a way that is not known")
    return value_of


def _array(dtype: np.dtype, shape: tuple[int, ...], order: str, buffer: np.ndarray, offset: int) -> np.ndarray:
    size = check_size(dtype, shape)
    if dtype.kind == "U" and size:
        letters = np.ndarray(size // 4, np.dtype("u4").newbyteorder(dtype.byteorder), buffer=buffer, offset=offset)
        if letters.max() > 0x10FFFF:
            raise Refused("holds a text with letters that Unicode does not have; refused")
    return np.ndarray(shape, dtype, buffer=buffer, offset=offset, order=order)


def _tensor(name: str, shape: list[int], data: np.ndarray) -> object:
    import torch  # which only checkpoints need

    dtype = getattr(torch, name)
    size = math.prod(shape) * dtype.itemsize
    if not size:
        return torch.empty(shape, dtype=dtype)
    return torch.from_numpy(np.array(data[:size])).view(dtype).reshape(shape)
