"""A server that answers HTTP byte by byte as a test says: also what no HTTP library would send."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Asked:
    """One request as it came in. Names of headers are in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def reply(self, status: int, body: bytes, headers: str = "") -> None:
        """Answer with a whole response, and keep the connection."""
        head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        self.writer.write(head.encode() + body)
        await self.writer.drain()


Behaviour = Callable[[Asked], Awaitable[None]]


def completion(text: str = "fine", **more: Any) -> bytes:
    """A whole answer in OpenAI's format."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return json.dumps({"id": "chat-1", "model": "m-1", "choices": [choice], "usage": usage, **more}).encode()


async def answer(asked: Asked) -> None:
    await asked.reply(200, completion(), "Content-Type: application/json\r\n")


def saying(status: int, body: bytes, headers: str = "Content-Type: application/json\r\n") -> Behaviour:
    """Answer so, whatever is asked."""

    async def behave(asked: Asked) -> None:
        await asked.reply(status, body, headers)

    return behave


def refusing(status: int, message: str = "no", headers: str = "", **error: Any) -> Behaviour:
    """Answer with an error in OpenAI's format."""
    return saying(status, json.dumps({"error": {"message": message, **error}}).encode(), headers)


@dataclass
class RawServer:
    """Behaves once as each of `script` says, and for ever after as `behaviour`."""

    behaviour: Behaviour = answer
    script: list[Behaviour] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)
    port: int = 0
    tls: bool = False
    connections: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        try:
            while (asked := await _read(reader, writer)) is not None:
                self.requests.append(asked)
                await (self.script.pop(0) if self.script else self.behaviour)(asked)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            self.connections.discard(task)
            writer.close()


@asynccontextmanager
async def raw_server(behaviour: Behaviour = answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """A `RawServer` that listens on loopback."""
    made = RawServer(behaviour, tls=tls is not None)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls, backlog=512)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in made.connections.copy():
            task.cancel()
        await asyncio.gather(*made.connections, return_exceptions=True)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked | None:
    """The next request of a connection; None when the other side has gone."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1") if not reader.at_eof() else ""
    if not head:
        return None
    line, *rest = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(line, headers, body, reader, writer)
