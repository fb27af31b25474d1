"""A server here that says one thing and keeps what it is asked: to see what providers' SDKs send and read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Listening:
    """What was asked: the path, the headers in lower case and the body."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []


@contextmanager
def serving(answer: bytes, content_type: str = "application/json") -> Iterator[Listening]:
    """Answer everything with `answer`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            listening.asked.append((self.path, headers, json.loads(body)))
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening = Listening(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield listening
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def event_stream(*events: dict[str, Any]) -> bytes:
    """`events` as they come over the wire."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (str(event.get("type", "message")).encode(), json.dumps(event).encode())
        for event in events
    )
