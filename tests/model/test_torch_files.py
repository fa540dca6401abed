"""What `torch.save` wrote is read, and no file can have anything run, allocated or imported."""

import collections
import contextlib
import os
import pickle
import resource
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.untrusted import client
from pose3d_lib.data.untrusted.client import read_key
from pose3d_lib.model.videopose3d import import_checkpoint
from tests.helpers.hostile_files import encodings_of_encodings
from tests.helpers.published_network import published_network, write_checkpoint

LEGACY = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])

MAGIC = 0x1950A86A20F9469CFC6C  # with which PyTorch's older files begin


def save(content: object, path: Path, *, legacy: bool) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def write(path: Path, pickled: bytes, *, legacy: bool) -> Path:
    """A file whose content is a pickle that is made by hand."""
    if legacy:
        head = b"".join(pickle.dumps(value, 2) for value in (MAGIC, 1001, {"little_endian": True}))
        path.write_bytes(head + pickled + pickle.dumps([], 2))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (("data.pkl", pickled), ("byteorder", b"little"), ("version", b"3\n")):
                archive.writestr(f"archive/{name}", content)
    return path


@LEGACY
def test_numbers_containers_and_tensors_come_back(legacy: bool, tmp_path: Path) -> None:
    content = {
        "tensors": [
            torch.arange(6.0).view(2, 3), torch.tensor(3), torch.zeros(0), torch.ones(2).half(), torch.tensor([True]),
        ],
        "parameter": torch.nn.Parameter(torch.ones(3)),
        "others": [None, True, 5, -1, 2.5, "text", (1, [2]), collections.OrderedDict(a=1)],
    }  # fmt: skip
    found = read_key(save(content, tmp_path / "a.bin", legacy=legacy), "torch", "")
    assert found["others"] == [*content["others"][:-2], [1, [2]], {"a": 1}]
    for own, expected in zip(found["tensors"], content["tensors"], strict=True):
        assert own.dtype == expected.numpy().dtype
        np.testing.assert_array_equal(own, expected.numpy())
    assert (found["parameter"] == 1).all()


@pytest.mark.parametrize(
    "constructor",
    [
        b"cnumpy.random\n__RandomState_ctor\n)R",  # before 1.17
        b"cnumpy.random._pickle\n__randomstate_ctor\nX\x07\x00\x00\x00MT19937\x85R",  # from then on
        b"cnumpy.random._pickle\n__randomstate_ctor\ncnumpy.random._pickle\n__bit_generator_ctor\n"
        b"cnumpy.random._mt19937\nMT19937\n\x85R\x85R",
        b"cnumpy.random._pickle\n__randomstate_ctor\ncnumpy.random._pickle\n__bit_generator_ctor\n"
        b"cnumpy.random._mt19937\nMT19937\n\x85R}cnumpy.random.bit_generator\n__pyx_unpickle_SeedSequence\n"
        b"cnumpy.random.bit_generator\nSeedSequence\nK\x01N\x87R(NK\x04K\x00)tb\x86b\x85R",
    ],
    ids=["1.16", "1.17", "1.26", "2"],
)
@pytest.mark.parametrize("core", [b"core", b"_core"])
def test_random_states_of_every_numpy_are_passed_over(constructor: bytes, core: bytes, tmp_path: Path) -> None:
    latin1 = b"X\x06\x00\x00\x00latin1\x86R"
    begun = b"cnumpy.%s.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85c_codecs\nencode\n" % core
    dtype = b"cnumpy\ndtype\nX\x02\x00\x00\x00u4K\x00K\x01\x87R(K\x03X\x01\x00\x00\x00<NNNK\x00K\x00K\x00tb"
    numbers = b"c_codecs\nencode\nX\x04\x00\x00\x00\x01\x02\x03\x04" + latin1
    array = begun + b"X\x01\x00\x00\x00b" + latin1 + b"\x87R(K\x01K\x01\x85" + dtype + b"\x89" + numbers + b"tb"
    state = constructor + b"(X\x07\x00\x00\x00MT19937" + array + b"K\x05K\x00G" + bytes(8) + b"tb"
    pickled = b"\x80\x02}(X\x01\x00\x00\x00r" + state + b"X\x01\x00\x00\x00eK\x50u."
    assert read_key(write(tmp_path / "a.bin", pickled, legacy=True), "torch", "")["e"] == 80


# Files that would run code


class Calling:
    """Pickled, a call of a function that the file names."""

    def __init__(self, function: Callable, *arguments: object):
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable, tuple]:
        return self.call


HARM = Path(tempfile.gettempdir(), f"pose3d-harm-{os.getpid()}")
"""What the calls would make: an absolute path, because the process that reads files has a working folder of its own."""

HARMFUL = {
    "system": (Calling(os.system, f"echo > {HARM}"), "which is code"),
    "exec": (Calling(exec, f"open({str(HARM)!r}, 'w')"), "which is code"),
    "load": (Calling(torch.load, str(HARM)), "which is code"),
    "import": (Calling(__import__, "antigravity"), "which is code"),
    "bytearray": (Calling(bytearray, 10**11), "memory"),
    "numpy": (Calling(np.load, str(HARM), None, True), "which is code"),
    "tensor": (Calling(torch.FloatTensor, 10**11), "memory"),
}


