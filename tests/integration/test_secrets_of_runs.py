"""After runs of every kind, local and durable, a search of all that is kept, shown or told for the key."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import pickle
import sys
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from durable import task
from integration.collector import Heard, collector
from integration.raw_server import Asked, Behaviour, RawServer, completion, raw_server

import dspex
from dspex import settings as configuration
from dspex.clients.resilience import retry
from dspex.errors import LMError
from dspex.settings import context
from dspex.store import Store
from dspex.temporal.client import Client
from dspex.temporal.run import RunFailedError
from dspex.temporal.server import EmbeddedServer

ROOT = Path(__file__).resolve().parents[2]

KEY = "sk-needle-4f1c0ffee+0123/456789"
OTHER = "tok-needle-9876543210fedcba"
NEEDLE = "needle"
"""Part of every secret here, and of nothing else."""


def echoing(status: int) -> Behaviour:
    """Answer with all that was sent along, in all the ways in which servers quote it."""

    async def behave(asked: Asked) -> None:
        sent = asked.headers.get("authorization", "") + " " + asked.headers.get("x-api-key", "")
        words = f"Incorrect API key provided: {sent}. " + json.dumps(asked.headers)
        if status == 200:
            await asked.reply(200, completion(words, id=sent))
            return
        error = {"message": words, "code": sent, "type": "invalid"}
        body = json.dumps({"error": error}).encode() if status != 502 else f"<html>{words}</html>".encode()
        await asked.reply(status, body, f"X-Request-Id: {sent}\r\n")

    return behave


@pytest.fixture
async def model() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        yield server


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Telemetry that may record everything."""
    made = Heard(capture_content=True)
    with context(telemetry=made.telemetry):
        yield made


def in_files(folder: Path) -> list[Path]:
    """The files under `folder` that hold a secret."""
    return [path for path in folder.rglob("*") if path.is_file() and NEEDLE.encode() in path.read_bytes()]


def shown(error: BaseException) -> str:
    """An error in all its forms."""
    text = io.StringIO()
    traceback.print_exception(error, file=text)
    return f"{error} {error!r} {vars(error)} {text.getvalue()} {pickle.dumps(error)!r}"


@pytest.mark.parametrize("by_headers", [False, True])
async def test_local_work_leaves_no_key_anywhere(
    model: RawServer,
    heard: Heard,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    by_headers: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(retry, "rest", _no_rest)
    secrets: dict[str, Any] = {"api_key": KEY}
    if by_headers:
        secrets = {"api_key": "unused-key", "extra_headers": {"Authorization": f"Bearer {OTHER}", "X-API-Key": KEY}}
    lm = dspex.LM("openai/m", api_base=model.url, num_retries=1, **secrets)
    program = dspex.Predict("question -> answer")
    store = Store.open(tmp_path / "store.db")
    found: list[str] = []
    with context(lm=lm, store=store.url):
        for status in (401, 403, 400, 404, 500, 502, 429):
            model.behaviour = echoing(status)
            for call in (lambda: lm.acall("hi", cache=False), lambda: program.acall(question="?")):
                with pytest.raises(LMError) as caught:
                    await call()
                found.append(shown(caught.value))
        model.behaviour = echoing(200)
        found += [str(await lm.acall("an answer that holds the key")), str(await lm.acall("again"))]
        program.save(tmp_path / "program.json")
        program.lm = lm
        program.save(tmp_path / "with_lm.json")
        program.save(tmp_path / "whole", save_program=True)
        configuration.save(tmp_path / "settings.pkl", exclude_keys=["telemetry"])
    found += [repr(lm), str(lm.dump_state()), repr(program), repr(lm.history), str(dspex.settings.config)]
    history = io.StringIO()
    dspex.inspect_history(n=100, file=history)
    found += [history.getvalue(), caplog.text, heard.everything(), repr(pickle.dumps(lm))]
    store.close()
    assert [text[:400] for text in found if NEEDLE in text] == []
    assert in_files(tmp_path) == []
    assert all(NEEDLE in str(asked.headers) for asked in model.requests)  # it was sent all the while


async def _no_rest(seconds: float) -> None:
    await asyncio.sleep(0)


@pytest.mark.integration
@pytest.mark.parametrize("trouble", [500, 400, 401])
async def test_durable_runs_leave_no_key_anywhere(
    model: RawServer, heard: Heard, tmp_path: Path, store: Store, temporal_server: EmbeddedServer, trouble: int
) -> None:
    """The worker has the key in its environment, and the server quotes it in whatever it says."""
    model.script = [echoing(trouble)] * 6
    model.behaviour = echoing(200)
    queue = f"secrets-{trouble}"
    lm = dspex.LM("openai/m", api_base=model.url, api_key_env=task.KEY_VARIABLE, num_retries=1)
    with context(lm=lm):
        client = await Client.connect(temporal_server.address, store=store, task_queue=queue)
        async with collector() as collected:
            worker = await _start_worker(temporal_server.address, queue, collected.url)
            run = await client.evaluate(task.program, devset=task.examples(12), metric=task.right_kind)
            found = [run.id]
            try:
                found.append(repr(await run.result()))
            except RunFailedError as error:
                assert trouble == 401
                found.append(shown(error))
            worker.terminate()
            _, said = await worker.communicate()
            found += [said.decode(), str(collected.bodies)]
        history = await client.temporal.get_workflow_handle(run.id).fetch_history()
    found += [history.to_json(), heard.everything()]
    store.close()
    assert len(collected.bodies) > 0
    assert model.requests
    assert all(NEEDLE in asked.headers["authorization"] for asked in model.requests)
    assert [text[:600] for text in found if NEEDLE in text] == []
    assert in_files(tmp_path) == []


async def _start_worker(address: str, queue: str, collector_url: str) -> asyncio.subprocess.Process:
    """`dspex worker`, which logs all it can."""
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector_url, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dspex", "worker", "--temporal", address, "--task-queue", queue),
        *("--import", "durable.task"),
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests"), task.KEY_VARIABLE: KEY, "DSPEX_TRACEBACK": "1", **told},
        stderr=asyncio.subprocess.PIPE,
    )


async def test_local_run_that_fails_shows_no_key(
    model: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line, with the traceback asked for."""
    model.behaviour = echoing(401)
    data = tmp_path / "train.jsonl"
    data.write_text("\n".join(json.dumps({"question": f"{i}?", "answer": "42"}) for i in range(4)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dspex", "optimize", "question -> answer", "--local", "--optimizer", "bootstrap"),
        *("--train", str(data), "--inputs", "question", "--metric", "exact_match", "--lm", "openai/m"),
        *("--api-base", model.url, "--api-key-env", "NEEDED_KEY", "--out", str(tmp_path / "out.json")),
        env={**os.environ, "NEEDED_KEY": KEY, "DSPEX_TRACEBACK": "1", "DSPEX_STORE": str(tmp_path / "store.db")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    out, err = await process.communicate()
    assert process.returncode == 1
    assert "401" in err.decode()
    assert NEEDLE not in (out + err).decode()
    assert in_files(tmp_path) == []
