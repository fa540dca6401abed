"""Reads the arrays of an `.npz`, those that numpy pickled included, without running what a file may have put into them.

numpy stores an array of objects as a pickle, and unpickling calls whatever functions the file names. Here the pickle's
operations are read one by one, and only those that numpy itself writes for arrays, dicts, lists, tuples, strings, bytes
and numbers mean anything; a function that a file names is never looked up, far less called. Anything else is refused.
"""

import math
import pickletools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pose3d_lib.actions import check_name
from pose3d_lib.sources.npz_members import RefusedError, named_faults, open_member, open_npz, read_values

MAX_DEPTH = 50
"""How deep containers may stand in each other; VideoPose3D's files need five."""

MAX_OBJECT_ARRAYS = 1000
"""How many arrays of objects a pickle may hold: freeing arrays that stand in each other takes stack for each."""

MAX_STEPS, MAX_KEPT = 4_000_000, 2_000_000
"""How many operations a pickle may have, and how many of them may take memory; Detectron's have 50 and 25 per frame."""

MAX_OPEN = 10_000
"""How many values may wait for the container that they belong to; Python's own pickles have them go in by the thousand."""

MAX_NAME = 1000
"""Bytes of the name of a module, class or function."""

_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d{1,9}|O[48]?", re.ASCII)


def list_npz_keys(path: Path) -> list[str]:
    """The names of the arrays in the file, in its order."""
    with named_faults(str(path)), open_npz(path) as (_, members):
        return list(members)


def read_npz_key(path: Path, key: str) -> object:
    """One array of the file; of a 0-d array of objects, the object that it holds.

    Arrays inside the object are read-only and share the memory that the file was read into.

    Raises:
        InputError: the file or the key is not there, is not whole, unpacks to far more than arrays would, or holds
            anything but arrays, dicts, lists, tuples, strings, bytes and numbers.
    """
    keys = list_npz_keys(path)
    with named_faults(f"{path}:"):
        check_name(key, keys, "key")
    with (
        named_faults(f"{path}, key {key!r}"),
        open_npz(path) as (archive, members),
        open_member(archive, members[key]) as member,
    ):
        if not member.dtype.hasobject:
            return read_values(member)
        array = read_pickle(member.file)
        if not (isinstance(array, np.ndarray) and array.dtype.kind == "O" and array.shape == member.shape):
            raise RefusedError(f"does not hold the array of objects of shape {member.shape} that its header announces")
        return array.item() if member.shape == () else array


@dataclass(frozen=True)
class _Global:
    """A function or class that numpy's pickles name; only the name is kept."""

    name: str


_GLOBALS = {
    **{(f"numpy.{core}.multiarray", n): _Global(n) for core in ("core", "_core") for n in ("_reconstruct", "scalar")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Global("_frombuffer") for core in ("core", "_core")},
    **{("numpy", name): _Global(name) for name in ("ndarray", "dtype")},
    # How protocol 2, which older numpys save with, writes bytes.
    ("_codecs", "encode"): _Global("encode"),
    **{(module, "bytes"): _Global("bytes") for module in ("builtins", "__builtin__")},
}


@dataclass(eq=False)
class _Unfinished:
    """An array (no code) or a dtype that the pickle has begun; its BUILD operation says what it is."""

    code: str | None = None
    value: np.ndarray | np.dtype | None = None


_LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TAKES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "APPEND": 1, "SETITEM": 2, "STACK_GLOBAL": 2, "REDUCE": 2, "BUILD": 1}
_TAKES_TO_MARK = {"TUPLE", "APPENDS", "SETITEMS"}


_OPERATIONS = {operation.code.encode("latin-1"): operation for operation in pickletools.opcodes}
_KEEPING = {"EMPTY_LIST", "EMPTY_DICT", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "MEMOIZE", "BINPUT", "LONG_BINPUT"}
_KNOWN = {
    "PROTO", "FRAME", "STOP", "MARK", "BINGET", "LONG_BINGET", "GLOBAL",
    *_LITERALS, *_CONSTANTS, *_TAKES, *_TAKES_TO_MARK, *_KEEPING,
}  # fmt: skip


