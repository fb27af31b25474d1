"""Language models of the user's own: counted and recorded like all others, each call under its place in the run."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from client_fakes import MemoryLedger

from dspex.clients import BaseLM
from dspex.clients.calls.scope import CallScope, call_scope
from dspex.errors import LMServerError


def said(text: str) -> Any:
    message = SimpleNamespace(content=text)
    usage = SimpleNamespace(prompt_tokens=3, completion_tokens=2)
    return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=usage, model="mine")


class Counter(BaseLM):
    """Answers 1, 2, 3, ..."""

    def __init__(self, model: str = "counter") -> None:
        super().__init__(model)
        self.calls = 0
        self.threads: set[int] = set()

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        self.calls += 1
        self.threads.add(threading.get_ident())
        return said(str(self.calls))


class InMemory(Counter):
    blocking = False


class Async(BaseLM):
    async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return {"choices": [{"message": {"content": f"{messages[0]['content']}!"}}], "model": "async"}


def test_synchronous_call(ledger: MemoryLedger) -> None:
    lm = Counter()
    assert [lm("hi"), lm("hi")] == [["1"], ["2"]]
    assert lm.history[0]["usage"] == {"prompt_tokens": 3, "completion_tokens": 2}
    assert not ledger.entries


async def test_asynchronous_model() -> None:
    assert await Async("a").acall(messages=[{"role": "user", "content": "hi"}]) == ["hi!"]


async def test_forward_that_may_block_has_a_thread() -> None:
    lm, quick = Counter(), InMemory()
    await lm.acall("hi")
    await quick.acall("hi")
    assert threading.get_ident() not in lm.threads
    assert quick.threads == {threading.get_ident()}


async def test_calls_of_a_run_are_found_again_by_a_retry(ledger: MemoryLedger) -> None:
    lm = Counter()
    for _ in range(2):
        with call_scope(CallScope(run_id="r", path="baseline/1")) as scope:
            assert [await lm.acall("hi"), await lm.acall("hi")] == [["1"], ["2"]]
    assert lm.calls == 2
    assert (scope.usage.calls, scope.usage.calls_from_ledger) == (0, 2)


async def test_calls_are_counted() -> None:
    with call_scope(CallScope()) as scope:
        await Counter().acall("hi")
    assert (scope.usage.calls, scope.usage.prompt_tokens, scope.usage.completion_tokens) == (1, 3, 2)


async def test_failure_that_is_not_the_programs_is_left_in_the_scope() -> None:
    class Down(BaseLM):
        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            raise LMServerError("down")

    with call_scope(CallScope()) as scope, pytest.raises(LMServerError):
        await Down("down").acall("hi")
    assert isinstance(scope.failure, LMServerError)
