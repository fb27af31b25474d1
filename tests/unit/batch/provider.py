"""A provider of OpenAI's batches in this process: it answers when told to, and fails in the ways asked for."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web


@dataclass
class Provider:
    """Counts what it is asked for. A batch is over as soon as it is looked at, unless `ends` is unset."""

    ends: bool = True
    expire_first: int = 0
    """The first so many batches expire, half done."""
    fail_first: int = 0
    """The first so many batches are turned away: too many tokens in the queue."""
    lose_answer_of_creation: int = 0
    """So many times a batch is created and the connection then closed without a word."""
    refuse_creation: int = 0
    """So many times a creation is refused with a 429."""
    without_batches: bool = False
    sorts: bool = False
    """Answers as the task of the durable tests wants it."""
    bad: str = "poison"
    """Requests that hold this word are refused with a 400."""
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    """Ordinary ones."""
    url: str = ""

    def __enter__(self) -> Provider:
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def requests(self) -> Counter[str]:
        """How often each request was in a batch."""
        return self.asked

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.add_routes(
            [
                web.post("/v1/files", self._upload),
                web.get("/v1/files/{id}/content", self._content),
                web.delete("/v1/files/{id}", self._delete),
                web.post("/v1/batches", self._create),
                web.get("/v1/batches", self._list),
                web.get("/v1/batches/{id}", self._get),
                web.post("/v1/batches/{id}/cancel", self._cancel),
                web.post("/v1/chat/completions", self._chat),
            ]
        )
        self._stop = asyncio.Event()
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _upload(self, request: web.Request) -> web.Response:
        if self.without_batches:
            raise web.HTTPNotFound
        form = await request.post()
        assert form["purpose"] == "batch"
        name = f"file-{len(self.files)}"
        self.files[name] = form["file"].file.read()  # type: ignore[union-attr]
        return web.json_response({"id": name})

    async def _content(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["id"]])

    async def _delete(self, request: web.Request) -> web.Response:
        self.files.pop(request.match_info["id"])
        return web.json_response({"deleted": True})

    async def _create(self, request: web.Request) -> web.Response:
        if self.refuse_creation:
            self.refuse_creation -= 1
            return web.json_response({"error": {"message": "slow down"}}, status=429)
        asked = await request.json()
        name = f"batch_{len(self.batches)}"
        lines = [orjson.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        self.asked.update(line["custom_id"] for line in lines)
        self.batches[name] = {**asked, "id": name, "status": "in_progress", "lines": lines}
        if self.lose_answer_of_creation:
            self.lose_answer_of_creation -= 1
            assert request.transport is not None
            request.transport.close()
        return web.json_response(self._shown(name))

    async def _list(self, request: web.Request) -> web.Response:
        if self.without_batches:
            raise web.HTTPNotFound
        return web.json_response({"data": [self._shown(name) for name in reversed(self.batches)]})

    async def _get(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if self.ends and self.batches[name]["status"] == "in_progress":
            self._end(name)
        return web.json_response(self._shown(name))

    async def _cancel(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        self._finish(name, "cancelled", half=True)
        return web.json_response(self._shown(name))

    async def _chat(self, request: web.Request) -> web.Response:
        self.calls += 1
        return web.json_response(self._reply(await request.json()))

    def _reply(self, body: dict[str, Any]) -> dict[str, Any]:
        if not self.sorts:
            return reply(body)
        text = body["messages"][-1]["content"]
        kind = "fruit" if any(fruit in text for fruit in ("apple", "pear", "plum", "fig")) else "tool"
        gist = text.partition("[[ ## text ## ]]\n")[2].partition("\n")[0]
        fields = {"gist": gist, "reasoning": "so it is", "kind": kind}
        return reply(body, "\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in fields.items() if name in text))

    def _end(self, name: str) -> None:
        if self.fail_first:
            self.fail_first -= 1
            errors = {"data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]}
            self.batches[name] |= {"status": "failed", "errors": errors}
        elif self.expire_first:
            self.expire_first -= 1
            self._finish(name, "expired", half=True)
        else:
            self._finish(name, "completed")

    def _finish(self, name: str, status: str, half: bool = False) -> None:
        batch = self.batches[name]
        good, bad = [], []
        for number, line in enumerate(batch["lines"]):
            one = {"id": f"r{number}", "custom_id": line["custom_id"], "response": None, "error": None}
            if half and number % 2:
                bad.append({**one, "error": {"code": f"batch_{status}", "message": "not done in time"}})
            elif self.bad in str(line["body"]["messages"]):
                body = {"error": {"message": "I do not take poison", "type": "invalid_request_error"}}
                bad.append({**one, "response": {"status_code": 400, "body": body}})
            else:
                good.append({**one, "response": {"status_code": 200, "body": self._reply(line["body"])}})
        for lines, field_name in ((good, "output_file_id"), (bad, "error_file_id")):
            if lines:
                batch[field_name] = f"{name}-{field_name}"
                self.files[batch[field_name]] = b"\n".join(map(orjson.dumps, lines)) + b"\n"
        batch["status"] = status

    def _shown(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        counts = {"total": len(batch["lines"]), "completed": 0, "failed": 0}
        return {**{key: value for key, value in batch.items() if key != "lines"}, "request_counts": counts}


def reply(body: dict[str, Any], text: str | None = None) -> dict[str, Any]:
    """Says the last word of the last message again, or `text`."""
    text = text or "echo " + body["messages"][-1]["content"].split()[-1]
    return {
        "id": "x",
        "model": body["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }
