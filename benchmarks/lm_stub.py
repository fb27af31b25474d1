"""A fast LM stub on loopback, for benchmarks: OpenAI chat-completions format, one fixed answer after a fixed latency.

It runs as a process of its own, so that its CPU is not counted with the client's. ``GET /stats`` says how many calls it
answered and how many connections it saw. From a shell::

    python benchmarks/lm_stub.py --latency 0.05 --fields reasoning,answer
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def lm_stub(latency: float = 0.05, fields: Sequence[str] = ("answer",)) -> Iterator[str]:
    """Run the stub in a process of its own and give its base URL (``http://127.0.0.1:PORT/v1``).

    `latency` is in seconds; `fields` are the output fields that the answer fills, in ChatAdapter's form.
    """
    command = [sys.executable, __file__, "--latency", str(latency), "--fields", ",".join(fields)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


class _Stub(asyncio.Protocol):
    """One connection: keep-alive, one request at a time, as HTTP clients without pipelining send them."""

    calls = 0
    connections = 0

    def __init__(self, latency: float, answer: bytes) -> None:
        self.latency = latency
        self.answer = answer
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        _Stub.connections += 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator or len(rest) < _content_length(head):
            return
        self.buffer = b""
        if head.startswith(b"GET"):
            self._reply(json.dumps({"calls": _Stub.calls, "connections": _Stub.connections}).encode())
        elif self.latency:
            asyncio.get_running_loop().call_later(self.latency, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        _Stub.calls += 1
        self._reply(self.answer)

    def _reply(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        if not self.transport.is_closing():
            self.transport.write(head + body)


def _content_length(head: bytes) -> int:
    _, _, after = head.lower().partition(b"content-length:")
    return int(after.split(b"\r\n", 1)[0] or 0)


def _answer_body(fields: Sequence[str]) -> bytes:
    blocks = [f"[[ ## {name} ## ]]\nParis is the capital of France, and has been for a long time." for name in fields]
    text = "\n\n".join([*blocks, "[[ ## completed ## ]]"])
    body = {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "stub",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 40, "total_tokens": 340},
    }
    return json.dumps(body).encode()


async def _serve(latency: float, answer: bytes, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: _Stub(latency, answer), "127.0.0.1", port, backlog=2048
    )
    host, bound = server.sockets[0].getsockname()
    print(f"http://{host}:{bound}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each answer")
    parser.add_argument("--fields", default="answer", help="output fields of the answer, comma-separated")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    try:
        asyncio.run(_serve(options.latency, _answer_body(options.fields.split(",")), options.port))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
