"""The player of what is lifted just now: a page on this machine alone, which asks for a token."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from threading import Condition, Event, Thread
from urllib.parse import parse_qs, urlsplit

import numpy as np

from pose3d_lib.data.cameras import Camera
from pose3d_lib.model.card import ModelCard
from pose3d_lib.model.predict import Lifted, LiftedClip
from pose3d_lib.report.live import LiveFrame
from pose3d_lib.report.player import fill_page, pack_clip

HOST = "127.0.0.1"
WINDOW = 50  # frames that the page knows at a time: they steady the floor, and the middle of the person
PAGE, EVENTS = "/", "/events"
KINDS = {PAGE: "text/html; charset=utf-8", EVENTS: "text/event-stream"}
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class LivePage(ThreadingHTTPServer):
    """Serves the player at `address` from threads of its own until it is closed; a context manager.

    It listens on this machine's loopback only. A request needs the token of the address, and has to name this machine as its
    host: a page of another site whose name was made to point here does not.
    """

    daemon_threads = True

    def __init__(self, name: str, card: ModelCard):
        super().__init__((HOST, 0), _Handler)
        self._name = name
        lifted = Lifted(card.name, name, False, card.keypoints, card.layout, card.skeleton, clips=())
        content = {"about": "Waiting for the first frame.", "together": False, "live": True, "clips": []}
        self.content = fill_page(f"{name}, live", content, lifted, connect="'self'").encode()
        self.token = token_urlsafe(32)
        self.address = f"http://{HOST}:{self.server_port}/?token={self.token}"
        self.opened = Event()  # set by the first page
        self._recent = deque[LiveFrame](maxlen=WINDOW)
        self._changed, self._count, self._message = Condition(), 0, b""

    def __enter__(self) -> "LivePage":
        Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._publish({"told": "This has ended.", "clip": None, "over": True})
        self.shutdown()
        self.server_close()

    def show(self, frame: LiveFrame, told: str) -> None:
        """Show a frame in every open page, with a line of text."""
        if frame.pose is None:
            self._recent.clear()
        else:
            self._recent.append(frame)
        self._publish({"told": told, "clip": self._clip() if self._recent else None, "over": False})

    def messages(self) -> Iterator[bytes]:
        """The newest message, whenever there is one."""
        self.opened.set()
        count = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda seen=count: self._count > seen)
                count, message = self._count, self._message
            yield message

    def _publish(self, message: dict[str, object]) -> None:
        with self._changed:
            self._count += 1
            self._message = b"data: " + json.dumps(message, allow_nan=False).encode() + b"\n\n"
            self._changed.notify_all()

    def _clip(self) -> dict[str, object]:
        """The last frames, as the player reads them."""
        first, last = self._recent[0].seen, self._recent[-1].seen
        steps, rooted = last.number - first.number, self._recent[-1].root is not None
        clip = LiftedClip(
            subject=self._name,
            action="live",
            take="0",
            camera=Camera(self._name, *last.size),
            fps=steps / max(last.time - first.time, 1e-3) if steps else 1.0,
            frames=np.array([frame.seen.number for frame in self._recent]),
            pixels=np.stack([frame.points[:, :2] for frame in self._recent]),
            positions=np.stack([frame.pose for frame in self._recent]),
            root=np.stack([frame.root for frame in self._recent]) if rooted else None,
        )
        return pack_clip(clip, {})


class _Handler(BaseHTTPRequestHandler):
    server: LivePage

    def do_GET(self) -> None:
        where, port = urlsplit(self.path), self.server.server_port
        given = parse_qs(where.query).get("token", [""])[0]
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            self.send_error(403, "Another host")
        elif not compare_digest(given.encode(), self.server.token.encode()):
            self.send_error(403, "No token, or another one: open the address that the program printed")
        elif where.path not in KINDS:
            self.send_error(404)
        else:
            self.send_response(200)
            for name, value in {"Content-Type": KINDS[where.path], **HEADERS}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # the page was closed
                for part in [self.server.content] if where.path == PAGE else self.server.messages():
                    self.wfile.write(part)

    def log_message(self, *message: object) -> None:
        """Nothing: the address holds the token."""
