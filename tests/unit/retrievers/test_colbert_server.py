"""`ColBERTv2` against a server of its kind, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import dspex
from dspex.dsp.colbertv2 import ColBERTv2, colbertv2_get_request, colbertv2_post_request
from dspex.store import Store


class Server:
    """Answers every search with five passages, or with `answer`; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.statuses: list[int] = []
        self.answer: Any = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = parse_qs(urlsplit(self.path).query)
                self.reply("GET", given["query"][0], int(given["k"][0]))

            def do_POST(self) -> None:
                given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.reply("POST", given["query"], given["k"])

            def reply(self, method: str, query: str, k: int) -> None:
                server.asked.append((method, query, k))
                topk = [{"text": f"{query} {n}", "pid": n, "score": 9.0 - n} for n in range(5)]
                body = json.dumps({"topk": topk} if server.answer is None else server.answer).encode()
                self.send_response(server.statuses.pop(0) if server.statuses else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/wiki"


@pytest.fixture
def server(store: Store) -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.http.serve_forever, daemon=True)
    thread.start()
    yield running
    running.http.shutdown()
    running.http.server_close()
    thread.join()


@pytest.mark.parametrize("post", [False, True])
def test_passages_come_as_objects_or_as_texts(server: Server, post: bool) -> None:
    search = ColBERTv2(server.url, post_requests=post)
    found = search("who & what? é", k=2)
    assert [passage.long_text for passage in found] == ["who & what? é 0", "who & what? é 1"]
    assert found[1].pid == 1
    assert search("who & what? é", k=2, simplify=True) == ["who & what? é 0", "who & what? é 1"]
    assert server.asked == [("POST" if post else "GET", "who & what? é", 2)]  # the second time it is in the ledger


async def test_it_is_a_retrieval_model(server: Server) -> None:
    with dspex.context(rm=ColBERTv2(server.url)):
        assert (await dspex.Retrieve(k=1).acall("q")).passages == ["q 0"]


def test_the_port_may_be_given_apart(server: Server) -> None:
    assert ColBERTv2("http://h", port=80).url == "http://h:80"
    assert colbertv2_get_request(server.url, "q", 1)[0]["long_text"] == "q 0"
    assert colbertv2_post_request(server.url, "q", 1)[0]["long_text"] == "q 0"


def test_trouble_of_the_server_is_tried_again(server: Server) -> None:
    server.statuses = [503]
    assert len(ColBERTv2(server.url)("q", k=3)) == 3
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": True, "message": "no index"}, "returned an error: no index"),
        ({"error": True}, "returned an error: Unknown error"),
        ({"hits": []}, "unexpected response"),
        ({"topk": [{"pid": 1}]}, "passage without text"),
    ],
)
def test_answers_without_passages_are_errors(server: Server, answer: Any, told: str) -> None:
    server.answer = answer
    with pytest.raises(ValueError, match=told):
        ColBERTv2(server.url)("q")


def test_more_passages_than_there_are_to_be_had_are_refused(server: Server) -> None:
    with pytest.raises(AssertionError, match="Only k <= 100"):
        ColBERTv2(server.url)("q", k=101)
    with pytest.raises(ValueError, match="a query is a text"):
        ColBERTv2(server.url)(["q"])  # type: ignore[arg-type]
    assert server.asked == []
