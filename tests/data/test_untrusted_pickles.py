"""Arrays of objects come back as numpy wrote them, and no file can have anything run, allocated or left half read."""

import contextlib
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.untrusted import client
from pose3d_lib.data.untrusted.client import list_keys, read_npz_key
from tests.helpers.fuzzing import fuzzed
from tests.helpers.hostile_files import ENCODE, counted, encodings_of_encodings, header, write_npz

RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY = b"cnumpy\nndarray\n"
FLOAT64 = (
    b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x89\x88\x87R"
    b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
)
OBJECT = FLOAT64.replace(b"f8", b"O8").replace(b"<NNN", b"|NNN")
TEXT = FLOAT64.replace(b"f8", b"U1")
SCALAR = b"cnumpy.core.multiarray\nscalar\n"
EMPTY_ARRAY = RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87R"


def sample() -> dict:
    grid = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    return {
        "S1": {"Walking 1": grid, "views": [grid[..., :2].copy(), grid[:1, :, :2].copy()]},
        "orders": (np.asfortranarray(grid[0]), grid.transpose(1, 0, 2), grid[:, ::2], np.array(3.5), grid[:0]),
        "types": [np.arange(2).astype(code) for code in ("?", "i1", "u2", "<i4", "i8", "f2", "f4", "f8", ">f4", ">i8")],
        "texts": [np.array(["ab", "ćd"]), np.array([b"x", b"yz"]), "é", ""],
        "scalars": [np.float32(2.5), np.int64(-7), np.bool_(True), np.str_("abc"), np.str_("")],
        "numbers": (None, True, False, 0, 255, 65535, -1, 2**31, -(2**40), 10**30, 2.5, -0.0, float("inf")),
        "objects": np.array([[1, "a", None], [2.5, grid, {"k": [grid]}]], dtype=object),
        "shared": [grid, grid],
        "empty": [(), {}],
    }