def _operations(file: BinaryIO) -> Iterator[tuple[str, object]]:
    """The operations up to the end, each with its argument. Of one that is not known, the argument is not even read."""
    for _ in range(MAX_STEPS):
        code = file.read(1)
        operation = _OPERATIONS.get(code)
        if operation is None:
            raise ValueError(f"pickle operation {code!r}" if code else "the pickle ends too early")
        if operation.name not in _KNOWN:
            raise RefusedError(
                f"uses the pickle operation {operation.name}, which no array of plain values needs; refused"
            )
        if operation.name == "GLOBAL":  # whose argument pickletools would read as Python's source, with escapes
            yield operation.name, (_line(file), _line(file))
        else:
            yield operation.name, operation.arg.reader(file) if operation.arg else None
        if operation.name == "STOP":
            return
    raise RefusedError(f"has more than {MAX_STEPS:,} pickle operations; cut it into several files")


def _line(file: BinaryIO) -> str:
    line = file.readline(MAX_NAME)
    if not line.endswith(b"\n"):
        raise ValueError("a name that does not end")
    return line[:-1].decode()


def read_pickle(file: BinaryIO) -> object:
    """What the pickle holds: a machine with a stack, as pickles expect it, that knows only harmless operations.

    Raises a RefusedError, or any of FAULTS.
    """
    stack, below, memo = [], [], {}  # below: the stacks under each open MARK
    object_arrays = kept = 0
    for name, argument in _operations(file):
        items = []
        kept += name in _KEEPING
        if kept > MAX_KEPT or len(stack) > MAX_OPEN or len(below) > MAX_OPEN:
            raise RefusedError("holds more values in values, or more values, than arrays of motion have; refused")
        if name in _TAKES_TO_MARK:
            stack, items = below.pop(), stack
        elif name in _TAKES:
            items = [stack.pop() for _ in range(_TAKES[name])][::-1]
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case _ if name in _LITERALS:
                stack.append(argument)
            case _ if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(items))
            case "APPEND" | "APPENDS":
                _extend(stack[-1], items)
            case "SETITEM" | "SETITEMS":
                _update(stack[-1], items)
            case "MARK":
                below.append(stack)
                stack = []
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                known = memo[argument]
                finished = isinstance(known, _Unfinished) and known.value is not None
                stack.append(known.value if finished else known)
            case "GLOBAL":
                stack.append(_global(*argument))
            case "STACK_GLOBAL":
                stack.append(_global(*items))
            case "REDUCE":
                stack.append(_call(*items))
            case "BUILD":
                stack[-1] = _build(stack[-1], items[0])
                object_arrays += stack[-1].dtype.hasobject if isinstance(stack[-1], np.ndarray) else 0
                if object_arrays > MAX_OBJECT_ARRAYS:
                    raise RefusedError(f"holds more than {MAX_OBJECT_ARRAYS} arrays of objects; refused")
    if file.read(1):  # reading to the end also has the zip's checksum compared
        raise RefusedError("goes on after its end; refused")
    if below or len(stack) != 1:
        raise RefusedError("ends in the middle of a value; get the file again")
    _check_plain(stack[0])
    return stack[0]


def _global(module: object, name: object) -> _Global:
    if not (isinstance(module, str) and isinstance(name, str)):
        raise RefusedError("asks for something whose name is no text; refused")
    if (module, name) not in _GLOBALS:
        shown = ascii(f"{module}.{name}")[1:-1][:100]
        raise RefusedError(
            f"asks for {shown}, which is code; refused. Do not open this file with other programs either"
        )
    return _GLOBALS[module, name]


