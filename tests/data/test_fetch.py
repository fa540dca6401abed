"""Fetching open collections: from a server on this machine, honest and hostile; never the internet."""

import hashlib
import io
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from pose3d_lib.common.errors import InputError
from pose3d_lib.data import catalogue
from pose3d_lib.data.catalogue import RECORD, Collection
from pose3d_lib.data.sources.fetch import fetch

INSIDE = "walks-abc/dataset/one/"
MOTION = b"HIERARCHY\n" + bytes(range(256)) * 200


def pack(files: dict[str, bytes], *, stored: bool = True) -> bytes:
    """A zip archive; stored, so that a part of its bytes is a part of the files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, archive.compression)
    return buffer.getvalue()


FILES = {
    f"{INSIDE}data/walk_ann_1.bvh": MOTION, f"{INSIDE}data/run_bob_1.bvh": MOTION * 2,
    f"{INSIDE}data/walk_ann_1.json": b"{}", f"{INSIDE}LICENSE": b"be kind",
    "walks-abc/dataset/two/data/walk_cat_1.bvh": b"of the other dataset",
    "walks-abc/LICENSE": b"of the scripts",
}  # fmt: skip
WHOLE = pack(FILES)


class Shop(ThreadingHTTPServer):
    """A server of one file, which keeps count of its answers and can refuse or break off."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.status = WHOLE, 200
        self.lengths = True  # GitHub does not tell how long an archive is
        self.cut: int | None = None  # bytes after which an answer breaks off
        self.answers = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}/walks/zip/abc"

    def handle_error(self, *_: object) -> None:
        pass  # the client went away, as some tests want it to


