"""``llm_query`` and ``llm_query_batched``: how the code of an `RLM` asks an LM, and how often it may."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from dspex.adapters.asking import asks_in_place
from dspex.bridge import wait_for
from dspex.clients import BaseLM
from dspex.errors import LMError, LMNotConfiguredError, format_error_for_lm
from dspex.settings import settings


class LLMCallBudget:
    """How many LM calls one call of the module may still make, however its code makes them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._lock = threading.Lock()

    def reserve(self, n: int = 1) -> None:
        """Count `n` calls.

        Raises:
            RuntimeError: they are too many; none is counted.
        """
        with self._lock:
            if self._count + n > self._limit:
                raise RuntimeError(
                    f"LLM call limit exceeded: {self._count} + {n} > {self._limit}. "
                    "Use Python code for aggregation instead of making more LLM calls."
                )
            self._count += n


def llm_tools(budget: LLMCallBudget, sub_lm: Any, max_workers: int) -> dict[str, Callable[..., Any]]:
    """Make ``llm_query`` and ``llm_query_batched``, by which the code asks an LM.

    Prompts of one batch are asked at once, as many as the LM's own limits let through.

    Args:
        budget: Counts the calls, and refuses more than are allowed.
        sub_lm: The LM to ask; ``settings.lm`` when None.
        max_workers: How many threads ask an LM that is not a `BaseLM`, or that brings a ``__call__`` of its own.

    Returns:
        The functions by name.
    """

    def llm_query(prompt: str) -> str:
        """Query the LLM with a prompt string."""
        if not prompt:
            raise ValueError("prompt cannot be empty")
        budget.reserve(1)
        lm = _lm(sub_lm)
        return _text(lm(prompt))

    def llm_query_batched(prompts: list[str]) -> list[str]:
        """Query prompts concurrently; a call that fails is answered by ``[ERROR] ...``."""
        if not prompts:
            return []
        budget.reserve(len(prompts))
        lm = _lm(sub_lm)
        if isinstance(lm, BaseLM) and not asks_in_place(lm):
            return wait_for(_all_at_once(lm, prompts))
        return wait_for(_in_threads(lm, prompts, max_workers))

    return {"llm_query": llm_query, "llm_query_batched": llm_query_batched}


async def _all_at_once(lm: BaseLM, prompts: list[str]) -> list[str]:
    async def ask(prompt: str) -> str:
        try:
            return _text(await lm.acall(prompt))
        except LMError as error:
            return _error(error)

    return _all_or_raise(await asyncio.gather(*(ask(prompt) for prompt in prompts), return_exceptions=True))


async def _in_threads(lm: Any, prompts: list[str], max_workers: int) -> list[str]:
    def ask(prompt: str) -> str:
        try:
            return _text(lm(prompt))
        except LMError as error:
            return _error(error)

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(min(max_workers, len(prompts)), thread_name_prefix="dspex-llm-query") as threads:
        asked = [
            loop.run_in_executor(threads, partial(contextvars.copy_context().run, ask, prompt)) for prompt in prompts
        ]
        return _all_or_raise(await asyncio.gather(*asked, return_exceptions=True))


def _all_or_raise(answers: list[str | BaseException]) -> list[str]:
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers  # type: ignore[return-value]


def _error(error: LMError) -> str:
    return f"[ERROR] {format_error_for_lm(error)}"


def _lm(sub_lm: Any) -> Any:
    lm = sub_lm if sub_lm is not None else settings.lm
    if lm is None:
        raise LMNotConfiguredError("No LM configured. Use dspex.configure(lm=...) or pass sub_lm to RLM.")
    return lm


def _text(response: Any) -> str:
    """The text of the first output."""
    if not isinstance(response, list) or not response:
        raise TypeError(f"Sub-LM must return a non-empty list of text outputs, got {type(response).__name__}.")
    first = response[0]
    text = first.get("text") if isinstance(first, dict) else first
    if not isinstance(text, str):
        raise TypeError(f"Sub-LM response must contain text, got {type(text).__name__}.")
    return text
