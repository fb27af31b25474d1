"""A language model over HTTP that says what it is told to, in the form that the prompt asks for.

It stands in for the models that DSPy's tutorials call. A program's script is a list of answers, each the output fields
by name; a request gets the first unused answer that has exactly the fields it asks for (and whose `when`, if it has
one, occurs in the last message: those go first), or the last of them again. The bodies of all requests are kept.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fields = dict[str, Any]

_CHAT_FIELD = re.compile(r"`\[\[ ## (\w+) ## \]\]`")
_JSON_FIELD = re.compile(r"`(\w+)`")
_XML_FIELD = re.compile(r"`<(\w+)>`")
_JSON_REMINDER = "Respond with a JSON object in the following order of fields: "
_XML_REMINDER = "wrapped in XML tags "


class ScriptedLM:
    """``with ScriptedLM(script) as lm: lm.url``; `requests` has the decoded bodies, in order of arrival."""

    def __init__(self, script: Sequence[Fields]) -> None:
        self.requests: list[dict[str, Any]] = []
        self._script = list(script)
        self._used = [False] * len(self._script)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ScriptedLM:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def text(self, body: dict[str, Any]) -> str:
        """The answer to a request. What nothing in the script fits is answered by a line about that, as free text."""
        asked = _plain(body["messages"][-1]["content"])
        names, form = asked_for(asked)
        with self._lock:
            self.requests.append(body)
            if not names:
                return self._free_text(asked)
            return form(self._take(names, asked))

    def _take(self, names: list[str], asked: str) -> Fields:
        fitting = [
            place
            for place, fields in enumerate(self._script)
            if set(fields) - {"when"} == set(names) and fields.get("when", "") in asked
        ]
        fitting = [place for place in fitting if "when" in self._script[place]] or fitting
        if not fitting:
            raise LookupError(f"The script has no answer with the fields {names}.")
        place = next((each for each in fitting if not self._used[each]), fitting[-1])
        self._used[place] = True
        return {name: self._script[place][name] for name in names}

    def _free_text(self, asked: str) -> str:
        for fields in self._script:
            if set(fields) - {"when"} == {"text"} and fields.get("when", "") in asked:
                return str(fields["text"])
        return "The script has no free text for this."

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        lm = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path.endswith("/embeddings"):
                    self._reply("application/json", json.dumps(_embeddings(body)).encode())
                    return
                try:
                    text = lm.text(body)
                except LookupError as error:
                    self._reply("application/json", json.dumps({"error": {"message": str(error)}}).encode(), 400)
                    return
                if body.get("stream"):
                    self._reply("text/event-stream", _events(body["model"], text))
                else:
                    self._reply("application/json", json.dumps(_completion(body, text)).encode())

            def _reply(self, kind: str, content: bytes, status: int = 200) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler


def asked_for(message: str) -> tuple[list[str], Any]:
    """The output fields that a message asks for, and how to write them."""
    if _JSON_REMINDER in message:
        reminder = message.split(_JSON_REMINDER)[-1]
        # A reminder tells types in brackets, which may quote names as well.
        return _JSON_FIELD.findall(re.sub(r"\(must be .*?\)(?=[,.])", "", reminder)), _as_json
    if _XML_REMINDER in message:
        return _XML_FIELD.findall(message.split(_XML_REMINDER)[-1]), _as_xml
    names = [name for name in _CHAT_FIELD.findall(message) if name != "completed"]
    return list(dict.fromkeys(names)), _as_chat


def _as_chat(fields: Fields) -> str:
    sections = [f"[[ ## {name} ## ]]\n{_value(value)}" for name, value in fields.items()]
    return "\n\n".join([*sections, "[[ ## completed ## ]]"])


def _as_json(fields: Fields) -> str:
    return json.dumps(fields)


def _as_xml(fields: Fields) -> str:
    return "\n".join(f"<{name}>\n{_value(value)}\n</{name}>" for name, value in fields.items())


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _completion(body: dict[str, Any], text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "scripted",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def _events(model: str, text: str) -> bytes:
    shape = {"id": "scripted", "object": "chat.completion.chunk", "created": 0, "model": model}
    pieces = [text[start : start + 5] for start in range(0, len(text), 5)]
    chunks = [{**shape, "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    chunks.append({**shape, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    chunks.append({**shape, "choices": [], "usage": usage})
    return "".join([*(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks), "data: [DONE]\n\n"]).encode()


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    vectors = [{"object": "embedding", "index": i, "embedding": _vector(text)} for i, text in enumerate(texts)]
    return {"object": "list", "model": body["model"], "data": vectors, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


def _vector(text: str, size: int = 64) -> list[float]:
    """Counts of words, by their hash: texts with words in common are near each other."""
    vector = [0.0] * size
    for word in re.findall(r"\w+", text.lower()):
        vector[hashlib.sha256(word.encode()).digest()[0] % size] += 1.0
    return vector
