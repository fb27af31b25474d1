"""An LM stub that is right half of the time: it answers ``yes`` or ``no`` by a hash of the question asked.

OpenAI chat-completions format on loopback, in a process of its own, after a fixed latency. The answer depends on
nothing but the question, so every caller gets the same answer, in any order and with any demos.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lm_stub import _content_length

_QUESTION = re.compile(r"\[\[ ## question ## \]\]\s*(.*?)\s*(?:\n|$)")


@contextmanager
def coin_stub(latency: float = 0.05) -> Iterator[str]:
    """Run the stub in a process of its own and give its base URL. `latency` is in seconds."""
    command = [sys.executable, __file__, "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def toss(question: str) -> str:
    """What the stub answers to `question`."""
    return "yes" if hashlib.sha256(question.encode()).digest()[0] % 2 else "no"


class _Coin(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        self.buffer = b""
        asyncio.get_running_loop().call_later(self.latency, self._answer, json.loads(body))

    def _answer(self, request: dict[str, list[dict[str, str]]]) -> None:
        asked = _QUESTION.search(request["messages"][-1]["content"])
        body = json.dumps(_completion(toss(asked[1]) if asked else "no")).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        if not self.transport.is_closing():
            self.transport.write(head + body)


def _completion(answer: str) -> dict[str, object]:
    text = f"[[ ## answer ## ]]\n{answer}\n\n[[ ## completed ## ]]"
    return {
        "id": "chatcmpl-coin",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "coin",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 10, "total_tokens": 310},
    }


async def _serve(latency: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Coin(latency), "127.0.0.1", 0, backlog=2048)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each answer")
    asyncio.run(_serve(parser.parse_args().latency))
