"""A web server for images, which misbehaves as the first part of a path says.

    /plain/FILE    as good servers do: parts, by Range and If-Range, and an ETag of the content
    /whole/FILE    knows no parts
    /cut/FILE      ends each answer after 3 MiB
    /slow/FILE     3 MiB at once, and the rest in a minute
    /stalled/FILE  3 MiB, and then nothing more
    /login/FILE    for `me` with the password `word`
    /moved/FILE    leads to /plain/FILE

Run as a program with a folder, it prints its port, and serves until it is ended.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CUT = 3 * 2**20
LOGIN = "Basic " + base64.b64encode(b"me:word").decode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from the folder of its server, and notes what was asked."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _empty, way, name = self.path.partition("?")[0].split("/", 2)
        asked = f"{way}/{name} {self.headers.get('Range', '')}".strip()
        self.server.asked.append(asked)
        if self.server.log:
            with self.server.log.open("a", encoding="utf-8") as file:
                file.write(f"{asked}\n")
        path = self.server.folder / name
        if way == "moved":
            self._say(302, {"Location": f"/plain/{name}"})
        elif not path.is_file():
            self._say(404)
        elif way == "login" and self.headers.get("Authorization") != LOGIN:
            self._say(401, {"WWW-Authenticate": 'Basic realm="images"'})
        else:
            self._give(way, path.read_bytes())

    def _say(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def _give(self, way: str, content: bytes) -> None:
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        start = 0
        asked = self.headers.get("Range", "")
        if asked and way != "whole" and self.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start > len(content):
            self._say(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        rest = content[start:]
        if way not in ("cut", "slow", "stalled"):
            self.wfile.write(rest)
            return
        if not (way == "stalled" and start):
            self.wfile.write(rest[:CUT])
            self.wfile.flush()
        self._end(way, rest[CUT:])

    def _end(self, way: str, rest: bytes) -> None:
        self.close_connection = True
        if way == "stalled":
            self.server.ending.wait(60)
        elif way == "slow":
            for at in range(0, len(rest), 2**16):
                self.wfile.write(rest[at : at + 2**16])
                time.sleep(60 * 2**16 / max(len(rest), 1))

    def log_message(self, *_of: object) -> None:
        """Nothing: what was asked is in `asked`."""


class Server(http.server.ThreadingHTTPServer):
    """A server for one folder."""

    daemon_threads = True

    def __init__(self, folder: Path, log: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.log = folder, log
        self.asked: list[str] = []
        self.ending = threading.Event()

    def handle_error(self, *_of: object) -> None:
        """Whoever asks may go away at any time."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server in a thread of this process."""
    server = Server(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    own = Server(Path(sys.argv[1]), Path(sys.argv[2]))
    print(own.server_port, flush=True)
    own.serve_forever()
