"""Reads a file that `torch.save` wrote, without running what somebody may have put into it.

Such a file is a pickle, and unpickling calls whatever functions the pickle names. Here the names are read first, and a file
with one that no tensor, container or number needs is refused. What is left goes to PyTorch's own restricted reader, which
looks up nothing but what it is allowed to. The state of a numpy random generator, which VideoPose3D's checkpoints hold, is
read and thrown away: none of numpy's own functions is called.
"""

import itertools
import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import torch

from pose3d_lib.errors import InputError, printable
from pose3d_lib.sources import zips

ZIP = b"PK\x03\x04"
PICKLES = 5
"""Of a file older than PyTorch 1.6: a number, a version, sizes of C's types, the content, and the names of what follows."""

MAX_STEPS, MAX_TUPLES = 500_000, 20_000
"""Operations of a pickle, and tuples among them: to hash tuples that stand in each other takes stack for each. The
checkpoint of two networks of 243 frames with their optimiser has some 12,000 and 1,300."""

FAULTS = (
    *zips.FAULTS, pickle.UnpicklingError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError,
)  # fmt: skip
"""What Python and PyTorch raise on pickles that are damaged or made up."""


ADVICE = "\n\nCheck the documentation"
"""With which PyTorch's own messages go on about trusting the file."""


class _Discarded:
    """Stands for anything of numpy's: it takes whatever it is given, and keeps nothing."""

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


_STORAGES = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
PLAIN = frozenset(
    {
        "collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter", "torch.Size",
        "_codecs.encode", *(f"torch.{kind}Storage" for kind in _STORAGES),
    }
)  # fmt: skip
"""What PyTorch's reader makes of tensors and containers by itself."""

DISCARDED = frozenset(
    {
        "numpy.ndarray", "numpy.dtype", "numpy.random.__RandomState_ctor", "numpy.random._pickle.__randomstate_ctor",
        "numpy.random._pickle.__bit_generator_ctor", "numpy.random._mt19937.MT19937",
        "numpy.random.bit_generator.SeedSequence", "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
        *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    }
)  # fmt: skip
"""What numbers and random generators of numpy are made of, in files by any version of it."""


def read_torch_file(path: Path) -> object:
    """What the file holds: tensors, containers, texts and numbers.

    Raises:
        InputError: the file is not there, is none by `torch.save`, is not whole, or names anything else.
    """
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # whoever reads the file did not choose how it is written
            _check(path, file)
            file.seek(0)
            with torch.serialization.safe_globals([(_Discarded, name) for name in DISCARDED]):
                return torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); name another file") from error
    except FAULTS as error:
        said = str(error).partition(ADVICE)[0].strip() or repr(error)
        reason = printable(said.splitlines()[-1].strip())[:200]
        raise InputError(
            f"{path}: cannot be read as a file of torch.save ({type(error).__name__}: {reason}); get the file again"
        ) from error


def _check(path: Path, file: BinaryIO) -> None:
    """Refuses a file by what its pickles name, and one that unpacks to more than it is."""
    if file.read(len(ZIP)) != ZIP:
        file.seek(0)
        for _ in range(PICKLES):
            _check_pickle(path, file)
        return
    with zips.open_zip(path) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise InputError(f"{path}: a compressed archive, which torch.save never writes; refused")
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise InputError(f"{path}: an archive whose files lie on each other; refused")
        pickles = [member for member in members if member.filename.endswith(".pkl")]
        if not pickles:
            raise InputError(f"{path}: an archive without a pickle, so none by torch.save; name another file")
        for member in pickles:
            with archive.open(member) as content:
                _check_pickle(path, content)


def _check_pickle(path: Path, file: BinaryIO) -> None:
    """Reads one pickle to its end; an InputError where it names what is not allowed, or is longer than any checkpoint's."""
    tuples = 0
    for name, argument in _operations(path, file):
        tuples += name.startswith("TUPLE")
        if tuples > MAX_TUPLES:
            raise InputError(f"{path}: holds more than {MAX_TUPLES:,} tuples, as no checkpoint does; refused")
        if name == "GLOBAL" and (asked := str(argument).replace(" ", ".", 1)) not in PLAIN | DISCARDED:
            raise InputError(
                f"{path}: asks for {printable(asked)[:100]}, which is code; refused. Do not open this file with other "
                "programs either"
            )


def _operations(path: Path, file: BinaryIO) -> Iterator[tuple[str, object]]:
    operations = pickletools.genops(file)
    for operation, argument, _ in itertools.islice(operations, MAX_STEPS):
        yield operation.name, argument
        if operation.name == "STOP":
            return
    raise InputError(f"{path}: has more than {MAX_STEPS:,} pickle operations, as no checkpoint has; refused")
