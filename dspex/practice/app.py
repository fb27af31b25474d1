"""The practice model's HTTP requests, one coroutine each kind. No sockets are opened here: see `server`."""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import orjson
from aiohttp import web

from dspex.practice.embed import vector
from dspex.practice.embeddings_format import EmbeddingsRequest, read_embeddings_request, write_embeddings
from dspex.practice.faults import Fate, Faults, RateLimit
from dspex.practice.learner import FINGERPRINT, Learner
from dspex.practice.openai_format import (
    BadRequestError,
    ChatRequest,
    Choice,
    limited,
    read_request,
    usage,
    write_answer,
    write_error,
    write_models,
    write_stream,
)
from dspex.practice.options import PracticeOptions
from dspex.practice.stats import Stats

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Asked = TypeVar("Asked", ChatRequest, EmbeddingsRequest)

_FAILURES = {
    429: ("Rate limit reached (injected by the practice model).", "requests", "rate_limit_exceeded"),
    500: ("The server had an error (injected by the practice model).", "server_error", None),
    503: ("The engine is overloaded (injected by the practice model).", "server_error", None),
}
_MALFORMED = "I am the practice model and was told to get the format wrong: "


class PracticeApp:
    """Answers HTTP requests; one for each server."""

    def __init__(self, options: PracticeOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self.stats = Stats()
        self._options = options
        self._learner = Learner()
        self._faults = Faults(options)
        self._limit = RateLimit(options.rpm, clock) if options.rpm is not None else None
        self._routes: dict[str, dict[str, Handler]] = {
            "/chat/completions": {"POST": self._chat},
            "/embeddings": {"POST": self._embeddings},
            "/models": {"GET": self._models},
            "/stats": {"GET": self._report},
            "/stats/reset": {"POST": self._reset},
            "/health": {"GET": self._health},
        }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        methods = self._routes.get(request.path.removeprefix("/v1"))
        if methods is None:
            return _json(write_error(f"Unknown URL: {request.method} {request.path}", "invalid_request_error"), 404)
        handler = methods.get(request.method)
        if handler is None:
            return _json(write_error(f"{request.path} takes {', '.join(methods)}.", "invalid_request_error"), 405)
        return await handler(request)

    async def _chat(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._count(self._answer(request, read_request, self._send))

    async def _embeddings(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._count(self._answer(request, read_embeddings_request, self._send_vectors))

    async def _count(self, answering: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        self.stats.begin()
        try:
            return await answering
        finally:
            self.stats.end()

    async def _answer(
        self,
        request: web.BaseRequest,
        read: Callable[[bytes], Asked],
        send: Callable[[web.BaseRequest, Asked, Fate], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        if not self._allowed(request):
            self.stats.errors["401"] += 1
            return _json(
                write_error("Incorrect API key provided.", "invalid_request_error", code="invalid_api_key"), 401
            )
        try:
            asked = read(await request.read())
        except BadRequestError as error:
            self.stats.errors["400"] += 1
            return _json(write_error(str(error), "invalid_request_error", param=error.param), 400)
        attempt = self.stats.saw(asked.digest)
        wait = self._limit.admit() if self._limit else 0.0
        if wait:
            self.stats.errors["429 rpm"] += 1
            return self._refuse(429, wait)
        fate = self._faults.fate(asked.digest, attempt)
        if fate.delay:
            await asyncio.sleep(fate.delay)
        if fate.status != 200:
            self.stats.errors[str(fate.status)] += 1
            return self._refuse(fate.status, self._options.retry_after)
        return await send(request, asked, fate)

    async def _send(self, request: web.BaseRequest, chat: ChatRequest, fate: Fate) -> web.StreamResponse:
        texts = self._learner.answers(chat.question)
        if fate.malformed:
            self.stats.errors["malformed"] += 1
            texts = [_MALFORMED + text[len(text) // 2 :].replace("[[", "").replace("{", "") for text in texts]
        choices = [limited(text, chat.max_tokens) for text in texts]
        if fate.cut:
            self.stats.errors["cut"] += 1
            return await self._send_half(request, chat, choices)
        if request.transport is None or request.transport.is_closing():
            self.stats.abandoned += 1
            return web.Response(status=499)
        counts = usage(chat, choices)
        if not chat.stream:
            self.stats.gave(chat.digest, counts["prompt_tokens"], counts["completion_tokens"])
            return _json(write_answer(chat, choices), headers=self._limit.headers() if self._limit else None)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in write_stream(chat, choices, self._options.chunk_chars):
            await response.write(event)
        await response.write_eof()
        self.stats.gave(chat.digest, counts["prompt_tokens"], counts["completion_tokens"])
        return response

    async def _send_vectors(self, request: web.BaseRequest, asked: EmbeddingsRequest, fate: Fate) -> web.StreamResponse:
        """Vectors are neither streamed nor malformed; a fate of that kind has no effect."""
        body = write_embeddings(asked, [vector(text, asked.dimensions) for text in asked.texts])
        self.stats.gave(asked.digest, asked.tokens, 0)
        return _json(body, headers=self._limit.headers() if self._limit else None)

    async def _send_half(
        self, request: web.BaseRequest, chat: ChatRequest, choices: list[Choice]
    ) -> web.StreamResponse:
        """Promise a whole body, send half of it and hang up."""
        if chat.stream:
            body = b"".join(write_stream(chat, choices, self._options.chunk_chars))
        else:
            body = write_answer(chat, choices)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream" if chat.stream else "application/json"}
        )
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    def _refuse(self, status: int, wait: float) -> web.Response:
        message, kind, code = _FAILURES[status]
        headers = self._limit.headers() if self._limit else {}
        if status == 429:
            headers["Retry-After"] = str(math.ceil(wait)) if wait >= 1 else f"{wait:.3f}"
            headers["retry-after-ms"] = str(math.ceil(wait * 1000))
        return _json(write_error(message, kind, code=code), status, headers)

    def _allowed(self, request: web.BaseRequest) -> bool:
        key = self._options.api_key
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return key is None or hmac.compare_digest(given.encode(), key.encode())

    async def _models(self, _: web.BaseRequest) -> web.Response:
        return _json(write_models())

    async def _report(self, _: web.BaseRequest) -> web.Response:
        return _json(orjson.dumps(self.stats.report()))

    async def _reset(self, _: web.BaseRequest) -> web.Response:
        self.stats.reset()
        return _json(orjson.dumps(self.stats.report()))

    async def _health(self, _: web.BaseRequest) -> web.Response:
        return _json(orjson.dumps({"status": "ok", "model": FINGERPRINT}))


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
