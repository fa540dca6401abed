"""Opening zips that somebody else made: long tables of files are not read, paths lead nowhere, files are plain ones."""

import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.untrusted import zips
from pose3d_lib.data.untrusted.zips import check_member, open_zip


def write(path: Path, *names: str, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(name, name)
    return path


def refuse(place: Path, message: str) -> None:
    """Must be refused by name, quickly, and without much memory."""
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=message) as refusal, open_zip(place):
            pass
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 3
    assert str(place) in str(refusal.value)


def test_an_honest_archive_is_opened(tmp_path: Path) -> None:
    with open_zip(write(tmp_path / "x.zip", "a/", "a/b.txt", "grün.txt")) as archive:
        assert archive.namelist() == ["a/", "a/b.txt", "grün.txt"]
        assert archive.read("grün.txt").decode() == "grün.txt"


def test_so_is_one_of_the_form_for_large_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
        write(tmp_path / "x.zip", "a", "b")
    assert b"PK\6\6" in (tmp_path / "x.zip").read_bytes()
    with open_zip(tmp_path / "x.zip") as archive:
        assert archive.namelist() == ["a", "b"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_file_may_be_larger_than_a_table(method: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "MOST_TABLE", 100)
    content = bytes(range(256)) * 10
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.writestr("x", content)
    with open_zip(tmp_path / "x.zip") as archive, archive.open("x") as file:
        assert file.read(len(content)) == content


def long_table(form: str) -> bytes:
    """A zip of nothing but a table of 400,000 files, and the records of its end, which tell of that in several forms."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    table = entry * 400_000
    size = 0xFFFFFFFF if form == "large" else len(table)
    disks = b"PK\5\6" if form == "two ends in one" else bytes(4)
    end = struct.pack("<4s4s2H2IH", b"PK\5\6", disks, 0xFFFF, 0xFFFF, size, 0, 0)
    if form != "large":
        return table + end
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 400_000, 400_000, len(table), 0)
    return table + record + struct.pack("<4sIQI", b"PK\6\7", 0, len(table), 1) + end


@pytest.mark.parametrize("form", ["small", "large", "two ends in one"])
def test_a_table_of_files_that_is_too_long_is_not_read(form: str, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(long_table(form))
    refuse(tmp_path / "x.zip", "table of files is said to have 18,800,000 bytes")


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "x.zip", *"abcd")
    monkeypatch.setattr(zips, "MOST_MEMBERS", 4)
    with open_zip(tmp_path / "x.zip") as archive:
        assert len(archive.namelist()) == 4
    monkeypatch.setattr(zips, "MOST_MEMBERS", 3)
    refuse(tmp_path / "x.zip", "more than 3 files")


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "..", "a\\..\\..\\x", "C:/x", "C:\\x", "\\x", "a/.."])
def test_an_archive_with_a_path_that_leads_out_is_not_opened(name: str, tmp_path: Path) -> None:
    refuse(write(tmp_path / "x.zip", "good", name), "leads out of the archive")


def test_nor_is_one_with_a_name_that_goes_on_behind_its_end(tmp_path: Path) -> None:
    write(tmp_path / "x.zip", "good_bad")
    (tmp_path / "x.zip").write_bytes((tmp_path / "x.zip").read_bytes().replace(b"good_bad", b"good\0bad"))
    refuse(tmp_path / "x.zip", "leads out of the archive")


@pytest.mark.parametrize("name", ["a..b/x", "...", "a/..x", "a/x..", "a/./x", "./x", "a:b"])
def test_dots_within_a_name_are_no_path_that_leads_out(name: str, tmp_path: Path) -> None:
    with open_zip(write(tmp_path / "x.zip", name)) as archive:
        assert archive.namelist() == [name]


@pytest.mark.parametrize("content", [b"", b"nothing of that kind" * 100, b"PK\3\4" + bytes(100), b"PK\5\6" + bytes(17)])
def test_what_is_no_zip_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    refuse(tmp_path / "x.zip", "cannot be read")


def test_a_zip_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path / "x.zip", "No such file")


@pytest.mark.parametrize(("mode", "plain"), [(0, True), (0o100644, True), (0o120777, False), (0o020666, False)])
def test_links_and_devices_are_no_files(mode: int, plain: bool, tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a")
    info.external_attr = mode << 16
    if plain:
        check_member(tmp_path, info)
        return
    with pytest.raises(InputError, match="'a' is a link or a device"):
        check_member(tmp_path, info)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_whose_output_cannot_be_bounded_are_refused(method: int, tmp_path: Path) -> None:
    with (
        open_zip(write(tmp_path / "x.zip", "one", method=method)) as archive,
        pytest.raises(InputError, match=f"'one' is compressed by method {method}"),
    ):
        check_member(tmp_path, archive.infolist()[0])


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a")
    info.flag_bits = 0x801
    with pytest.raises(InputError, match="'a' is encrypted"):
        check_member(tmp_path, info)
