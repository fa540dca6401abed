"""Files of zips and tars, read in the process with limits: what comes out, and what of hostile archives is refused."""

import io
import tarfile
import zipfile
from pathlib import Path

import psutil
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.untrusted import client
from pose3d_lib.data.untrusted.client import list_keys, read_key

CONTENT = {"a/one.txt": b"first", "a/two.txt": b"", "b/three.bin": bytes(range(256)) * 300, "b/grün 1.txt": b"x"}
EVERY_WAY = pytest.mark.parametrize("way", ["zip", "stored.zip", "tgz", "tar"])
BOTH = pytest.mark.parametrize("way", ["zip", "tgz"])


def write(path: Path, content: dict[str, bytes] = CONTENT) -> Path:
    if path.suffix == ".zip":
        method = zipfile.ZIP_STORED if "stored" in path.name else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("a/", b"")
            for name, data in content.items():
                archive.writestr(name, data)
        return path
    folder = tarfile.TarInfo("a")
    folder.type = tarfile.DIRTYPE
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as archive:
        archive.addfile(folder)
        for name, data in content.items():
            add(archive, name, data)
    return path


def add(archive: tarfile.TarFile, name: str, data: bytes = b"", **changes: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in changes.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(data))


def contents(path: Path) -> dict[str, bytes]:
    sizes = list_keys(path, "archive")
    found = {name: read_key(path, "archive", name).tobytes() for name in sizes}
    assert {name: len(data) for name, data in found.items()} == sizes
    return found


def refuse(path: Path, message: str) -> None:
    """Must be refused by name, and without much memory of this process."""
    before = psutil.Process().memory_info().rss
    with pytest.raises(InputError, match=message) as refusal:
        contents(path)
    assert psutil.Process().memory_info().rss - before < 50e6
    assert str(path) in str(refusal.value)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PROCESSOR_SECONDS", 1)


@EVERY_WAY
def test_every_file_comes_out_as_it_went_in(way: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"x.{way}")
    assert contents(path) == CONTENT
    path = write(path, {"other": b"1"})  # what was open is not that file any more
    assert contents(path) == {"other": b"1"}


@BOTH
def test_a_path_that_leads_out_is_refused_by_name(way: str, tmp_path: Path) -> None:
    for name in ("../out", "a/../../out", "/tmp/out", "..", "a\\..\\..\\out", "C:/out", "\\out", "a/.."):
        path = write(tmp_path / f"x.{way}", {**CONTENT, name: b"out"})
        with pytest.raises(InputError, match="leads out of the archive") as refusal:
            list_keys(path, "archive")
        assert repr(name) in str(refusal.value)


def test_a_name_with_a_zero_byte_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.zip", {"good_bad": b""})
    path.write_bytes(path.read_bytes().replace(b"good_bad", b"good\0bad"))
    refuse(path, "leads out of the archive")


@BOTH
def test_dots_within_a_name_are_no_path_that_leads_out(way: str, tmp_path: Path) -> None:
    names = dict.fromkeys(("a..b/x", "...", "a/..x", "a/x..", "a/./x", "a:b"), b"in")
    assert contents(write(tmp_path / f"x.{way}", names)) == names


def test_links_and_devices_in_a_tar_are_not_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as archive:
        add(archive, "link", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(archive, "hard link", type=tarfile.LNKTYPE, linkname="good")
        add(archive, "device", type=tarfile.CHRTYPE, devmajor=1, devminor=5)
        add(archive, "pipe", type=tarfile.FIFOTYPE)
        add(archive, "good", b"good")
    for name in list_keys(tmp_path / "x.tgz", "archive"):
        if name == "good":
            assert read_key(tmp_path / "x.tgz", "archive", name).tobytes() == b"good"
            continue
        with pytest.raises(InputError, match=f"'{name}': is a link or a device"):
            read_key(tmp_path / "x.tgz", "archive", name)


@BOTH
def test_an_archive_that_unpacks_to_far_more_is_refused(way: str, tmp_path: Path) -> None:
    zeros = bytes(10_000_000)
    path = write(tmp_path / f"x.{way}", {f"{number}": zeros for number in range(11)})
    refuse(path, "unpacks to more than 100,000,000")


@BOTH
def test_a_name_that_is_there_twice_is_refused(way: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"x.{way}", {"one": b"1", "two": b"2"} if way == "zip" else {})
    if way == "zip":
        path.write_bytes(path.read_bytes().replace(b"two", b"one"))
    else:
        with tarfile.open(path, "w:gz") as archive:
            add(archive, "one", b"1")
            add(archive, "one", b"2")
    refuse(path, "'one' twice")


@pytest.mark.parametrize("size", [10**6, 10**12])
def test_a_member_that_claims_more_than_there_is_is_refused(size: int, tmp_path: Path) -> None:
    header = tarfile.TarInfo("a/long")
    header.size = size
    (tmp_path / "x.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + b"short")
    refuse(tmp_path / "x.tar", r"x\.tar: ")


@EVERY_WAY
def test_an_archive_that_is_cut_off_anywhere_is_refused(way: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"x.{way}")
    whole = path.read_bytes()
    # A tar that is not compressed ends in empty blocks, which it may lack.
    end = len(whole) if way != "tar" else whole.rindex(b"x") - 600
    for length in range(0, end, max(1, end // 8)):
        path.write_bytes(whole[:length])
        refuse(path, r"x\.")


def test_a_damaged_header_is_not_taken_for_the_end_of_a_tar(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tar", {"one": bytes(20_000), "two": bytes(20_000), "three": b"3" * 30_000})
    data = bytearray(path.read_bytes())
    data[data.index(b"two") + 150] ^= 1
    path.write_bytes(data)
    refuse(path, "damaged behind its file number 1")


@EVERY_WAY
def test_what_is_no_archive_is_refused_by_name(way: str, tmp_path: Path) -> None:
    for content in (b"", b"nothing of that kind" * 100, b"\x1f\x8b" + bytes(100), b"PK\3\4" + bytes(99)):
        (tmp_path / f"x.{way}").write_bytes(content)
        refuse(tmp_path / f"x.{way}", "cannot be read")