def plain(value: object) -> object:
    """The value as it comes back: arrays, and what JSON knows."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        value = value.tolist()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def assert_same(found: object, expected: object) -> None:
    expected = plain(expected)
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert (found.shape, found.dtype.newbyteorder("=")) == (expected.shape, expected.dtype.newbyteorder("="))
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, list | dict):
        assert len(found) == len(expected)
        if isinstance(expected, dict):
            assert list(found) == list(expected)
            found, expected = found.values(), expected.values()
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
    else:
        assert found == expected


def write_pickle(path: Path, pickled: bytes, shape: tuple[int, ...] = ()) -> Path:
    """An `.npz` whose key `positions_3d` is an array of objects with this pickle."""
    return write_npz(path, {"positions_3d": header(shape, "|O") + pickled})


def holding(value: bytes) -> bytes:
    """The pickle of a 0-d array of objects that holds what the operations `value` leave on the stack."""
    return b"\x80\x03" + EMPTY_ARRAY + b"(K\x01)" + OBJECT + b"\x89]" + value + b"atb."


def refusal(path: Path, key: str = "positions_3d") -> str:
    with pytest.raises(InputError) as caught:
        read_npz_key(path, key)
    assert str(path) in str(caught.value)
    assert key in str(caught.value)
    return str(caught.value)


def test_what_numpy_saved_comes_back(tmp_path: Path) -> None:
    ragged = np.empty((2, 2), object)
    ragged[:] = [[1, "a"], [np.zeros(2), None]]
    path = tmp_path / "file.npz"
    np.savez_compressed(path, positions_3d=sample(), ragged=ragged, plain=np.arange(6.0).reshape(2, 3), zero=np.int8(4))
    assert list(list_keys(path, "npz")) == ["positions_3d", "ragged", "plain", "zero"]
    assert_same(read_npz_key(path, "positions_3d"), sample())
    assert_same(read_npz_key(path, "ragged"), ragged)
    assert_same(read_npz_key(path, "plain"), np.arange(6.0).reshape(2, 3))
    assert_same(read_npz_key(path, "zero"), np.array(4, np.int8))


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_every_protocol(tmp_path: Path, protocol: int) -> None:
    pickled = pickle.dumps(np.array(sample(), dtype=object), protocol=protocol)
    assert b"numpy._core." in pickled  # `holding` and what an export writes have the names of numpy 1
    assert_same(read_npz_key(write_pickle(tmp_path / "file.npz", pickled), "positions_3d"), sample())


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "getattr"), ("copyreg", "_reconstructor"), ("_codecs", "decode"), ("numpy", "fromfile"),
        ("numpy", "ndarray.tofile"),
        ("numpy._core.multiarray", "frombuffer"),
        ("pose3d_lib.data.untrusted.pickles", "_Array"),
    ],
)  # fmt: skip
def test_the_global_asked_for_is_named(tmp_path: Path, module: str, name: str) -> None:
    texts = [b"X" + len(text).to_bytes(4, "little") + text.encode() for text in (module, name)]
    for asked in (texts[0] + texts[1] + b"\x93", f"c{module}\n{name}\n".encode()):
        path = write_pickle(tmp_path / "file.npz", holding(asked + b"X\x01\x00\x00\x00a\x85R"))
        assert f"asks for {module}.{name}, which is code; refused" in refusal(path)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"K\x01Q", "persistent"),
        (b"\x82\x01", "extension"),
        (b"(iposix\nsystem\n", "posix.system, which is code"),
        (NDARRAY + b")\x81", "NEWOBJ"),
        (b"(" + NDARRAY + b"o", "calls ndarray"),
        (b"\x97", "buffer"),
        (b"cx\x1b[31m\ny\n", r"asks for x\x1b[31m.y"),
        (b"K\x01K\x02\x93", "STACK_GLOBAL"),
        (NDARRAY, "neither"),
        (NDARRAY + b"K\x05\x85R", "calls ndarray"),
        (RECONSTRUCT + NDARRAY + b"J\x00\x00\x00\x70\x85C\x01b\x87R", "calls _reconstruct"),
        (RECONSTRUCT + b"cnumpy\ndtype\nK\x00\x85C\x01b\x87R", "calls _reconstruct"),
        (b"cbuiltins\nbytes\nJ\x00\x00\x00\x70\x85R", "calls bytes"),
        (b"X\x01\x00\x00\x00a)R", "not callable"),
        (b"]}b", "__dict__"),
        (NDARRAY + b"N}\x86b", "sets the state"),
        (FLOAT64.replace(b"f8", b"V8"), "calls dtype"),
        (EMPTY_ARRAY + b"(K\x01J\x00\x00\x00\x70\x85" + FLOAT64 + b"\x89C\x00tb", "shape (1879048192,)"),
        (EMPTY_ARRAY + b"(K\x01K\x02\x85" + FLOAT64 + b"\x89C\x0812345678tb", "shape (2,)"),
        (EMPTY_ARRAY + (b"(K\x01K\x01\x85" + FLOAT64 + b"\x89C\x0812345678tb") * 2, "sets the state"),
        (EMPTY_ARRAY + b"(K\x01J\xff\xff\xff\xff\x85" + FLOAT64 + b"\x89C\x00tb", "not a tuple of lengths"),
        (EMPTY_ARRAY + b"(K\x01K\x05\x85" + FLOAT64.replace(b"f8", b"U0") + b"\x89C\x00tb", "5 items without a byte"),
        (EMPTY_ARRAY + b"(K\x01K\x01\x85" + FLOAT64.replace(b"f8", b"O8") + b"\x89C\x0812345678tb", "type object"),
        (SCALAR + TEXT + b"C\x04\xff\xff\xff\x7f\x86R", "cannot be read"),
        (EMPTY_ARRAY + b"(K\x01K\x01\x85" + TEXT + b"\x89C\x04\xff\xff\xff\x7ftb", "cannot be read"),
        (ENCODE + b"X\x02\x00\x00\x0061X\x03\x00\x00\x00hex\x86R", "calls encode"),
        (SCALAR + FLOAT64.replace(b"f8", b"O8") + b"C\x0812345678\x86R", "type object"),
        (b"}]K\x01s", "unhashable"),
        (b"}" + b")" + b"\x85" * 2_000 + b"K\x01s", "keys must be"),
        (b"]" * 9_000 + b"a" * 8_999, "nested too deep"),
        (b"]q\x00h\x00a", "Circular"),
        (pickle.dumps(10**5000, 2)[2:-1], "4300 digits"),
        (b"]a", "'append'"), (b"0" * 9, "stack underflow"), (b"h\x07", "Memo"), (b"K\x01.", "does not hold"),
    ],
)  # fmt: skip
def test_what_numpy_never_writes_is_refused(tmp_path: Path, value: bytes, said: str) -> None:
    assert said in refusal(write_pickle(tmp_path / "file.npz", holding(value)))


def keys_of_one_hash() -> bytes:
    step = 2**61 - 1
    return b"}(" + b"".join(pickle.dumps(number * step, 2)[2:-1] + b"N" for number in range(30_000)) + b"u"


MANY = b"J" + (300_000).to_bytes(4, "little") + b"\x85"
EXHAUSTING: dict[str, Callable[[], bytes]] = {
    "many arrays over one list": lambda: (
        b"](" + b"N" * 300_000 + b"eq\x010](" + (EMPTY_ARRAY + b"(K\x01" + MANY + OBJECT + b"\x89h\x01tb") * 300 + b"e"
    ),
    "one text encoded many times": lambda: (
        counted(b"a" * 30_000_000) + b"q\x010](" + (ENCODE + b"h\x01" + counted(b"latin1") + b"\x86R") * 300 + b"e"
    ),
    "encodings of encodings": encodings_of_encodings,
    "keys with one hash": keys_of_one_hash,
    "a text ten million times": lambda: counted(b"a" * 1000) + b"q\x010](" + b"h\x01" * 10_000_000 + b"e",
}


@pytest.mark.parametrize("name", EXHAUSTING)
def test_a_small_pickle_cannot_exhaust_anything(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PROCESSOR_SECONDS", 0)
    path = write_pickle(tmp_path / "a.npz", holding(EXHAUSTING[name]()))
    assert path.stat().st_size < 500_000
    before = psutil.Process().memory_info().rss
    said = refusal(path)
    assert psutil.Process().memory_info().rss - before < 300e6
    assert "processor" in said or name != "keys with one hash"


def test_a_pickle_of_something_else_than_its_header_says(tmp_path: Path) -> None:
    assert "shape ()" in refusal(write_pickle(tmp_path / "list.npz", pickle.dumps([1], protocol=3)))
    array = np.array([1, None], dtype=object)
    assert "shape (3,)" in refusal(write_pickle(tmp_path / "shape.npz", pickle.dumps(array), shape=(3,)))
    assert "after its end" in refusal(write_pickle(tmp_path / "more.npz", holding(b"K\x01") + b"."))


def test_truncated_files(tmp_path: Path) -> None:
    pickled = pickle.dumps(np.array(sample(), dtype=object), protocol=4)
    for length in range(0, len(pickled), 199):
        refusal(write_pickle(tmp_path / "cut.npz", pickled[:length]))


DTYPES = ("?", "i1", "u2", "<i4", ">i8", "<f2", "<f4", ">f8", "U3", "S2")

arrays = st.sampled_from(DTYPES).flatmap(
    lambda code: hypothesis_numpy.arrays(
        code, hypothesis_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
    )
)
numbers = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
texts = st.text(max_size=6)
numpy_numbers = st.floats(width=32, allow_nan=False).map(np.float32) | st.integers(-9, 9).map(np.int64)
values = st.recursive(
    numbers | texts | arrays | numpy_numbers,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=12,
)


def held(value: object) -> np.ndarray:
    """The 0-d array of objects that `np.savez` makes of a value."""
    array = np.empty((), object)
    array[()] = value
    return array


@fuzzed
@given(value=values, protocol=st.integers(2, 4))
def test_any_plain_value_comes_back_as_it_was(tmp_path_factory, value: object, protocol: int) -> None:
    path = write_pickle(tmp_path_factory.getbasetemp() / "value.npz", pickle.dumps(held(value), protocol=protocol))
    assert_same(read_npz_key(path, "positions_3d"), value)


@fuzzed
@given(
    value=values,
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=4),
)
def test_any_mutation_of_any_value_is_an_input_error_or_another_value(tmp_path_factory, value, changes) -> None:
    pickled = pickle.dumps(held(value), protocol=4)
    for share, put, removed in changes:
        at = int(share * len(pickled))
        pickled = pickled[:at] + put + pickled[at + removed :]
    path = write_pickle(tmp_path_factory.getbasetemp() / "mutation.npz", pickled)
    with contextlib.suppress(InputError):
        read_npz_key(path, "positions_3d")


def test_what_is_no_npz(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(tmp_path / "missing.npz")
    text, folder, members = tmp_path / "text.npz", tmp_path / "folder.npz", tmp_path / "members.npz"
    text.write_text("not a zip")
    folder.mkdir()
    assert "get the file again" in refusal(text)
    assert "is no file" in refusal(folder)
    content = {"short": header((10**12,), "<f8") + bytes(80), "version": b"\x93NUMPY\x09\x00", "notes": b"hello"}
    write_npz(members, content)
    assert list(list_keys(members, "npz")) == list(content)
    assert "get the file again" in refusal(members, "notes")
    assert "memory" in refusal(members, "short")
    assert "(9, 0)" in refusal(members, "version")


def test_a_missing_key_has_its_neighbours_named(tmp_path: Path) -> None:
    path = tmp_path / "file.npz"
    np.savez(path, positions_3d={}, metadata={})
    assert "did you mean positions_3d? Valid: positions_3d, metadata" in refusal(path, "position_3d")
