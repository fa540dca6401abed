"""Plain values as JSON beside a file of bytes: arrays, dicts, lists, tuples, texts, bytes and numbers, nothing else.

None, numbers and texts stand for themselves; anything else is a list that begins with its kind.
"""

import sys
from typing import BinaryIO

import numpy as np

TENSORS = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
ALIGNED = 64  # bytes
MAX_VALUES, MAX_BITS = 8_000_000, 1_000  # of one value, and of an integer in it


class Refused(Exception):
    """Why something is not read; the caller adds the file."""


def pack(value: object, file: BinaryIO) -> object:
    """The JSON of a value, whose arrays are appended to the file, those over the same memory once.

    So it shows by the address that a value holds one recording for two takes, and a small file cannot grow.
    """
    written: dict[tuple, tuple[int, np.ndarray]] = {}  # the arrays are kept, so that no address is used again
    count = 0

    def packed(value: object) -> object:
        nonlocal count
        count += 1
        if count > MAX_VALUES:
            raise Refused("holds more values than motion or a network has; refused")
        match value:
            case int() if value.bit_length() > MAX_BITS:
                raise Refused(f"holds an integer of more than {MAX_BITS:,} bits; refused")
            case None | bool() | int() | float() | str() if not isinstance(value, np.generic):
                return value
            case dict():
                return ["dict", [*map(packed, value)], [*map(packed, value.values())]]
            case list() | tuple():
                return ["list" if isinstance(value, list) else "tuple", [*map(packed, value)]]
            case bytes() if not isinstance(value, np.generic):
                return ["bytes", value.decode("latin-1")]
            case np.ndarray(dtype=np.dtype(kind="O")):
                return ["objects", value.shape, [*map(packed, value.ravel().tolist())]]
            case np.ndarray() | np.generic():
                return ["array" if isinstance(value, np.ndarray) else "scalar", *placed(np.asarray(value))]
        torch = sys.modules.get("torch")
        if torch and isinstance(value, torch.Tensor) and (name := str(value.dtype).removeprefix("torch.")) in TENSORS:
            data = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
            return ["tensor", name, tuple(value.shape), packed(data)]
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

    return packed(value)


def _check_kind(dtype: np.dtype) -> None:
    if dtype.kind not in "biufcSU":
        raise Refused(f"holds an array of type {dtype}; expected numbers or texts; refused")


def unpack(item: object, buffer: np.ndarray) -> object:
    """The value of what `pack` returned. Arrays are read-only and lie in the buffer.

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
        case ["array" | "scalar" as kind, str() as code, shape, start] if start >= 0:
            _check_kind(np.dtype(code))
            array = np.ndarray(shape, code, buffer=buffer, offset=start)
            return array if kind == "array" else array[()]
        case ["tensor", name, shape, data] if name in TENSORS:
            import torch  # which only checkpoints need

            dtype, data = getattr(torch, name), np.array(unpack(data, buffer))
            return torch.frombuffer(data, dtype=dtype).reshape(shape) if data.size else torch.empty(shape, dtype=dtype)
    raise Refused("was answered in a way that is not known")
