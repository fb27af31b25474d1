"""Sending an answer over a socket: whole, or with a fault on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from aiohttp import web

from dspex_practice.api.endpoint import EndpointResponse
from dspex_practice.api.faults import FaultKind

_PAGE = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please sign in to the network.</body></html>"
_BLANKS = b" " * 4096
"""What JSON allows any number of."""
_LOOK = 0.1
"""Seconds between looks at whether a caller that waits for a byte is still there."""
_PAUSE = 0.005
"""Seconds between the pieces of a body without an end, so that its reader and the server live."""


async def send(request: web.BaseRequest, answer: EndpointResponse, headers: Mapping[str, str]) -> web.StreamResponse:
    """Send a whole answer."""
    headers = {**headers, **answer.headers, "Content-Type": answer.content_type}
    if answer.stream is None:
        return web.Response(body=answer.body, headers=headers)
    response = await _prepared(request, headers)
    for piece in answer.stream:
        await response.write(piece)
    await response.write_eof()
    return response


async def send_with_fault(
    request: web.BaseRequest,
    answer: EndpointResponse,
    headers: Mapping[str, str],
    fault: FaultKind,
    drip_seconds: float,
) -> web.StreamResponse:
    """Send `answer` with `fault` done to it."""
    headers = {**headers, **answer.headers, "Content-Type": answer.content_type}
    if fault is FaultKind.EMPTY:
        return web.Response(body=b"", headers=headers)
    if fault is FaultKind.WRONG_TYPE:
        return web.Response(body=_PAGE, headers={**headers, "Content-Type": "text/html; charset=utf-8"})
    pieces = list(answer.stream) if answer.stream is not None else [answer.body]
    if fault is FaultKind.ENDLESS:
        return await _without_end(request, pieces, answer.repeat, headers)
    body = b"".join(pieces)
    if fault is FaultKind.TRUNCATED:
        return web.Response(body=body[: len(body) // 2], headers=headers)
    response = await _prepared(request, headers, len(body))
    if fault is FaultKind.DRIP:
        return await _drip(request, response, body, drip_seconds)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def gone(request: web.BaseRequest) -> bool:
    """Whether the caller has left."""
    return request.transport is None or request.transport.is_closing()


async def _prepared(
    request: web.BaseRequest, headers: Mapping[str, str], length: int | None = None
) -> web.StreamResponse:
    response = web.StreamResponse(headers=dict(headers))
    if length is not None:
        response.content_length = length
    await response.prepare(request)
    return response


async def _drip(
    request: web.BaseRequest, response: web.StreamResponse, body: bytes, seconds: float
) -> web.StreamResponse:
    for i in range(len(body)):
        await _sleep(request, seconds)
        if gone(request):
            return response
        await response.write(body[i : i + 1])
    await response.write_eof()
    return response


async def _sleep(request: web.BaseRequest, seconds: float) -> None:
    """Sleep, but not on after the caller has left."""
    left = seconds
    while left > _LOOK and not gone(request):
        await asyncio.sleep(_LOOK)
        left -= _LOOK
    await asyncio.sleep(min(left, _LOOK))


async def _without_end(
    request: web.BaseRequest, pieces: list[bytes], repeat: bytes, headers: Mapping[str, str]
) -> web.StreamResponse:
    """The answer but for its end, and then more of the same."""
    response = await _prepared(request, headers)
    begun, more = _endless(pieces, repeat)
    try:
        await response.write(begun)
        while not gone(request):
            await response.write(more)
            await asyncio.sleep(_PAUSE)
    except ConnectionError:
        pass  # the caller left, as it was meant to
    return response


def _endless(pieces: Iterable[bytes], repeat: bytes) -> tuple[bytes, bytes]:
    found = list(pieces)
    place = next((i for i, piece in enumerate(found) if repeat and repeat in piece), -1)
    if place < 0:
        return b"".join(found)[:-1], _BLANKS
    return b"".join(found[: place + 1]), found[place] * (len(_BLANKS) // len(found[place]) + 1)
