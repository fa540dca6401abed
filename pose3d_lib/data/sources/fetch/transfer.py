"""Download one file over HTTP; a download that breaks off is continued by the next try.

What has come lies in a `.part` file, with a note of its URL and version beside it, until the whole is there. The next try
asks the server for the rest (Range) of the same version (If-Range); a server may send the whole instead.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import requests

from pose3d_lib.common.errors import InputError

# Called with what is under way, how much of it is done, and how much it is altogether if that is known.
Bar = Callable[[str, int, int | None], None]

CHUNK = 16 * 1024  # bytes that are lost when a connection breaks off
TIMEOUT = (10, 60)  # seconds to connect, and to wait for the next bytes
TRIES = 3
PAUSE = 1.0  # seconds before the second try; each further one waits twice as long
MOST_BYTES = 8 * 10**9  # of a download: a server that sends without end must not fill the disk
BUSY = (429, 500, 502, 503, 504)


class _Again(Exception):
    """The answer was of no use, and the next try may get a better one."""


PASSING = (_Again, requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


def download(url: str, target: Path, *, bar: Bar) -> None:
    """Download `url` to `target`, continuing an earlier try, whose `.part` lies beside it.

    Raises:
        InputError: no connection, an error of the server, or a download that keeps breaking off; what came is kept.
    """
    part = target.with_name(f"{target.name}.part")
    advice = (
        "Try again, and what has come so far is used where the server allows it; or download the file by other means, "
        f"put it at {target}, and run the same command"
    )
    for attempt in range(TRIES):
        try:
            _continue(url, part, bar)
            break
        except PASSING as error:
            if attempt == TRIES - 1:
                raise InputError(f"{url}: cannot be downloaded after {TRIES} tries ({error}). {advice}") from error
            time.sleep(PAUSE * 2**attempt)
        except requests.RequestException as error:
            raise InputError(f"{url}: cannot be downloaded ({error}). {advice}") from error
        except OSError as error:
            raise InputError(f"{part}: cannot be written ({error.strerror or error})") from error
    part.replace(target)
    _note(part).unlink()


def _continue(url: str, part: Path, bar: Bar) -> None:
    """One request, for all or for the rest; returns when the part is whole."""
    version, have = _read_note(url, part)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if url.startswith("https:") and not answer.url.startswith("https:"):
            raise InputError(f"{url}: leads to {answer.url}, which is not encrypted; nothing was downloaded")
        if answer.status_code in BUSY:
            raise _Again(f"the server answered {answer.status_code} {answer.reason}")
        partial = answer.status_code == 206
        joins = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if answer.status_code == 416 or (partial and not joins):
            part.unlink(missing_ok=True)
            raise _Again("what had come before does not fit what the server has now")
        answer.raise_for_status()
        have = have if partial else 0
        length = answer.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() and "Content-Encoding" not in answer.headers else None
        if not have:
            part.unlink(missing_ok=True)  # before the note: a part must never lie beside the note of another
        tag = answer.headers.get("ETag", "")
        version = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
        _note(part).write_text(json.dumps([url, version]), encoding="utf-8")
        if (total or 0) > MOST_BYTES:
            raise InputError(f"{url}: {total:,} bytes, more than the {MOST_BYTES:,} that are taken from any server")
        bar("downloading", have, total)
        with part.open("ab") as file:
            for chunk in answer.iter_content(CHUNK):
                have += len(chunk)
                if have > MOST_BYTES:
                    raise InputError(f"{url}: sends more than {MOST_BYTES:,} bytes, the most that are taken")
                file.write(chunk)
                bar("downloading", have, total)
    if total is not None and have != total:
        raise _Again(f"{have:,} of {total:,} bytes came")


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_note(url: str, part: Path) -> tuple[str, int]:
    """Version and bytes of a part; 0 bytes where it is of another URL, has no version, or its note is missing."""
    try:
        noted, version = json.loads(_note(part).read_text(encoding="utf-8"))
        return (version, part.stat().st_size) if noted == url and version and isinstance(version, str) else ("", 0)
    except (OSError, ValueError, TypeError, RecursionError):
        return "", 0
