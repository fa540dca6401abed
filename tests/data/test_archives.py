"""Streaming files from folders, zips and tars: what comes out, and what of hostile archives is refused."""

import gzip
import io
import random
import struct
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.human36m import archives
from pose3d_lib.data.sources.human36m.archives import is_archive, list_names, stream_files
from pose3d_lib.data.untrusted import zips

CONTENT = {"a/one.txt": b"first", "a/two.txt": b"", "b/three.bin": bytes(range(256)) * 300, "b/grün 1.txt": b"x"}
WAYS = ("zip", "stored.zip", "tgz", "tar.gz", "tar")


def write(path: Path, content: dict[str, bytes] = CONTENT) -> Path:
    if path.suffix == ".zip":
        method = zipfile.ZIP_STORED if "stored" in path.name else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("a/", b"")
            for name, data in content.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as archive:
        folder = tarfile.TarInfo("a")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in content.items():
            add(archive, name, data)
    return path


def add(archive: tarfile.TarFile, name: str, data: bytes = b"", **changes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in changes.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(data))


def write_tar(path: Path, *members: tuple[str, bytes, dict]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data, changes in members:
            add(archive, name, data, **changes)
    return path


def contents(place: Path, wanted: Callable[[str], bool] = lambda name: True, *patterns: str) -> dict[str, bytes]:
    return {name: file.read_bytes() for name, file in stream_files(place, wanted, patterns)}


def refuse(place: Path, message: str, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Must be refused by name, quickly, and without much memory."""
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=message) as refusal:
            for _ in stream_files(place, wanted):
                pass
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 3
    assert str(place) in str(refusal.value)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nothing may stay in the temporary folder, and nothing may appear beside the archive."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("way", WAYS)
def test_every_file_comes_out_as_it_went_in(way, tmp_path: Path) -> None:
    assert contents(write(tmp_path / f"x.{way}")) == CONTENT


@pytest.mark.parametrize("way", WAYS)
def test_only_wanted_files_come_out_and_each_name_is_asked_about_once(way, tmp_path: Path) -> None:
    asked: list[str] = []

    def wanted(name: str) -> bool:
        asked.append(name)
        return name.startswith("b/")

    assert list(contents(write(tmp_path / f"x.{way}"), wanted)) == ["b/three.bin", "b/grün 1.txt"]
    assert asked == list(CONTENT)


def test_files_of_a_folder_are_those_that_suit_a_pattern_in_order(tmp_path: Path) -> None:
    for name in ("s/b/2.txt", "s/a/1.txt", "s/a/1.bin", "deep/s/a/3.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "s" / "c" / "folder.txt").mkdir(parents=True)
    assert list_names(tmp_path, ["s/*/*.txt", "*/*/*.txt"]) == ["s/a/1.txt", "s/b/2.txt"]
    assert contents(tmp_path, lambda name: "b" in name, "s/*/*.txt") == {"s/b/2.txt": b"s/b/2.txt"}


def test_the_files_of_a_folder_are_not_copied_and_stay(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    for _, file in stream_files(tmp_path, lambda name: True, ["*.txt"]):
        assert file == tmp_path / "x.txt"
        assert list(temporary.iterdir()) == []
    assert (tmp_path / "x.txt").read_text() == "x"


def test_names_are_listed_of_a_zip_but_not_of_a_tar(tmp_path: Path) -> None:
    assert list_names(write(tmp_path / "x.zip"), ()) == sorted(CONTENT)
    assert list_names(write(tmp_path / "x.tgz"), ()) is None


def test_archives_are_told_by_their_names(tmp_path: Path) -> None:
    for name in ("a.zip", "b.TGZ", "c.tar.gz", "d.tar"):
        (tmp_path / name).touch()
        assert is_archive(tmp_path / name)
    (tmp_path / "e.gz").touch()
    (tmp_path / "f.zip").mkdir()
    assert not any(is_archive(tmp_path / name) for name in ("e.gz", "f.zip", "none.zip"))


@pytest.mark.parametrize("way", ["zip", "tgz"])
def test_only_one_file_at_a_time_lies_in_the_temporary_folder_and_none_when_the_caller_stops(
    way, tmp_path: Path, temporary: Path
) -> None:
    for number, _ in enumerate(stream_files(write(tmp_path / f"x.{way}"), lambda name: True)):
        assert sum(file.is_file() for file in temporary.rglob("*")) == 1
        if number == 1:
            break


PATHS_OUT = (
    "../out.txt",
    "a/../../out.txt",
    "/tmp/out.txt",
    "..",
    "a\\..\\..\\out.txt",
    "C:/out.txt",
    "C:\\out.txt",
    "\\out.txt",
)


@pytest.mark.parametrize("name", PATHS_OUT)
@pytest.mark.parametrize("way", ["zip", "tgz"])
def test_a_path_that_leads_out_is_refused_by_name_even_if_nobody_wants_it(way, name, tmp_path: Path) -> None:
    path = write(tmp_path / f"x.{way}", {**CONTENT, name: b"out"})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="leads out of the archive") as refusal:
        contents(path, lambda name: False)
    assert repr(name) in str(refusal.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["a..b/x", "...", "a/..x", "a/x..", "a/./x"])
@pytest.mark.parametrize("way", ["zip", "tgz"])
def test_dots_within_a_name_are_no_path_that_leads_out(way, name, tmp_path: Path) -> None:
    assert contents(write(tmp_path / f"x.{way}", {name: b"in"})) == {name: b"in"}


LINKS = {
    "link": {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "hard link": {"type": tarfile.LNKTYPE, "linkname": "a/one.txt"},
    "device": {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5},
    "block device": {"type": tarfile.BLKTYPE},
    "pipe": {"type": tarfile.FIFOTYPE},
}


@pytest.mark.parametrize("kind", LINKS)
def test_links_and_devices_of_a_tar_are_refused_if_wanted_and_passed_over_if_not(kind, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tgz", ("a/bad", b"", LINKS[kind]), ("a/good", b"good", {}))
    refuse(path, "'a/bad' is a link or a device")
    assert contents(path, lambda name: name == "a/good") == {"a/good": b"good"}


def test_links_of_a_zip_are_refused_if_wanted(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("a/bad")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    refuse(tmp_path / "x.zip", "'a/bad' is a link or a device")
    assert contents(tmp_path / "x.zip", lambda name: False) == {}


def test_a_file_with_holes_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tgz", ("a/bad", bytes(512), {"type": tarfile.GNUTYPE_SPARSE}))
    refuse(path, "a/bad|link or a device|cannot be read")
    marks = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a/bad", "GNU.sparse.realsize": "999"}
    path = write_tar(tmp_path / "y.tgz", ("a/bad", b"1\n0\n4\n".ljust(512, b"\0") + b"data", {"pax_headers": marks}))
    refuse(path, "'a/bad' is a link or a device")


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_is_too_large_is_refused_by_name(way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / f"x.{way}")
    monkeypatch.setattr(archives, "FILE_LIMIT", 300 * 256)
    assert contents(path) == CONTENT
    monkeypatch.setattr(archives, "FILE_LIMIT", 300 * 256 - 1)
    refuse(path, "'b/three.bin' has 76,800 bytes; expected a recording of at most 76,799")


def test_a_file_of_a_folder_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.txt").open("wb") as file:
        file.truncate(archives.FILE_LIMIT + 1)
    with pytest.raises(InputError, match=r"'x\.txt' has 50,000,001 bytes"):
        contents(tmp_path, lambda name: True, "*.txt")


@pytest.mark.parametrize("way", ["zip", "tgz"])
@pytest.mark.parametrize("together", [False, True])
def test_an_archive_that_unpacks_to_far_more_is_refused(together, way, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "FILE_LIMIT", 5_000_000)
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 10_000_000)
    zeros = bytes(archives.FILE_LIMIT // 2)
    content = {f"{number}": zeros for number in range(5)} if together else {"0": bytes(archives.FILE_LIMIT + 1)}
    path = write(tmp_path / f"x.{way}", content)
    refuse(path, "unpacks to more than 10,000,000 bytes" if together else "'0' has 5,000,001 bytes")


def test_a_large_file_that_nobody_wants_counts_too_in_a_tar_which_must_unpack_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 10_000_000)
    refuse(write(tmp_path / "x.tgz", {"0": bytes(11_000_000)}), "unpacks to more", lambda name: False)


@pytest.mark.parametrize("declared", [4, 6])
def test_a_zip_whose_file_is_not_as_large_as_it_says_is_refused(declared, tmp_path: Path) -> None:
    data = bytearray(write(tmp_path / "x.zip", {"one": b"first"}).read_bytes())
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = data.rindex(signature) + offset
        assert struct.unpack_from("<I", data, at) == (5,)
        struct.pack_into("<I", data, at, declared)
    (tmp_path / "x.zip").write_bytes(data)
    refuse(tmp_path / "x.zip", "'one'")


def test_a_compression_whose_output_cannot_be_bounded_is_refused_if_wanted(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("one", bytes(1000))
    refuse(tmp_path / "x.zip", "'one' is compressed by method")
    assert contents(tmp_path / "x.zip", lambda name: False) == {}


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "MOST_MEMBERS", 4)
    for way in ("zip", "tgz"):
        refuse(write(tmp_path / f"x.{way}"), "more than 4 files")


def test_a_header_that_is_as_large_as_a_file_is_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "x.tgz", "wb") as file:
        for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
            header = tarfile.TarInfo("x")
            header.type, header.size = kind, 30_000_000
            file.write(header.tobuf(tarfile.GNU_FORMAT))
            file.write(b"9" * 30_000_000)
    refuse(tmp_path / "x.tgz", "a header of more than")


def test_a_member_that_claims_more_than_there_is_is_refused(tmp_path: Path) -> None:
    for size in (10**6, 10**12, 8**11 - 1):
        header = tarfile.TarInfo("a/long")
        header.size = size
        (tmp_path / "x.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + b"short")
        refuse(tmp_path / "x.tar", "a/long|unpacks to more")
        if size > archives.ALWAYS_ALLOWED:
            refuse(tmp_path / "x.tar", "unpacks to more", lambda name: False)


def test_a_long_text_in_the_header_of_a_gzip_stream_takes_no_time(tmp_path: Path) -> None:
    (tmp_path / "x.tgz").write_bytes(b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 20_000_000)
    refuse(tmp_path / "x.tgz", "cannot be read")


def test_what_follows_a_gzip_stream_is_refused_unless_it_is_padding(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tgz")
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(1000))
    assert contents(path) == CONTENT
    path.write_bytes(whole + gzip.compress(b"more"))
    refuse(path, "something follows")


@pytest.mark.parametrize("way", WAYS)
def test_an_archive_that_is_cut_off_anywhere_is_refused(way, tmp_path: Path) -> None:
    path = write(tmp_path / f"x.{way}")
    whole = path.read_bytes()
    # A tar that is not compressed ends in empty blocks, which it may lack.
    end = len(whole) if way != "tar" else whole.rindex(b"x") - 600
    for length in range(0, end, max(1, end // 60)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError) as refusal:
            contents(path)
        assert str(path) in str(refusal.value)


@pytest.mark.parametrize("way", ["zip", "tgz"])
def test_damaged_bytes_never_go_unnoticed_in_what_comes_out(way, tmp_path: Path) -> None:
    path = write(tmp_path / f"x.{way}")
    whole = path.read_bytes()
    rng = random.Random(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            found = contents(path)
        except InputError:
            refused += 1
        else:
            assert set(found.values()) <= set(CONTENT.values())
    assert refused > 50


def test_a_damaged_header_is_not_taken_for_the_end_of_a_tar(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tar", {"one": bytes(20_000), "two": bytes(20_000), "three": b"3" * 30_000})
    data = bytearray(path.read_bytes())
    data[data.index(b"two") + 150] ^= 1
    path.write_bytes(data)
    refuse(path, "damaged behind its file number 2")


def test_what_is_no_archive_is_refused_by_name(tmp_path: Path) -> None:
    for way in WAYS:
        for content in (b"", b"nothing of that kind" * 100, b"\x1f\x8b" + bytes(100), b"PK\3\4" + bytes(100)):
            (tmp_path / f"x.{way}").write_bytes(content)
            refuse(tmp_path / f"x.{way}", "cannot be read")
