"""Fetching open collections: from a server on this machine, whole and in pieces, honest and hostile; never the internet."""

import hashlib
import io
import json
import struct
import subprocess
import sys
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
from pose3d_lib.data.catalogue import RECORD, Collection, read_collection
from pose3d_lib.data.sources.fetch import archive, fetch, show_bar, transfer
from pose3d_lib.data.sources.fetch.transfer import CHUNK

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
    f"{INSIDE}data/walk_ann_1.bvh": MOTION,
    f"{INSIDE}data/run_bob_1.bvh": MOTION * 2,
    f"{INSIDE}data/walk_ann_1.json": b"{}",
    f"{INSIDE}LICENSE": b"be kind",
    "walks-abc/dataset/two/data/walk_cat_1.bvh": b"of the other dataset",
    "walks-abc/LICENSE": b"of the scripts",
}
WHOLE = pack(FILES)


class Shop(ThreadingHTTPServer):
    """A server of one file that can break off, refuse, and forget what Range means; it keeps a log."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = WHOLE
        self.tag = '"v1"'
        self.ranges = self.lengths = True
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.log: list[tuple[str | None, str | None, int]] = []
        self.skew = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/walks/zip/abc"

    def handle_error(self, *_: object) -> None:
        pass  # the client went away, as some tests want it to


class Handler(BaseHTTPRequestHandler):
    server: Shop
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        shop = self.server
        self.close_connection = True
        wanted, version = self.headers.get("Range"), self.headers.get("If-Range")
        status = shop.statuses.pop(0) if shop.statuses else 200
        if status != 200:
            shop.log.append((wanted, version, 0))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        if wanted and shop.ranges and version in (None, shop.tag):
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) - shop.skew
            if start >= len(shop.body):
                shop.log.append((wanted, version, 0))
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            status = 206
        rest = shop.body[start:]
        cut = shop.cuts.pop(0) if shop.cuts else len(rest)
        shop.log.append((wanted, version, min(cut, len(rest))))  # before the client hears of it, and asks for more
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{start + len(rest) - 1}/{start + len(rest)}")
        if shop.tag:
            self.send_header("ETag", shop.tag)
        if shop.lengths:
            self.send_header("Content-Length", str(len(rest)))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if shop.lengths:
            self.wfile.write(rest[:cut])
        else:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(rest[:cut]), rest[:cut]))
            if cut >= len(rest):
                self.wfile.write(b"0\r\n\r\n")

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
    return {
        "title": "Walks",
        "url": url,
        "archive": "walks.zip",
        "commit": "abc",
        "citation": "Ann, Walks, 2020",
        "content": "two walks",
        "inside": "dataset/one",
        "documents": ["LICENSE"],
        "licence": {"name": "CC BY-NC 4.0", "url": "https://example.org/by-nc", "terms": "Not for commercial use."},
        **changes,
    }


@pytest.fixture
def offer(root: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """Puts a collection called walks into the catalogue, in place of all that is there."""

    def put(url: str = "", **changes: object) -> Collection:
        known = read_collection("walks", table(url or shop.url, **changes))
        monkeypatch.setattr(catalogue, "collections", lambda: {"walks": known})
        return known

    put()
    return put


@pytest.fixture
def said() -> list[str]:
    return []


def get(said: list[str] | None = None, **options: object) -> Path:
    return fetch("walks", say=(said if said is not None else []).append, pause=0, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != RECORD
    }


UNPACKED = {"walk_ann_1.bvh": MOTION, "run_bob_1.bvh": MOTION * 2, "LICENSE": b"be kind"}


def assert_nothing_is_half_made(root: Path) -> None:
    assert not (root / "walks").exists()
    assert not [path.name for path in root.iterdir() if path.name != "downloads"]
    assert not list((root / "downloads").glob("*.new"))


def once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "TRIES", 1)


def test_the_motion_and_the_documents_of_the_wanted_folder_are_unpacked_and_nothing_else(offer, root: Path) -> None:
    assert get() == root / "walks"
    assert contents(root / "walks") == UNPACKED


def test_the_record_says_where_from_what_and_under_which_licence(offer, shop: Shop, root: Path) -> None:
    get()
    record = json.loads((root / "walks" / RECORD).read_text())
    assert (record["url"], record["commit"]) == (shop.url, "abc")
    assert record["sha256"] == hashlib.sha256(WHOLE).hexdigest()
    assert record["archive_bytes"] == len(WHOLE)
    assert (record["files"], record["bytes"]) == (3, sum(map(len, UNPACKED.values())))
    assert record["licence"] == {
        "name": "CC BY-NC 4.0",
        "url": "https://example.org/by-nc",
        "terms": "Not for commercial use.",
    }
    assert record["citation"] == "Ann, Walks, 2020"


def test_the_licence_is_said_before_anything_is_downloaded(offer, shop: Shop) -> None:
    heard: list[tuple[str, int]] = []
    fetch("walks", say=lambda line: heard.append((line, len(shop.log))))
    lines = [line for line, _ in heard]
    for text in ("Walks", "CC BY-NC 4.0", "https://example.org/by-nc", "Not for commercial use.", "Ann, Walks, 2020"):
        first = next(index for index, line in enumerate(lines) if text in line)
        assert heard[first][1] == 0


def test_without_consent_nothing_is_downloaded(offer, shop: Shop, root: Path) -> None:
    with pytest.raises(InputError, match="licence was not accepted"):
        get(accept=lambda known: known.licence.name != "CC BY-NC 4.0")
    assert not shop.log
    assert_nothing_is_half_made(root)


def test_an_unknown_collection_is_refused_with_the_one_meant(offer) -> None:
    with pytest.raises(InputError, match="did you mean walks"):
        fetch("walk")


def test_a_download_that_broke_off_is_continued_by_the_next_fetch(offer, shop: Shop, root: Path, monkeypatch) -> None:
    once(monkeypatch)
    half = 4 * CHUNK
    shop.cuts = [half]
    with pytest.raises(InputError, match="cannot be downloaded") as refusal:
        get()
    assert shop.url in str(refusal.value)
    assert (root / "downloads" / "walks.zip.part").stat().st_size == half
    assert_nothing_is_half_made(root)
    get()
    assert shop.log == [(None, None, half), (f"bytes={half}-", '"v1"', len(WHOLE) - half)]
    assert contents(root / "walks") == UNPACKED
    assert not list((root / "downloads").glob("*.part*"))


def test_a_server_that_ignores_ranges_is_asked_for_the_rest_and_gives_the_whole(offer, shop: Shop, root: Path) -> None:
    shop.ranges = shop.lengths = False  # as GitHub does for archives
    shop.cuts = [1000]
    get()
    assert shop.log == [(None, None, 1000), ("bytes=1000-", shop.tag, len(WHOLE))]
    assert contents(root / "walks") == UNPACKED


def test_a_file_that_changed_meanwhile_is_downloaded_from_its_beginning(offer, shop: Shop, monkeypatch) -> None:
    once(monkeypatch)
    shop.cuts = [CHUNK]
    with pytest.raises(InputError):
        get()
    shop.body, shop.tag = pack({**FILES, f"{INSIDE}data/walk_ann_1.bvh": b"new"}), '"v2"'
    folder = get()
    assert shop.log[1] == (f"bytes={CHUNK}-", '"v1"', len(shop.body))
    assert (folder / "walk_ann_1.bvh").read_bytes() == b"new"


def test_a_part_that_is_longer_than_the_file_is_given_up(offer, shop: Shop, root: Path) -> None:
    (root / "downloads").mkdir(parents=True)
    (root / "downloads" / "walks.zip.part").write_bytes(b"x" * (len(WHOLE) + 1))
    (root / "downloads" / "walks.zip.part.json").write_text(json.dumps([shop.url, shop.tag]))
    get()
    assert [wanted for wanted, _, _ in shop.log] == [f"bytes={len(WHOLE) + 1}-", None]
    assert contents(root / "walks") == UNPACKED


@pytest.mark.parametrize(
    "note", [None, "", '["http://elsewhere", "v1"]', '["{url}", 1]', '["{url}", ""]', "[" * 100_000]
)
def test_a_part_of_which_nothing_is_known_is_not_used(note, offer, shop: Shop, root: Path) -> None:
    (root / "downloads").mkdir(parents=True)
    (root / "downloads" / "walks.zip.part").write_bytes(b"x" * 100)
    if note is not None:
        (root / "downloads" / "walks.zip.part.json").write_text(note.replace("{url}", shop.url))
    get()
    assert shop.log == [(None, None, len(WHOLE))]
    assert (root / "downloads" / "walks.zip").read_bytes() == WHOLE


def test_a_rest_that_begins_elsewhere_than_it_should_is_not_joined(offer, shop: Shop, root: Path) -> None:
    shop.cuts, shop.skew = [CHUNK], 7
    get()
    assert [wanted for wanted, _, _ in shop.log] == [None, f"bytes={CHUNK}-", None]
    assert (root / "downloads" / "walks.zip").read_bytes() == WHOLE


def test_progress_is_told_in_bytes_then_in_files(offer, shop: Shop) -> None:
    heard: list[tuple[str, int, int | None]] = []
    get(bar=lambda *now: heard.append(now))
    assert heard[0] == ("downloading", 0, len(WHOLE))
    assert ("downloading", len(WHOLE), len(WHOLE)) in heard
    assert heard[-1] == ("unpacking", 3, 3)


@pytest.mark.parametrize(("total", "text"), [(4_000_000, "2.0 MB of 4.0 MB"), (None, "2.0 MB so far")])
def test_the_bar_says_how_much_came_and_of_how_much_if_that_is_known(total, text) -> None:
    console = Console(file=io.StringIO(), width=100)
    with show_bar(console) as bar:
        bar("downloading", 2_000_000, total)
        bar("unpacking", 2, 3)
    assert text in console.file.getvalue()
    assert "2 files of 3 files" in console.file.getvalue()


def test_a_busy_server_is_asked_again(offer, shop: Shop, root: Path) -> None:
    shop.statuses = [503, 429]
    get()
    assert len(shop.log) == 3
    assert contents(root / "walks") == UNPACKED


def test_a_server_that_stays_busy_is_named(offer, shop: Shop, root: Path) -> None:
    shop.statuses = [503] * 9
    with pytest.raises(InputError, match=r"after 3 tries .*503"):
        get()
    assert len(shop.log) == 3
    assert_nothing_is_half_made(root)


def test_a_file_that_is_not_there_is_said_at_once(offer, shop: Shop, root: Path) -> None:
    shop.statuses = [404]
    with pytest.raises(InputError, match="404") as refusal:
        get()
    assert len(shop.log) == 1
    assert str(root / "downloads" / "walks.zip") in str(refusal.value)
    assert_nothing_is_half_made(root)


def test_without_network_the_url_and_what_to_do_are_said(offer, shop: Shop, root: Path) -> None:
    closed = Shop()
    url = closed.url
    closed.server_close()
    offer(url)
    with pytest.raises(InputError, match="Try again") as refusal:
        get()
    assert url in str(refusal.value)
    assert f"put it at {root / 'downloads' / 'walks.zip'}" in str(refusal.value)
    assert_nothing_is_half_made(root)


def test_a_download_without_end_is_stopped(offer, shop: Shop, root: Path, monkeypatch) -> None:
    monkeypatch.setattr(transfer, "MOST_BYTES", len(WHOLE) - 1)
    with pytest.raises(InputError, match="more than"):
        get()
    shop.lengths = False
    with pytest.raises(InputError, match="goes on beyond"):
        get()
    assert_nothing_is_half_made(root)


def test_an_address_that_no_server_can_have_is_refused(offer) -> None:
    offer("gopher://127.0.0.1/walks.zip")
    with pytest.raises(InputError, match="gopher"):
        get()


def test_a_wrong_checksum_is_refused_with_both_values_and_nothing_is_unpacked(offer, shop: Shop, root: Path) -> None:
    offer(sha256="0" * 64)
    with pytest.raises(InputError, match="0" * 64) as refusal:
        get()
    assert hashlib.sha256(WHOLE).hexdigest() in str(refusal.value)
    assert_nothing_is_half_made(root)
    offer(sha256=hashlib.sha256(WHOLE).hexdigest())
    get()
    assert len(shop.log) == 2
    assert contents(root / "walks") == UNPACKED


def test_what_was_fetched_is_not_fetched_again(offer, shop: Shop, root: Path, said: list[str]) -> None:
    get()
    assert get(said) == root / "walks"
    assert len(shop.log) == 1
    assert len(said) == 1
    assert "was fetched on" in said[0]


@pytest.mark.parametrize("damage", ["missing", "shorter"])
def test_a_folder_that_is_no_longer_whole_is_noticed_and_mended_by_again(damage, offer, root: Path) -> None:
    file = get() / "run_bob_1.bvh"
    file.unlink() if damage == "missing" else file.write_bytes(b"x")
    with pytest.raises(InputError, match="--again"):
        get()
    get(again=True)
    assert contents(root / "walks") == UNPACKED


def test_files_that_changed_since_the_first_fetch_are_refused_with_both_values(offer, shop: Shop, root: Path) -> None:
    get()
    first = json.loads((root / "walks" / RECORD).read_text())
    shop.body = pack({**FILES, f"{INSIDE}data/walk_ann_1.bvh": b"other"})
    for _ in range(2):
        with pytest.raises(InputError, match="not those of") as refusal:
            get(again=True)
    for value in (first["sha256"], first["contents_sha256"], hashlib.sha256(shop.body).hexdigest()):
        assert value in str(refusal.value)
    assert contents(root / "walks") == UNPACKED
    assert json.loads((root / "walks" / RECORD).read_text()) == first
    assert (root / "downloads" / "walks.zip").read_bytes() == WHOLE


def test_the_same_contents_under_other_names_are_refused(offer, shop: Shop, root: Path) -> None:
    get()
    shop.body = pack({name.replace("run_bob", "run_tim"): content for name, content in FILES.items()})
    with pytest.raises(InputError, match="not those of"):
        get(again=True)
    assert contents(root / "walks") == UNPACKED


def test_the_same_files_packed_anew_are_accepted_with_a_note(offer, shop: Shop, root: Path, said: list[str]) -> None:
    get()
    shop.body = pack(dict(reversed(FILES.items())), stored=False)
    get(said, again=True)
    assert any("packed anew" in line for line in said)
    record = json.loads((root / "walks" / RECORD).read_text())
    assert record["sha256"] == hashlib.sha256(shop.body).hexdigest()
    assert contents(root / "walks") == UNPACKED


def test_files_of_another_commit_replace_the_old_ones(offer, shop: Shop, root: Path, said: list[str]) -> None:
    get()
    offer(commit="def")
    shop.body = pack({f"{INSIDE}data/new.bvh": b"new"})
    get(said)
    assert "now def" in said[0]
    get(again=True)
    assert contents(root / "walks") == {"new.bvh": b"new"}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"url": 1}', "[" * 100_000])
def test_a_damaged_record_is_refused_by_name(text, offer, root: Path) -> None:
    get()
    (root / "walks" / RECORD).write_text(text)
    with pytest.raises(InputError, match=RECORD):
        get()


def test_a_folder_of_somebody_else_is_left_alone(offer, shop: Shop, root: Path) -> None:
    (root / "walks").mkdir(parents=True)
    (root / "walks" / "mine.bvh").write_bytes(b"mine")
    with pytest.raises(InputError, match="not put there by"):
        get()
    assert contents(root / "walks") == {"mine.bvh": b"mine"}
    assert not shop.log


def test_an_archive_put_there_by_hand_is_checked_and_not_removed(offer, shop: Shop, root: Path) -> None:
    offer(sha256="0" * 64)
    (root / "downloads").mkdir(parents=True)
    (root / "downloads" / "walks.zip").write_bytes(WHOLE)
    with pytest.raises(InputError, match="expected 0000") as refusal:
        get()
    assert hashlib.sha256(WHOLE).hexdigest() in str(refusal.value)
    assert (root / "downloads" / "walks.zip").exists()
    assert_nothing_is_half_made(root)
    offer(sha256=hashlib.sha256(WHOLE).hexdigest())
    get()
    assert not shop.log
    assert contents(root / "walks") == UNPACKED


def test_two_collections_in_one_archive_are_downloaded_once(offer, shop: Shop, root: Path, monkeypatch) -> None:
    get()
    other = read_collection("others", table(shop.url, inside="dataset/two", documents=[]))
    monkeypatch.setattr(catalogue, "collections", lambda: {"others": other})
    folder = fetch("others", say=lambda line: None)
    assert contents(folder) == {"walk_cat_1.bvh": b"of the other dataset"}
    assert folder == root / "others"
    assert len(shop.log) == 1


def test_two_fetches_at_once_download_once(offer, shop: Shop, root: Path, said: list[str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: get(said), range(2))
    assert first == second == root / "walks"
    assert len(shop.log) == 1
    assert contents(root / "walks") == UNPACKED


KILLED = """
import json, os, sys
from pose3d_lib.data import catalogue
from pose3d_lib.data.sources.fetch import fetch
known = catalogue.read_collection("walks", json.loads(sys.argv[1]))
catalogue.collections = lambda: {"walks": known}
fetch("walks", bar=lambda what, done, total: os._exit(9) if (what, done) == ("unpacking", 2) else None)
"""


def test_a_fetch_killed_while_it_unpacks_leaves_nothing_that_looks_whole(offer, shop: Shop, root: Path) -> None:
    command = [sys.executable, "-c", KILLED, json.dumps(table(shop.url))]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 9
    assert (root / ".walks.unpacking").is_dir()
    assert not (root / "walks").exists()
    get()
    assert len(shop.log) == 1
    assert contents(root / "walks") == UNPACKED
    assert {path.name for path in root.iterdir()} == {"walks", "downloads"}
    assert {path.name for path in (root / "downloads").iterdir()} <= {"walks.zip", ".lock"}


def test_a_fetch_killed_between_the_old_folder_and_the_new_leaves_the_old_one(offer, shop: Shop, root: Path) -> None:
    get()
    (root / "walks").rename(root / ".walks.old")
    (root / "downloads" / "walks.zip").unlink()
    get()
    assert len(shop.log) == 1
    assert contents(root / "walks") == UNPACKED


def test_data_in_an_archive_within_the_archive_is_unpacked(offer, shop: Shop, root: Path) -> None:
    offer(nested="data.zip")
    inner = pack({"data/walk_ann_1.bvh": MOTION, "data/run_bob_1.bvh": MOTION * 2, "__MACOSX/data/._x.bvh": b"x"})
    shop.body = pack({f"{INSIDE}data.zip": inner, f"{INSIDE}LICENSE": b"be kind", "walks-abc/other.bvh": b"x"})
    get()
    assert contents(root / "walks") == UNPACKED


def test_a_folder_of_motion_is_preferred_to_the_archive_beside_it(offer, shop: Shop, root: Path) -> None:
    offer(nested="data.zip")
    shop.body = pack({**FILES, f"{INSIDE}data.zip": b"broken"})
    get()
    assert contents(root / "walks") == UNPACKED


def test_a_pointer_of_git_lfs_is_named_for_what_it_is(offer, shop: Shop, root: Path) -> None:
    offer(nested="data.zip")
    shop.body = pack({f"{INSIDE}data.zip": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"})
    with pytest.raises(InputError, match="Git LFS"):
        get()
    assert_nothing_is_half_made(root)


def test_folders_that_all_files_share_are_left_out_of_their_paths(offer, shop: Shop, root: Path) -> None:
    shop.body = pack({f"{INSIDE}deep/data/001/01_01.bvh": b"a", f"{INSIDE}deep/data/002/02_01.BVH": b"b"})
    get()
    assert contents(root / "walks") == {"001/01_01.bvh": b"a", "002/02_01.BVH": b"b"}


INDEX = b"\nPerson 1 (walks)\n\n01_01\tslow walk\n01_02\twalk, then run\n02_01\tjump high\n"


def test_takes_are_named_from_the_index_and_the_rest_is_counted(offer, shop: Shop, root: Path, said) -> None:
    offer(inside="", index="index.txt", documents=["index.txt"])
    motion = dict.fromkeys(("001/01_01", "001/01_02", "002/02_01", "002/02_09"), MOTION)
    shop.body = pack({"w/index.txt": INDEX, **{f"w/{name}.bvh": content for name, content in motion.items()}})
    folder = get(said)
    assert (folder / "takes.csv").read_text().splitlines() == [
        "file,subject,action,take,description",
        "001/01_01.bvh,001,Walking,01,slow walk",
        "002/02_01.bvh,002,Jumping,01,jump high",
    ]
    assert json.loads((root / "walks" / RECORD).read_text())["takes"] == {"kept": 2, "unplaced": 1, "undescribed": 1}
    assert any("2 takes" in line and "left out are 1" in line for line in said)
    get(said)
    assert len(shop.log) == 1


@pytest.mark.parametrize("index", [None, b"nothing here"])
def test_an_archive_without_its_index_is_refused(index, offer, shop: Shop, root: Path) -> None:
    offer(inside="", index="index.txt", documents=["index.txt"])
    shop.body = pack({"w/01_01.bvh": MOTION, **({"w/index.txt": index} if index else {"w/x": b""})})
    with pytest.raises(InputError, match=r"index\.txt"):
        get()
    assert_nothing_is_half_made(root)


def evil(name: str = f"{INSIDE}data/x.bvh", *, mode: int = 0o100644, content: bytes = b"x", **changes: object) -> bytes:
    """An archive with one member more, which no honest archive has."""
    buffer = io.BytesIO(WHOLE)
    with zipfile.ZipFile(buffer, "a") as archive:
        member = zipfile.ZipInfo("placeholder")
        member.filename, member.external_attr = name, mode << 16
        archive.writestr(member, content)
    return buffer.getvalue()


def encrypted() -> bytes:
    whole = bytearray(WHOLE)
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    return bytes(whole)


def bomb() -> bytes:
    return pack({f"{INSIDE}data/x.bvh": bytes(110_000_000)}, stored=False)


def twice() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return evil(f"{INSIDE}data/walk_ann_1.bvh")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: evil("../../escaped.bvh"), "leads out"),
        (lambda: evil(f"{INSIDE}../../../../escaped.bvh"), "leads out"),
        (lambda: evil("/tmp/escaped.bvh"), "leads out"),
        (lambda: evil(f"{INSIDE}a\\..\\b.bvh"), "leads out"),
        (lambda: evil("C:/x.bvh"), "leads out"),
        (lambda: evil(mode=0o120777, content=b"/etc/passwd"), "link or a device"),
        (lambda: evil(mode=0o020666), "link or a device"),
        (encrypted, "encrypted"),
        (bomb, "unpacks to more"),
        (twice, "twice"),
        (lambda: evil(f"{INSIDE}data/{'x' * 300}.bvh"), "cannot be written as"),
        (lambda: evil(f"{INSIDE}data/walk_ann_1.bvh/x.bvh"), "in the way"),
        (lambda: pack({f"{INSIDE}readme": b"no motion"}), "no BVH file"),
        (lambda: b"<html>sign in</html>", "cannot be read"),
        (lambda: b"", "cannot be read"),
        (lambda: WHOLE[:-30], "cannot be read"),
    ],
    ids=[
        "slip", "deep slip", "absolute", "backslash", "drive", "link", "device", "encrypted", "bomb", "twice",
        "long name", "file as folder", "no motion", "html", "empty", "cut",
    ],
)  # fmt: skip
def test_a_hostile_or_broken_archive_is_refused_and_leaves_nothing(make, message, offer, shop, root, tmp_path) -> None:
    shop.body = make()
    with pytest.raises(InputError, match=message):
        get()
    assert_nothing_is_half_made(root)
    assert not list(tmp_path.rglob("*escaped*"))


def test_a_damaged_member_is_refused_by_name_and_downloaded_anew_the_next_time(offer, shop: Shop, root: Path) -> None:
    damaged = bytearray(WHOLE)
    damaged[WHOLE.index(MOTION) + 50] ^= 255
    shop.body = bytes(damaged)
    with pytest.raises(InputError, match=r"walk_ann_1\.bvh': (cannot be read|unpacks to)"):
        get()
    assert_nothing_is_half_made(root)
    shop.body, shop.tag = WHOLE, '"v2"'
    get()
    assert contents(root / "walks") == UNPACKED


def test_a_member_that_is_shorter_than_it_says_is_refused(offer, shop: Shop, root: Path) -> None:
    longer = bytearray(WHOLE)
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = longer.index(signature) + offset
        struct.pack_into("<I", longer, at, struct.unpack_from("<I", longer, at)[0] + 1)
    shop.body = bytes(longer)
    with pytest.raises(InputError, match=r"walk_ann_1\.bvh': (cannot be read|unpacks to)"):
        get()
    assert_nothing_is_half_made(root)


def test_without_room_the_archive_is_kept_for_the_next_try(offer, shop: Shop, root: Path, monkeypatch) -> None:
    usage = archive.shutil.disk_usage(root.parent)
    with monkeypatch.context() as patch:
        patch.setattr(archive.shutil, "disk_usage", lambda path: usage._replace(free=100))
        with pytest.raises(InputError, match="100 are free"):
            get()
    assert_nothing_is_half_made(root)
    get()
    assert len(shop.log) == 1
    assert contents(root / "walks") == UNPACKED


def test_a_file_in_the_folder_s_place_is_named(offer, root: Path) -> None:
    root.write_text("not a folder")
    with pytest.raises(InputError, match="POSE3D_DATA"):
        get()