def _call(function: object, arguments: object) -> object:
    """What numpy's own pickles mean by a call, and no other call."""
    match function, arguments:
        case _Global("_reconstruct"), (_Global("ndarray"), (0,), b"b"):
            return _Unfinished()
        case _Global("dtype"), (str() as code, 0 | 1, 0 | 1) if _DTYPE.fullmatch(code):
            return _Unfinished(code[0] if code[0] == "O" else code)
        case _Global("scalar"), (np.dtype() as dtype, bytes() as data):
            return _array((), dtype, "C", data)[()]
        case _Global("_frombuffer"), (data, np.dtype() as dtype, shape, "C" | "F" as order):
            return _array(shape, dtype, order, data)
        case _Global("_frombuffer"), (data, np.dtype() as dtype, shape, "K", tuple() as axes):
            return _array(shape, dtype, "C", data).transpose(axes)
        case _Global("encode"), (str() as text, "latin1"):
            return text.encode("latin1")
        case _Global("bytes"), ():
            return b""
    named = function.name if isinstance(function, _Global) else f"a {type(function).__name__}"
    raise RefusedError(f"calls {named} as numpy never does; refused")


def _build(begun: object, state: object) -> np.ndarray | np.dtype:
    match begun, state:
        case _Unfinished(code=str() as code, value=None), (3, "<" | ">" | "|" as order, None, None, None, *_):
            begun.value = np.dtype(code).newbyteorder(order)
        case _Unfinished(code=None, value=None), (1, shape, np.dtype() as dtype, 0 | 1 as fortran, data):
            begun.value = _array(shape, dtype, "F" if fortran else "C", data)
        case _:
            raise RefusedError("sets the state of something other than an array; refused")
    return begun.value


def _array(shape: object, dtype: np.dtype, order: str, data: object) -> np.ndarray:
    """The array over the bytes, without a copy, or of the list of objects; no larger than what the file holds."""
    if not (isinstance(shape, tuple) and len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)):
        raise RefusedError("holds an array whose shape is not a tuple of lengths; refused")
    size = math.prod(shape)
    if dtype.hasobject:
        fits = isinstance(data, list) and len(data) == size
    else:
        fits = isinstance(data, bytes | bytearray) and len(data) == size * dtype.itemsize and size <= max(1, len(data))
    if not fits:
        raise RefusedError(f"holds an array of shape {shape} and type {dtype} with other data than that; refused")
    if dtype.hasobject:
        array = np.empty(size, object)
        for index, item in enumerate(data):
            array[index] = item
        return array.reshape(shape)  # numpy pickles the objects in C order whatever the array's own
    array = np.ndarray(shape, dtype, buffer=data, order=order)
    array.flags.writeable = False
    return array


def _extend(target: object, items: list) -> None:
    if type(target) is not list:
        raise RefusedError(f"appends to a {type(target).__name__}; refused")
    target.extend(items)


def _update(target: object, items: list) -> None:
    """Sets `target` from keys and values in turn; plain keys only: hashing nested tuples can exhaust the stack."""
    if type(target) is not dict or not all(isinstance(key, str | bytes | int | float | None) for key in items[::2]):
        raise RefusedError("sets items of something other than a dict with plain keys; refused")
    target.update(zip(items[::2], items[1::2], strict=True))


def _check_plain(value: object) -> None:
    """Refuses a value with anything unfinished in it, and one nested too deep, such as one that holds itself."""
    level = {id(value): value}
    for _ in range(MAX_DEPTH):
        inner = [item for container in level.values() for item in _items(container)]
        for item in inner:
            if not isinstance(item, str | bytes | int | float | np.generic | np.ndarray | list | tuple | dict | None):
                raise RefusedError("holds something that is neither array, container, text nor number; refused")
        level = {id(item): item for item in inner if isinstance(item, list | tuple | dict | np.ndarray)}
        if not level:
            return
    raise RefusedError(f"is nested more than {MAX_DEPTH} deep, or holds itself; refused")


def _items(container: object) -> Iterable:
    if isinstance(container, np.ndarray):
        return container.flat if container.dtype.hasobject else ()
    return container.values() if isinstance(container, dict) else container
