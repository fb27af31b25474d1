"""`ScriptedModel`: a model behind real HTTP that answers from a script, in OpenAI's format.

Use it where a model in memory (`DummyLM`) shows too little: retries, timeouts, rate limits, cut connections, streams,
or programs in other processes. Its server runs in a thread, so it serves synchronous and asynchronous tests alike.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_PIECE = 8
"""Characters in a piece of a streamed answer."""


@dataclass(frozen=True)
class Reply:
    """One answer of the script.

    Args:
        text: The answer, or the message of the error.
        status: The HTTP status; from 400 on, the reply is an error in OpenAI's shape.
        headers: Headers besides the usual ones, such as ``{"Retry-After": "1"}``.
        delay_s: Seconds before the answer.
        cut: Whether to close the connection half-way through the body.
    """

    text: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: bool = False


Answer = str | Mapping[str, Any] | Reply
"""A text; output fields, which are written as `ChatAdapter` expects them; or a whole reply."""

Script = Sequence[Answer] | Mapping[str, Answer] | Callable[[dict[str, Any]], Answer]

Embed = Callable[[str], Sequence[float]]
"""The vector of a text."""


class ScriptedModel:
    """A server of chat completions, and of embeddings if you say how to embed.

    Args:
        script: What to answer. A list: one answer a request, in order, and then the last one again. A dict: the answer
            of the first key that the last message contains. A function: called with each request (a dict), in the
            server's threads, several at a time; what it raises is answered by status 400 and the exception's text.
        embed: Gives the vector of a text, for requests to ``/embeddings``. Without it they are answered by status 404.

    Attributes:
        requests: The chat requests so far, as dicts, in order of arrival.

    Raises:
        ValueError: the script is empty, or a text.

    Example:
        >>> from dspex.testing import Reply, ScriptedModel
        >>> with ScriptedModel([Reply(status=429, headers={"Retry-After": "0"}), {"answer": "Oslo"}]) as model:
        ...     lm = dspex.LM("openai/scripted", api_base=model.url, api_key="none", cache=False)
        ...     with dspex.context(lm=lm):
        ...         dspex.Predict("question -> answer")(question="The capital of Norway?").answer
        'Oslo'
        >>> len(model.requests)
        2
    """

    def __init__(self, script: Script, *, embed: Embed | None = None) -> None:
        if isinstance(script, str) or (not callable(script) and not script):
            raise ValueError("A script is a list of answers, a dict of answers by text, or a function of the request.")
        self.requests: list[dict[str, Any]] = []
        self._script = script
        self._embed = embed
        self._lock = threading.Lock()
        self._server = _QuietServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=lambda: self._server.serve_forever(poll_interval=0.02), name="scripted-model", daemon=True
        )

    @property
    def url(self) -> str:
        """The address for ``dspex.LM(api_base=...)``. It ends in ``/v1``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def start(self) -> Self:
        """Begin to answer. A ``with`` block does this, and stops the server at its end."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering, and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def reply_to(self, request: dict[str, Any]) -> Reply:
        """Note a chat request and return the script's answer to it. The server's threads call this."""
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
        if callable(self._script):
            return self._by_function(self._script, request)
        if isinstance(self._script, Mapping):
            return self._by_text(self._script, _last_text(request))
        return _reply(self._script[min(number, len(self._script) - 1)])

    def embeddings_of(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Return the body that answers a request for embeddings; None when the model has no `embed`."""
        if self._embed is None:
            return None
        given = request["input"]
        texts = [given] if isinstance(given, str) else given
        vectors = [
            {"object": "embedding", "index": index, "embedding": list(self._embed(text))}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return {"object": "list", "model": request.get("model"), "data": vectors, "usage": usage}

    @staticmethod
    def _by_function(script: Callable[[dict[str, Any]], Answer], request: dict[str, Any]) -> Reply:
        try:
            return _reply(script(request))
        except Exception as error:  # noqa: BLE001 - the client under test shows it, and does not try again
            return Reply(f"The script failed with {type(error).__name__}: {error}", status=400)

    @staticmethod
    def _by_text(answers: Mapping[str, Answer], text: str) -> Reply:
        for key, answer in answers.items():
            if key in text:
                return _reply(answer)
        return Reply(f"The script has no answer: none of {sorted(answers)} is in the last message.", status=400)


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: a client that leaves before its answer is what timeouts are tested with."""


def _reply(answer: Answer) -> Reply:
    if isinstance(answer, Reply):
        return answer
    if isinstance(answer, str):
        return Reply(answer)
    sections = [f"[[ ## {name} ## ]]\n{value}" for name, value in answer.items()]
    return Reply("\n\n".join([*sections, "[[ ## completed ## ]]"]))


def _last_text(request: dict[str, Any]) -> str:
    messages = request.get("messages") or [{}]
    content = messages[-1].get("content")
    return content if isinstance(content, str) else json.dumps(content)


def _handler(model: ScriptedModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            if self.path.endswith("/chat/completions"):
                self._chat(request, model.reply_to(request))
            elif self.path.endswith("/embeddings") and (vectors := model.embeddings_of(request)) is not None:
                self._send(Reply(), "application/json", json.dumps(vectors).encode())
            else:
                missing = Reply(f"A ScriptedModel without an answer for {self.path}.", status=404)
                self._send(missing, "application/json", json.dumps(_body(request, missing)).encode())

        def _chat(self, request: dict[str, Any], reply: Reply) -> None:
            time.sleep(reply.delay_s)
            if request.get("stream") and reply.status < 400:
                self._send(reply, "text/event-stream", b"".join(_events(request, reply.text)))
            else:
                self._send(reply, "application/json", json.dumps(_body(request, reply)).encode())

        def _send(self, reply: Reply, kind: str, body: bytes) -> None:
            self.send_response(reply.status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if reply.cut else body)
            if reply.cut:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Tests are quiet."""

    return Handler


def _body(request: dict[str, Any], reply: Reply) -> dict[str, Any]:
    if reply.status >= 400:
        return {"error": {"message": reply.text or f"status {reply.status}", "type": "scripted", "code": None}}
    return {
        "id": "scripted-1",
        "object": "chat.completion",
        "created": 0,
        "model": request.get("model"),
        "choices": [
            {"index": index, "message": {"role": "assistant", "content": reply.text}, "finish_reason": "stop"}
            for index in range(request.get("n") or 1)
        ],
        "usage": _usage(request, reply.text),
    }


def _usage(request: dict[str, Any], text: str) -> dict[str, int]:
    """Tokens, at about four characters each."""
    prompt, completion = len(json.dumps(request.get("messages"))) // 4 + 1, len(text) // 4 + 1
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _events(request: dict[str, Any], text: str) -> Iterator[bytes]:
    shape = {"id": "scripted-1", "object": "chat.completion.chunk", "created": 0, "model": request.get("model")}
    pieces: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    pieces += [({"content": text[at : at + _PIECE]}, None) for at in range(0, len(text), _PIECE)]
    for delta, reason in [*pieces, ({}, "stop")]:
        yield _event({**shape, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
    if (request.get("stream_options") or {}).get("include_usage"):
        yield _event({**shape, "choices": [], "usage": _usage(request, text)})
    yield b"data: [DONE]\n\n"


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
