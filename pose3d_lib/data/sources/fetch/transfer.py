"""Downloads one file over HTTP so that a download that broke off goes on where it stopped.

What has come lies in a `.part` file beside the target, with a note of where from, until the whole is there. The next
try asks the server for the rest (Range) of the same version (If-Range); a server that gives the whole instead is heeded.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from pose3d_lib.common.errors import InputError

Bar = Callable[[str, int, int | None], None]
"""Is called with what is under way, how much of it is done, and how much it is altogether where that is known."""

CHUNK = 16 * 1024
"""Bytes that are read at once, and lost when a connection breaks off among them."""

TIMEOUT = (10, 60)
"""Seconds to connect, and to wait for the next bytes."""

TRIES = 3
PAUSE = 1.0
"""Seconds before the second try; each further one waits twice as long."""

MOST_BYTES = 8 * 10**9
"""Of a download; a server that goes on sending must not fill the disk."""

PASSING = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
"""Errors that another try may not meet."""

BUSY = (429, 500, 502, 503, 504)


class _Again(Exception):
    """The answer was of no use, and the next try may get a better one."""


@dataclass(frozen=True)
class _Begun:
    """What is known of an unfinished download: where from, which version (ETag or date), how long altogether."""

    url: str
    version: str = ""
    total: int | None = None


def download(
    url: str, target: Path, *, place: Path, bar: Bar = lambda what, done, total: None, pause: float = PAUSE
) -> None:
    """Downloads `url` to `target`, going on with an earlier try if there was one.

    Args:
        url: http or https.
        target: the file that is made or overwritten once the download is whole.
        place: `.part` and `.part.json` beside it hold an unfinished download; a file put here by hand would be used.
        bar: is told the bytes so far, and all where the server says how many.
        pause: seconds before the second of `TRIES`.

    Raises:
        InputError: no connection, an error of the server, or a download that keeps breaking off; what came is kept.
    """
    part = place.with_name(f"{place.name}.part")
    advice = (
        "Try again, and what has come so far is used where the server allows it; or download the file by other means, "
        f"put it at {place}, and run the same command"
    )
    for attempt in range(TRIES):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            _continue(url, part, bar)
            break
        except (*PASSING, _Again) as error:
            last = error
        except requests.RequestException as error:
            raise InputError(f"{url}: cannot be downloaded ({error}). {advice}") from error
        except OSError as error:
            raise InputError(f"{part}: cannot be written ({error.strerror or error})") from error
    else:
        raise InputError(f"{url}: cannot be downloaded after {TRIES} tries ({last}). {advice}") from last
    part.replace(target)
    _note(part).unlink()


def _continue(url: str, part: Path, bar: Bar) -> None:
    """One request, for all or for the rest; returns when the part is whole."""
    begun, have = _read_note(url, part)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": begun.version} if begun.version else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if url.startswith("https:") and not answer.url.startswith("https:"):
            raise InputError(f"{url}: leads to {answer.url}, which is not encrypted; nothing was downloaded")
        if answer.status_code in BUSY:
            raise _Again(f"the server answered {answer.status_code} {answer.reason}")
        if answer.status_code == 416 or (answer.status_code == 206 and not _fits(answer, begun, have)):
            part.unlink(missing_ok=True)
            raise _Again("what had come before does not fit what the server has now")
        answer.raise_for_status()
        if answer.status_code == 206:
            total = _total(answer)
        else:
            have, length = 0, answer.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() and "Content-Encoding" not in answer.headers else None
        version = answer.headers.get("ETag", "")
        if not version or version.startswith("W/"):  # a weak tag does not promise the same bytes
            version = answer.headers.get("Last-Modified", "")
        if not have:
            part.unlink(missing_ok=True)  # before the note: a part must never lie beside the note of another
        _note(part).write_text(json.dumps([url, version, total]), encoding="utf-8")
        if (total or 0) > MOST_BYTES:
            raise InputError(f"{url}: {total:,} bytes, more than the {MOST_BYTES:,} that are taken from any server")
        bar("downloading", have, total)
        with part.open("ab") as file:
            for chunk in answer.iter_content(CHUNK):
                have += len(chunk)
                if have > MOST_BYTES:
                    raise InputError(f"{url}: goes on beyond {MOST_BYTES:,} bytes, the most that are taken")
                file.write(chunk)
                bar("downloading", have, total)
    if total is not None and have != total:
        raise _Again(f"{have:,} of {total:,} bytes came")


def _fits(answer: requests.Response, begun: _Begun, have: int) -> bool:
    """Whether a partial answer is what follows what we have, of a file as long as it was."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if not match or int(match[1]) != have:
        return False
    return begun.total is None or match[2] == "*" or int(match[2]) == begun.total


def _total(answer: requests.Response) -> int | None:
    length = answer.headers["Content-Range"].rpartition("/")[2]
    return int(length) if length.isdecimal() else None


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_note(url: str, part: Path) -> tuple[_Begun, int]:
    """What is known of the part, and its bytes; nothing of a part that is of another URL or whose note is missing."""
    try:
        noted, version, total = json.loads(_note(part).read_text(encoding="utf-8"))
        size = part.stat().st_size
    except (OSError, ValueError, TypeError, RecursionError):
        return _Begun(url), 0
    if noted != url or not isinstance(version, str) or not isinstance(total, int | None):
        return _Begun(url), 0
    return _Begun(url, version, total), size
