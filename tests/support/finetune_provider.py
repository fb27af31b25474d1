"""OpenAI's Files and Fine-tuning API in memory, as a transport or over HTTP; and data to train on."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

import dspex
from dspex.clients.http.transport import Body, RawResponse
from dspex.errors import LMTransportError
from dspex.finetuning.provider import OpenAIProvider

BASE = "http://provider.test/v1"
KEY = "sk-finetune-c0ffee"

Answer = tuple[int, Any]


class KilledError(Exception):
    """Stands for the end of the process."""


class FakeOpenAI:
    """A provider. Each look at a job takes it one of `stages` further.

    `lose_answer` holds requests (``"POST /files"``) that are done but whose answer is lost on the way, once each. At
    `kill_after` the process that asked dies before it hears of the answer. `done` hears of each request, when it is
    done and before it is answered.
    """

    def __init__(self, stages: tuple[str, ...] = ("queued", "running", "succeeded"), page: int = 100) -> None:
        self.stages = stages
        self.page = page
        self.files: list[dict[str, Any]] = []
        self.jobs: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.contents: dict[str, bytes] = {}
        self.lose_answer: set[str] = set()
        self.refuse: dict[str, Answer] = {}
        self.kill_after: str | None = None
        self.done: Callable[[str], None] = lambda asked: None
        self.keeps_metadata = True
        self.error: dict[str, Any] = {"code": "invalid_training_file", "message": "The file is bad.", "param": None}

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> RawResponse:
        return await self.request("POST", url, headers, body, timeout)

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None, timeout: float
    ) -> RawResponse:
        parts = urlsplit(url)
        path = parts.path.removeprefix("/v1")
        whole = body if isinstance(body, bytes | None) else b"".join([piece async for piece in body])
        self.asked.append(f"{method} {path}")
        self.headers.append(headers)
        if self.asked[-1] in self.refuse:
            status, data = self.refuse.pop(self.asked[-1])
        else:
            status, data = self._answer(method, path, parse_qs(parts.query), headers, whole or b"")
        self.done(f"{method} {path}")
        if self.asked[-1] == self.kill_after:
            self.kill_after = None
            raise KilledError
        if self.asked[-1] in self.lose_answer:
            self.lose_answer.remove(self.asked[-1])
            raise LMTransportError(f"{url}: the connection was cut")
        return RawResponse(status, {}, orjson.dumps(data))

    def count(self, request: str) -> int:
        return self.asked.count(request)

    def _answer(
        self, method: str, path: str, query: dict[str, list[str]], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        if path == "/files":
            return (200, self._upload(headers, body)) if method == "POST" else (200, self._page(self.files, query))
        if path == "/fine_tuning/jobs":
            return (200, self._create(orjson.loads(body))) if method == "POST" else (200, self._page(self.jobs, query))
        found = re.fullmatch(r"/fine_tuning/jobs/([^/]+)(/events|/cancel)?", path)
        job = next((job for job in self.jobs if found and job["id"] == found[1]), None)
        if found is None or job is None:
            return 404, {"error": {"message": "No such thing.", "code": "not_found"}}
        if found[2] == "/events":
            return 200, {"data": [{"message": f"Status: {job['status']}", "created_at": 1}], "has_more": False}
        return self._cancel(job) if found[2] else (200, self._look(job))

    def _upload(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        assert int(headers["Content-Length"]) == len(body)
        boundary = headers["Content-Type"].partition("boundary=")[2].encode()
        parts = dict(
            re.findall(rb'name="(\w+)"[^\r]*\r\n(?:[^\r]+\r\n)?\r\n(.*?)\r\n--' + boundary, body, flags=re.DOTALL)
        )
        assert parts[b"purpose"] == b"fine-tune"
        name = re.search(rb'filename="([^"]+)"', body)
        assert name
        file = {"id": f"file-{len(self.files) + 1}", "filename": name[1].decode(), "bytes": len(parts[b"file"])}
        self.files.insert(0, file)
        self.contents[file["id"]] = parts[b"file"]
        return file

    def _create(self, asked: dict[str, Any]) -> dict[str, Any]:
        number = len(self.jobs) + 1
        job = {
            "id": f"ftjob-{number}",
            "object": "fine_tuning.job",
            "created_at": number,
            "status": "validating_files",
            "fine_tuned_model": None,
            "trained_tokens": None,
            "error": None,
            **asked,
        }
        job["user_provided_suffix"] = job.pop("suffix", None)
        if not self.keeps_metadata:
            del job["metadata"]
        self.jobs.insert(0, job)
        return dict(job)

    def _look(self, job: dict[str, Any]) -> dict[str, Any]:
        stages = ["validating_files", *self.stages]
        if job["status"] in stages[:-1]:
            job["status"] = stages[stages.index(job["status"]) + 1]
        if job["status"] == "succeeded":
            job["fine_tuned_model"] = f"ft:{job['model']}:acme:{job['user_provided_suffix']}:{job['id']}"
            job["trained_tokens"] = 4321
        if job["status"] == "failed":
            job["error"] = self.error
        return dict(job)

    def _cancel(self, job: dict[str, Any]) -> Answer:
        if job["status"] in ("succeeded", "failed", "cancelled"):
            return 400, {"error": {"message": f"Job has already {job['status']}.", "code": "invalid_request"}}
        job["status"] = "cancelled"
        return 200, dict(job)

    def _page(self, rows: list[dict[str, Any]], query: dict[str, list[str]]) -> dict[str, Any]:
        after = query.get("after", [None])[0]
        start = next((i + 1 for i, row in enumerate(rows) if row["id"] == after), 0)
        page = rows[start : start + self.page]
        return {"object": "list", "data": page, "has_more": start + self.page < len(rows)}


@contextmanager
def over_http(provider: FakeOpenAI) -> Iterator[str]:
    """Serve `provider` from a thread; gives the base URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="finetune-provider", daemon=True)
    thread.start()
    serving = _serve(provider)
    try:
        yield asyncio.run_coroutine_threadsafe(anext(serving), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(serving.aclose(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(provider: FakeOpenAI) -> AsyncIterator[str]:
    from aiohttp import web

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        reply = await provider.request(request.method, str(request.url), request.headers, await request.read(), 60)
        return web.Response(body=reply.body, status=reply.status, content_type="application/json")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def examples(count: int = 12) -> list[dict[str, Any]]:
    """Rows in the chat format, all different."""
    return [
        {"messages": [{"role": "user", "content": f"Question {i}?"}, {"role": "assistant", "content": f"Answer {i}."}]}
        for i in range(count)
    ]


def lm(provider: FakeOpenAI, **options: Any) -> dspex.LM:
    """An LM that is served, and trained, by `provider`."""
    arguments: dict[str, Any] = {"api_base": BASE, "api_key": KEY, "transport": provider}
    made = dspex.LM("openai/gpt-4o-mini", **{**arguments, **options})
    assert isinstance(made.provider, OpenAIProvider)
    return made
