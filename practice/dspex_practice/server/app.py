"""The practice model's HTTP requests: from a request to an answer, a refusal or a fault. No sockets are opened here."""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from dspex_practice.api.dialect import FormatDialect
from dspex_practice.api.endpoint import JSON, EndpointCall, PracticeEndpoint
from dspex_practice.api.faults import FaultDecision, FaultKind
from dspex_practice.api.form import read_parts
from dspex_practice.api.options import PracticeOptions
from dspex_practice.api.service import Service
from dspex_practice.api.stats import Stats
from dspex_practice.model.errors import Reason, RefusedError
from dspex_practice.model.in_context_learner import FINGERPRINT
from dspex_practice.server.routes import Routes, dialect
from dspex_practice.server.sending import gone, send, send_with_fault


class PracticeApp:
    """Answers HTTP requests; one for each server. `clock` measures time, `now` is the time of day, both in seconds."""

    def __init__(
        self,
        options: PracticeOptions,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._options = options
        self._now = now
        self._service = Service(options, clock)
        self._routes = Routes(self._service, now)

    @property
    def stats(self) -> Stats:
        """The counters of ``GET /stats``."""
        return self._service.stats

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if (own := self._own(request.method, path.removeprefix("/v1"))) is not None:
            return web.Response(body=orjson.dumps(own), content_type=JSON)
        family, path = self._routes.family(path, request.headers)
        try:
            endpoint, parts = self._routes.find(request.method, family, path)
        except RefusedError as refusal:
            return self._refused(dialect(family, path), refusal)
        self.stats.begin()
        self.stats.record_call(endpoint.name, endpoint.paid)
        try:
            return await self._answer(request, endpoint, parts)
        except RefusedError as refusal:
            self.stats.record_refusal(endpoint.name, endpoint.paid, self._service.error(endpoint, refusal))
            return self._refused(endpoint.dialect, refusal)
        finally:
            self.stats.end()

    def _own(self, method: str, path: str) -> Mapping[str, Any] | None:
        """The answer to a request about the server itself. These are neither counted nor given faults."""
        if (method, path) == ("POST", "/stats/reset"):
            self.stats.reset()
        elif (method, path) == ("GET", "/health"):
            return {"status": "ok", "model": FINGERPRINT}
        elif (method, path) != ("GET", "/stats"):
            return None
        return self.stats.report()

    async def _answer(
        self, request: web.BaseRequest, endpoint: PracticeEndpoint[Any], parts: Mapping[str, str]
    ) -> web.StreamResponse:
        self._check_key(request, endpoint.dialect)
        raw = await request.read()
        origin = f"{request.scheme}://{request.host}"
        kind = request.headers.get("Content-Type", "")
        form = await read_parts(raw, kind) if kind.startswith("multipart/form-data") else None
        call = EndpointCall(raw, request.method, request.path, parts, request.query, request.headers, origin, form)
        admitted = self._service.admit(endpoint, call)
        decision: FaultDecision = admitted.decision
        if decision.delay:
            await asyncio.sleep(decision.delay)
        answer = self._service.answer(admitted)
        if gone(request):
            self.stats.abandoned += 1
            return web.Response(status=499)
        headers = self._headers(endpoint, admitted.request.digest)
        if decision.malformed and endpoint.paid:
            self.stats.errors["malformed"] += 1
        if decision.fault is not None:
            self.stats.errors[decision.fault.value] += 1
            response = await send_with_fault(request, answer, headers, decision.fault, self._options.drip_seconds)
            if decision.fault is FaultKind.DRIP and not gone(request):
                self._service.record_answer(admitted, answer)
            return response
        response = await send(request, answer, headers)
        self._service.record_answer(admitted, answer)
        return response

    def _check_key(self, request: web.BaseRequest, dialect: FormatDialect) -> None:
        wanted = self._options.api_key
        if wanted is None:
            return
        given = dialect.keys(request.headers, request.query)
        if not given:
            raise RefusedError(Reason.NO_KEY, "No API key was provided.")
        if not any(hmac.compare_digest(key.encode(), wanted.encode()) for key in given):
            raise RefusedError(Reason.WRONG_KEY, "Incorrect API key provided.")

    def _headers(self, endpoint: PracticeEndpoint[Any], digest: bytes) -> dict[str, str]:
        limits = endpoint.dialect.limits(self._service.levels(), self._now()) if endpoint.paid else {}
        return {**endpoint.dialect.headers(digest), **limits}

    def _refused(self, dialect: FormatDialect, refusal: RefusedError) -> web.Response:
        headers = dialect.limits(self._service.levels(), self._now())
        status = dialect.status(refusal)
        if status == 429:
            wait = refusal.wait
            headers["Retry-After"] = str(math.ceil(wait)) if wait >= 1 else f"{wait:.3f}"
            headers["retry-after-ms"] = str(math.ceil(wait * 1000))
        return web.Response(body=dialect.error(refusal), status=status, headers=headers, content_type=JSON)
