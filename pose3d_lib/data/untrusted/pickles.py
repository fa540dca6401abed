"""numpy's pickles of arrays, read by the standard library without any function that a file may name.

What numpy's pickles call is replaced by stand-ins that check type, shape and bytes: numpy's own functions trust what they
are given, and would take a number for the address of an object.
"""

import math
import pickle
import re
from typing import BinaryIO

import numpy as np

from pose3d_lib.data.untrusted.answers import Refused

CODE = "which is code; refused. Do not open this file with other programs either"

_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d{1,9}|O[48]?", re.ASCII)


class _Dtype:
    """A type of numbers; its state says in which order their bytes are."""

    def __init__(self, code: str) -> None:
        self.code, self.value = code[:1] if code[0] == "O" else code, None

    def __setstate__(self, state: object) -> None:
        match state:
            case (3, "<" | ">" | "|" as order, None, None, None, *_) if self.value is None:
                self.value = np.dtype(self.code).newbyteorder(order)
            case _:
                raise Refused("sets the state of a type as numpy never does; refused")


class _Array(np.ndarray):
    """An array that numpy fills when its state comes and has been checked."""

    def __setstate__(self, state: object) -> None:
        match state:
            case (1, tuple() as shape, _Dtype(value=np.dtype() as dtype), 0 | 1 as fortran, data) if not self.size:
                _check(dtype, shape, data)
                super().__setstate__((1, shape, dtype, bool(fortran), data))
            case _:
                raise Refused("sets the state of an array as numpy never does; refused")


class _Named:
    """A function or class that numpy's pickles name; called, it does what numpy means by that call, or refuses it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        raise Refused(f"sets the state of {self.name}; refused")

    def __call__(self, *arguments: object) -> object:
        match self.name, arguments:
            case "_reconstruct", (_Named(name="ndarray"), (0,), b"b"):
                return _Array(0, np.int8)
            case "dtype", (str() as code, 0 | 1, 0 | 1) if _DTYPE.fullmatch(code):
                return _Dtype(code)
            case "scalar", (_Dtype(value=np.dtype() as dtype), data):
                _check(dtype, (), data)
                return np.ndarray((), dtype, buffer=data)[()]  # refuses a list: no objects
            case "encode", (str() as text, "latin1"):  # how protocol 2, which older numpys save with, writes bytes
                return text.encode("latin1")
            case "bytes", ():
                return b""
        raise Refused(f"calls {self.name} as numpy never does; refused")


def _check(dtype: np.dtype, shape: tuple, data: object) -> None:
    """Refuses other data than the bytes, or the list of objects, that an array of this type and shape has."""
    if not all(type(length) is int and length >= 0 for length in shape):
        raise Refused("holds an array whose shape is not a tuple of lengths; refused")
    size = math.prod(shape) * (1 if dtype.hasobject else dtype.itemsize)
    if not isinstance(data, list if dtype.hasobject else bytes | bytearray) or len(data) != size:
        raise Refused(f"holds an array of shape {shape} and type {dtype} with other data than that; refused")


_NAMED = {
    **{(f"numpy.{core}.multiarray", n): _Named(n) for core in ("core", "_core") for n in ("_reconstruct", "scalar")},
    **{("numpy", name): _Named(name) for name in ("ndarray", "dtype")},
    ("_codecs", "encode"): _Named("encode"),
    **{(module, "bytes"): _Named("bytes") for module in ("builtins", "__builtin__")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Named:
        if (module, name) not in _NAMED:
            raise Refused(f"{f'asks for {module}.{name}':.120}, {CODE}")
        return _NAMED[module, name]


def read_objects(file: BinaryIO, shape: tuple[int, ...]) -> object:
    """The array of objects of that shape that is pickled in the rest of a file; of a 0-d array, the object in it."""
    array = _Unpickler(file).load()
    if not isinstance(array, np.ndarray) or array.dtype != object or array.shape != shape:
        raise Refused(f"does not hold the array of objects of shape {shape} that its header announces")
    return array[()]