@LEGACY
@pytest.mark.parametrize("name", HARMFUL)
def test_a_function_that_a_file_names_is_not_called(name, legacy, tmp_path) -> None:
    file, (call, said) = tmp_path / "a.bin", HARMFUL[name]
    key = "model_pos" if legacy else "random_state"
    write_checkpoint(file, published_network((3,)), legacy=legacy, **{key: call})
    with pytest.raises(InputError, match=said) as caught:
        import_checkpoint(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "weights_only" not in str(caught.value)
    assert not HARM.exists()


# Files that are damaged, or made to take memory, time or the stack


@LEGACY
@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.999])
def test_a_cut_file_is_refused(keep: float, legacy: bool, tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path / "a.bin", published_network((3, 3)), legacy=legacy)
    content = file.read_bytes()
    file.write_bytes(content[: round(keep * len(content))])
    with pytest.raises(InputError) as caught:
        import_checkpoint(file)
    assert str(caught.value).startswith(str(file))


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80", b"hello", b"PK\x03\x04", b"PK\x03\x04" + bytes(100), bytes(1000), b"\x80\x02]q\x00.", b"\x80\x05N."],
    ids=repr,
)
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.bin: .*cannot be read"):
        read_key(file, "torch", "")


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no file"):
        read_key(tmp_path, "torch", "")
    with pytest.raises(InputError, match=r"no\.bin: there is no such file"):
        read_key(tmp_path / "no.bin", "torch", "")


STACKED = {
    "tuples in a key": b"\x80\x02}" + b")" + b"\x85" * 300_000 + b"K\x01s.",
    "lists": b"\x80\x02" + b"]" * 200_001 + b"a" * 200_000 + b".",
    "operations": b"\x80\x02" + b"N0" * 600_000 + b"N.",
    "encodings of encodings": b"\x80\x02" + encodings_of_encodings() + b".",
    "a long name": b"\x80\x02c" + b"x" * 10**6 + b"\ny\n.",
    "a long text": b"\x80\x02X\xff\xff\xff\xff.",
    "another protocol": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
}


@pytest.mark.parametrize("name", STACKED)
def test_a_pickle_made_to_exhaust_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PROCESSOR_SECONDS", 1)
    file = write(tmp_path / "a.bin", STACKED[name], legacy=list(STACKED).index(name) % 2 == 0)
    with pytest.raises(InputError, match=r"a\.bin"):
        import_checkpoint(file)


def tensor_of(size: bytes, stride: bytes, numel: bytes, *, kind: bytes = b"FloatStorage") -> bytes:
    """The pickle of a state dict with one tensor, whose sizes are whatever the operations leave on the stack."""
    storage = b"(X\x07\x00\x00\x00storagectorch\n" + kind + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" + numel
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"%sQK\x00" + size + stride
    rebuild += b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02}X\x09\x00\x00\x00model_pos}X\x12\x00\x00\x00expand_conv.weight" + rebuild + b"ss."


HUGE = b"\x8a\x06" + (10**12).to_bytes(6, "little")
K = b"K\x01"
PROMISES = {
    "a storage of terabytes": tensor_of(b"K\x02K\x02K\x01\x87", b"K\x02K\x01K\x01\x87", HUGE),
    "a tensor of terabytes": tensor_of(HUGE + K + K + b"\x87", K + K + K + b"\x87", b"K\x04"),
    "one number, seen a million million times": tensor_of(HUGE + K + K + b"\x87", b"K\x00K\x00K\x00\x87", b"K\x04"),
    "a negative size": tensor_of(b"J\xff\xff\xff\xff" + K + K + b"\x87", K + K + K + b"\x87", b"K\x04"),
    "a size that is no number": tensor_of(b"N" + K + K + b"\x87", K + K + K + b"\x87", b"K\x04"),
    "more than there is": tensor_of(b"K\x40K\x40K\x03\x87", b"K\xc0K\x03K\x01\x87", b"K\x04"),
}


@pytest.mark.parametrize("name", PROMISES)
@LEGACY
def test_a_tensor_that_promises_more_than_the_file_holds_is_refused(name: str, legacy: bool, tmp_path: Path) -> None:
    pickled = PROMISES[name]
    file = tmp_path / "a.bin"
    if legacy:
        key = pickle.dumps(["0"], 2)
        head = b"".join(pickle.dumps(value, 2) for value in (MAGIC, 1001, {"little_endian": True}))
        file.write_bytes(head + pickled.replace(b"%sQ", b"NtQ") + key + struct.pack("<q", 4) + bytes(16))
    else:
        write(file, pickled.replace(b"%sQ", b"tQ"), legacy=False)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("archive/data/0", bytes(16))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"a\.bin"):
        import_checkpoint(file)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kB"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder, network = tmp_path_factory.mktemp("sound"), published_network((3, 3), channels=3)
    return [write_checkpoint(folder / "a.bin", network, legacy=legacy).read_bytes() for legacy in (False, True)]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_file_with_other_bytes_in_it_gives_a_model_or_a_refusal(data, sound, tmp_path_factory) -> None:
    content = bytearray(data.draw(st.sampled_from(sound)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, 6000))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.getbasetemp() / "changed.bin"
    file.write_bytes(content)
    with contextlib.suppress(InputError):
        assert all(tensor.isfinite().all() for tensor in import_checkpoint(file).lifters.state_dict().values())
