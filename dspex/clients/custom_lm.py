"""Calls to users' language models: subclasses of `BaseLM` that implement `forward` or `aforward`."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from dspex.bridge import on_engine_loop, run_sync
from dspex.clients.calls.abandonment import refuse_if_abandoned
from dspex.clients.calls.entry import ledger_entry
from dspex.clients.calls.scope import CallScope, Usage, current_scope
from dspex.clients.calls.threads import worker_threads
from dspex.clients.canonical.answer import Answer, usage_of
from dspex.clients.canonical.usage import token_counts
from dspex.clients.cost.pricing import OwnPrice, cost_usd, users_price
from dspex.clients.cost.upper_bound import request_upper_bound
from dspex.errors import FailureKind, classify

if TYPE_CHECKING:
    from dspex.store.records.budget import CostUpperBound
    from dspex.store.records.ledger import LedgerEntry

_METHODS = frozenset({"forward", "aforward"})


class CustomLM(Protocol):
    """The part of a user's LM, a subclass of `BaseLM`, that is called."""

    model: str
    kwargs: dict[str, Any]
    blocking: bool

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        """Answer in OpenAI's chat completion shape."""
        ...

    async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        """Answer in OpenAI's chat completion shape, from asynchronous code."""
        ...


async def call_forward(lm: CustomLM, prompt: Any, messages: Any, kwargs: dict[str, Any]) -> Any:
    """Run the synchronous `forward` of a user's LM, in a thread if it may block.

    Args:
        lm: The LM. ``lm.blocking`` says whether its `forward` may block.
        prompt: The prompt, or None.
        messages: The messages, or None.
        kwargs: Parameters of the call, which `forward` gets as keyword arguments.

    Returns:
        What `forward` returns.
    """
    if not lm.blocking:
        return await run_sync(lm.forward, prompt, messages, **kwargs)
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(worker_threads(), lambda: context.run(lm.forward, prompt, messages, **kwargs))


def own_forward(lm: Any, base: Any) -> Callable[[Any, Any, dict[str, Any]], Awaitable[Any]] | None:
    """Find the user's `forward` or `aforward` that answers in place of that of `base`.

    A synchronous call takes `forward` first, an asynchronous one `aforward`; either stands in for the other.

    Args:
        lm: The LM, whose class or instance may bring the methods.
        base: The class whose own methods do not count: `LM` or `BaseLM`.

    Returns:
        A function of prompt, messages and parameters; None if the LM brings neither method.
    """
    kind: Any = type(lm)
    brought = _methods_brought(kind, base) | (_METHODS & vars(lm).keys())
    if not brought:
        return None
    if "forward" in brought and ("aforward" not in brought or on_engine_loop()):
        return lambda prompt, messages, kwargs: call_forward(lm, prompt, messages, kwargs)
    return lambda prompt, messages, kwargs: lm.aforward(prompt, messages, **kwargs)


@lru_cache(maxsize=512)
def _methods_brought(kind: type, base: type) -> frozenset[str]:
    return frozenset(name for name in _METHODS if getattr(kind, name) is not getattr(base, name))


async def ask_custom(
    lm: CustomLM, base: type, prompt: Any, messages: Any, kwargs: dict[str, Any]
) -> tuple[Any, float | None]:
    """Ask a user's LM, and count the call in the current scope. A run records its answer in the ledger.

    Args:
        lm: A subclass of `base` that implements ``forward`` or ``aforward``.
        base: `BaseLM`, whose own methods do not count as implementations.
        prompt: The prompt, or None.
        messages: The messages, or None.
        kwargs: Parameters of the call.

    Returns:
        What the LM returned, and what it cost in US dollars (None: unknown).

    Raises:
        Exception: whatever the LM raises. The scope remembers the first failure that is not the program's own fault.
    """
    refuse_if_abandoned()
    scope = current_scope()
    if scope is None:
        return await _answer(lm, base, prompt, messages, kwargs), None
    try:
        return await _counted(lm, base, prompt, messages, kwargs, scope)
    except Exception as error:
        if scope.failure is None and classify(error) is not FailureKind.PROGRAM:
            scope.failure = error
        raise


async def _answer(lm: CustomLM, base: type, prompt: Any, messages: Any, kwargs: dict[str, Any]) -> Any:
    own = own_forward(lm, base)
    return await (lm.aforward(prompt, messages, **kwargs) if own is None else own(prompt, messages, kwargs))