class Handler(BaseHTTPRequestHandler):
    server: Shop
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        shop, self.close_connection = self.server, True
        shop.answers += 1
        sent = shop.body[: shop.cut]
        self.send_response(shop.status)
        if shop.lengths:
            self.send_header("Content-Length", str(len(shop.body)))
        else:
            self.send_header("Transfer-Encoding", "chunked")
            sent = b"%x\r\n%s\r\n" % (len(sent), sent) + b"0\r\n\r\n" * (shop.cut is None)
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shop() -> Iterator[Shop]:
    server = Shop()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A POSE3D_DATA of its own, and no proxy between the test and its server."""
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "data"


def table(url: str, **changes: object) -> dict:
    licence = {"name": "CC BY-NC 4.0", "url": "https://example.org/by-nc", "terms": "Not for commercial use."}
    words = {"title": "Walks", "content": "two walks", "citation": "Ann, Walks, 2020", "licence": licence}
    where = {"url": url, "archive": "walks.zip", "commit": "abc", "inside": "dataset/one", "documents": ["LICENSE"]}
    return {**words, **where, **changes}


@pytest.fixture
def offer(root: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """Puts a collection called walks into the catalogue, in place of all that is there."""

    def put(url: str = "", **changes: object) -> None:
        known = Collection(name="walks", **table(url or shop.url, **changes))
        monkeypatch.setattr(catalogue, "collections", lambda: {"walks": known})

    put()
    return put


@pytest.fixture
def said() -> list[str]:
    return []


def get(said: list[str] | None = None, **options: object) -> Path:
    console = Console(file=io.StringIO(), width=100)
    try:
        return fetch("walks", console, **options)
    finally:
        if said is not None:
            said += console.file.getvalue().splitlines()


def files(folder: Path) -> dict[str, bytes]:
    found = (file for file in folder.rglob("*") if file.is_file() and file.name != RECORD)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in found}


def record(root: Path) -> dict:
    return json.loads((root / "walks" / RECORD).read_text())


UNPACKED = {"walk_ann_1.bvh": MOTION, "run_bob_1.bvh": MOTION * 2, "LICENSE": b"be kind"}
UNPACKED_BYTES = sum(map(len, UNPACKED.values()))


def refused(root: Path, message: str, **options: object) -> str:
    """Why nothing is fetched, and nothing but downloads lies about afterwards."""
    with pytest.raises(InputError, match=message) as refusal:
        get(**options)
    assert [path.name for path in root.iterdir()] == ["downloads"]
    return str(refusal.value)


# Fetching


def test_the_motion_and_the_documents_of_the_wanted_folder_are_unpacked_with_a_record(offer, shop, root, said) -> None:
    assert get(said) == root / "walks"
    before, _, after = "\n".join(said).partition("Downloading")
    for text in ("Walks", "CC BY-NC 4.0", "https://example.org/by-nc", "Not for commercial use.", "Ann, Walks, 2020"):
        assert text in before
    assert "154.6/154.6 kB" in next(line for line in after.splitlines() if line.startswith("downloading"))
    assert files(root / "walks") == UNPACKED
    made = record(root)
    assert (made["url"], made["commit"], made["citation"]) == (shop.url, "abc", "Ann, Walks, 2020")
    assert (made["sha256"], made["files"], made["bytes"]) == (hashlib.sha256(WHOLE).hexdigest(), 3, UNPACKED_BYTES)
    assert made["licence"] == table("")["licence"]
    assert get(said) == root / "walks"
    assert shop.answers == 1  # what was fetched is not fetched again
    assert "was fetched on" in said[-1]


# Downloading


@pytest.mark.parametrize("server", [{"status": 404}, {"cut": 1000}, {"cut": 1000, "lengths": False}], ids=str)
def test_a_download_that_cannot_be_had_is_refused_and_had_by_the_next_try(server, offer, shop, root) -> None:
    vars(shop).update(server)
    assert shop.url in refused(root, "cannot be downloaded.*Try again")
    assert not list((root / "downloads").glob("walks*"))
    vars(shop).update(status=200, cut=None)
    assert files(get()) == UNPACKED
    assert (root / "downloads" / "walks.zip").read_bytes() == WHOLE


def test_without_network_the_address_and_what_to_do_are_said(offer, root: Path) -> None:
    closed = Shop()
    closed.server_close()
    offer(closed.url)
    said = refused(root, "Try again")
    assert closed.url in said
    assert f"put it at {root / 'downloads' / 'walks.zip'}" in said


# What is there already


CHANGED = (
    {**FILES, f"{INSIDE}data/walk_ann_1.bvh": b"other"},
    {name.replace("run_bob", "run_tim"): content for name, content in FILES.items()},
)


@pytest.mark.parametrize("changed", CHANGED, ids=["content", "name"])
def test_files_that_changed_since_the_first_fetch_are_refused_with_both_values(changed, offer, shop, root) -> None:
    get()
    first = record(root)
    shop.body = pack(changed)
    with pytest.raises(InputError, match="not those of") as refusal:
        get(again=True)
    for value in (first["sha256"], first["contents_sha256"], hashlib.sha256(shop.body).hexdigest()):
        assert value in str(refusal.value)
    assert files(root / "walks") == UNPACKED
    assert record(root) == first


def test_again_mends_a_folder_also_from_an_archive_that_was_packed_again(offer, shop: Shop, root: Path) -> None:
    (get() / "run_bob_1.bvh").unlink()
    shop.body = pack(dict(reversed(FILES.items())), stored=False)
    get(again=True)
    assert record(root)["sha256"] == hashlib.sha256(shop.body).hexdigest()
    assert files(root / "walks") == UNPACKED


def test_files_of_another_commit_replace_the_old_ones(offer, shop: Shop, root: Path, said: list[str]) -> None:
    get()
    offer(commit="def")
    shop.body = pack({f"{INSIDE}data/new.bvh": b"new"})
    get(said)
    assert "now def" in said[0]
    get(again=True)
    assert files(root / "walks") == {"new.bvh": b"new"}


@pytest.mark.parametrize("text", ["", "[]", '{"url": 1}', "[" * 100_000])
def test_a_damaged_record_is_refused_by_name(text, offer, root: Path) -> None:
    (get() / RECORD).write_text(text)
    with pytest.raises(InputError, match=RECORD):
        get()


def test_a_folder_of_somebody_else_is_left_alone_and_a_file_in_its_place_named(offer, shop: Shop, root: Path) -> None:
    (root / "walks").mkdir(parents=True)
    (root / "walks" / "mine.bvh").write_bytes(b"mine")
    with pytest.raises(InputError, match="not put there by"):
        get()
    assert files(root / "walks") == {"mine.bvh": b"mine"}
    shutil.rmtree(root)
    root.write_text("not a folder")
    with pytest.raises(InputError, match="POSE3D_DATA"):
        get()
    assert not shop.answers


def test_an_archive_put_there_by_hand_is_used(offer, shop: Shop, root: Path) -> None:
    (root / "downloads").mkdir(parents=True)
    (root / "downloads" / "walks.zip").write_bytes(WHOLE)
    assert files(get()) == UNPACKED
    assert not shop.answers


def test_two_collections_in_one_archive_are_downloaded_once(offer, shop: Shop, root: Path, monkeypatch) -> None:
    get()
    other = Collection(name="others", **table(shop.url, inside="dataset/two", documents=[]))
    monkeypatch.setattr(catalogue, "collections", lambda: {"others": other})
    assert files(fetch("others", Console(quiet=True))) == {"walk_cat_1.bvh": b"of the other dataset"}
    assert (root / "others").is_dir()
    assert shop.answers == 1


def test_two_fetches_at_once_download_once(offer, shop: Shop, root: Path, said: list[str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: get(said), range(2))
    assert first == second == root / "walks"
    assert shop.answers == 1
    assert files(root / "walks") == UNPACKED


def test_what_a_killed_fetch_left_is_removed(offer, root: Path) -> None:
    (root / ".walks.unpacking").mkdir(parents=True)
    (root / ".walks.unpacking" / "half.bvh").touch()
    assert files(get()) == UNPACKED
    assert {path.name for path in root.iterdir()} == {"walks", "downloads"}
    assert {path.name for path in (root / "downloads").iterdir()} <= {"walks.zip", ".lock"}


def test_a_fetch_that_is_killed_while_the_old_files_are_removed_leaves_the_folder_whole(
    offer, root, monkeypatch
) -> None:
    get()

    def killed(folder: Path, **_: object) -> None:
        if folder.exists():
            next(folder.rglob("*.bvh")).unlink()
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        get(again=True)
    assert files(root / "walks") == UNPACKED


def test_a_full_disk_is_named_by_the_folder_that_did_not_fit(offer, root: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")  # as of `write`, which names no file

    monkeypatch.setattr("pose3d_lib.data.sources.fetch.write_json", full)
    refused(root, r"walks\.unpacking.*No space")


# Archives


def test_folders_that_all_motion_shares_are_left_out(offer, shop: Shop) -> None:
    shop.body = pack({f"{INSIDE}deep/data/001/01_01.bvh": b"a", f"{INSIDE}deep/data/002/02_01.BVH": b"b"})
    assert files(get()) == {"001/01_01.bvh": b"a", "002/02_01.BVH": b"b"}


def test_takes_are_named_from_the_index_and_the_rest_is_counted(offer, shop: Shop, root: Path, said) -> None:
    offer(inside="", index="index.txt", documents=["index.txt"])
    shop.body = pack({"w/index.txt": b"01_01 walk\n", "w/001/01_01.bvh": MOTION, "w/002/02_09.bvh": MOTION})
    assert "\n001/01_01.bvh,001,Walking,01,walk\n" in (get(said) / "takes.csv").read_text()
    assert "1 takes have an action; 1 without a description of one action are left out" in said


@pytest.mark.parametrize("index", [{}, {"w/index.txt": b"nothing here"}])
def test_an_archive_without_its_index_is_refused(index, offer, shop: Shop, root: Path) -> None:
    offer(inside="", index="index.txt", documents=["index.txt"])
    shop.body = pack({"w/01_01.bvh": MOTION, "w/x": b"", **index})
    refused(root, r"index\.txt")


def evil(name: str) -> bytes:
    """An archive with one member more, which no honest archive has."""
    buffer = io.BytesIO(WHOLE)
    with zipfile.ZipFile(buffer, "a") as archive:
        member = zipfile.ZipInfo("placeholder")
        member.filename = name
        archive.writestr(member, b"x")
    return buffer.getvalue()


DAMAGED = WHOLE.replace(MOTION, MOTION[:50] + b"x" + MOTION[51:], 1)
BAD = {
    "slip": (evil("../../escaped.bvh"), "leads out"),
    "bomb": (pack({f"{INSIDE}data/x.bvh": bytes(110_000_000)}, stored=False), "unpacks to more"),
    "damaged": (DAMAGED, r"walk_ann_1\.bvh': (cannot be read|unpacks to)"),
    "long name": (evil(f"{INSIDE}data/{'x' * 300}.bvh"), "cannot be written"),
    "file as folder": (evil(f"{INSIDE}data/walk_ann_1.bvh/x.bvh"), "cannot be written"),
    "no motion": (pack({f"{INSIDE}readme": b"no motion"}), "no BVH file.*`--again`"),
    "html": (b"<html>sign in</html>", "cannot be read"),
    "cut": (WHOLE[:-30], "cannot be read"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_hostile_or_broken_archive_is_refused_and_again_asks_for_another(kind, offer, shop, root, tmp_path) -> None:
    shop.body, message = BAD[kind]
    refused(root, message)
    assert (root / "downloads" / "walks.zip").exists()
    assert not list(tmp_path.rglob("*escaped*"))
    shop.body = WHOLE
    get(again=True)
    assert files(root / "walks") == UNPACKED