async def _counted(
    lm: CustomLM, base: type, prompt: Any, messages: Any, kwargs: dict[str, Any], scope: CallScope
) -> tuple[Any, float | None]:
    if scope.run_id is None:
        reply = await _answer(lm, base, prompt, messages, kwargs)
        tokens = token_counts(usage_of(reply))
        scope.usage.add(Usage(1, 0, tokens.prompt, tokens.completion))
        return reply, None
    return await _recorded(lm, base, prompt, messages, kwargs, scope, scope.run_id)


async def _recorded(
    lm: CustomLM, base: type, prompt: Any, messages: Any, kwargs: dict[str, Any], scope: CallScope, run_id: str
) -> tuple[Any, float | None]:
    """The answer that is in the ledger, or a new one, which then is; within the run's budget."""
    from dspex.clients.calls.claims import claimed
    from dspex.clients.calls.current_ledger import current_ledger
    from dspex.clients.prepare import unknowable_key
    from dspex.store.records.budget import Payer

    ledger = current_ledger()
    key = _key(lm, prompt, messages, kwargs, scope) or unknowable_key() or ""
    price = _own_price(lm)

    def most() -> CostUpperBound:
        body = orjson.dumps({"messages": messages or prompt, **lm.kwargs, **kwargs}, default=str)
        bound = request_upper_bound(lm.model, body, price or None)
        return bound if price else _unpriced(bound)

    hit = await claimed(ledger, key, Payer(run_id, most), lm.model)
    if hit is not None:
        scope.usage.calls_from_ledger += 1
        reply = Answer(orjson.loads(hit.entry.response))
        reply.cache_hit = True
        return reply, hit.entry.cost_usd
    started = time.perf_counter()
    try:
        reply = await _answer(lm, base, prompt, messages, kwargs)
        entry = _entry(key, lm, reply, price, scope, time.perf_counter() - started)
    except BaseException:
        await ledger.release(key)
        raise
    scope.usage.add(Usage(1, 0, entry.prompt_tokens, entry.completion_tokens, entry.cost_usd or 0.0))
    await ledger.record(entry)
    return reply, entry.cost_usd


def _entry(key: str, lm: CustomLM, reply: Any, price: OwnPrice | None, scope: CallScope, seconds: float) -> LedgerEntry:
    usage = usage_of(reply)
    return ledger_entry(
        key,
        lm.model,
        orjson.dumps(_plain(reply), default=str),
        reply,
        token_counts(usage),
        cost_usd=cost_usd(lm.model, usage, price) if price else None,
        latency_s=seconds,
        scope=scope,
    )


def _own_price(lm: CustomLM) -> OwnPrice | None:
    """What the user says that the model costs. What its name costs elsewhere says nothing of a model of the user's."""
    return users_price(lm.model, getattr(lm, "price", None))


def _unpriced(most: CostUpperBound) -> CostUpperBound:
    return replace(most, usd=None)


def _key(lm: CustomLM, prompt: Any, messages: Any, kwargs: dict[str, Any], scope: CallScope) -> str | None:
    """By the call's place in the run: a user's model need not answer twice alike.

    None if the request has no key, since it holds what is not JSON: then it is not recorded.
    """
    from dspex.clients.canonical.request import encode_messages, encode_params, seal
    from dspex.errors import UsageError

    place = scope.next_uncached_key()
    name = f"{type(lm).__module__}.{type(lm).__qualname__}"
    try:
        params = encode_params({"model": lm.model, "params": {**lm.kwargs, **kwargs}})
        _, digest = encode_messages(messages or [{"role": "user", "content": prompt}])
    except UsageError:
        return None
    return seal(b"", digest, params).key(name, salt=place)


def _plain(thing: Any) -> Any:
    """An answer in objects (an SDK's, or a user's namespace) as dicts and lists."""
    if isinstance(thing, Mapping):
        return {str(name): _plain(value) for name, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [_plain(value) for value in thing]
    if thing is None or isinstance(thing, (str, int, float, bool)):
        return thing
    if hasattr(thing, "model_dump"):
        return thing.model_dump(mode="json")
    return _plain(vars(thing)) if hasattr(thing, "__dict__") else str(thing)
