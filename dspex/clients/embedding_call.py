"""From what an `Embedder` is asked to a request that is ready to be sent."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from dspex.bridge import on_engine_loop
from dspex.clients.cache.response_cache import CacheAsLedger, chosen_cache, nothing_is_kept, outside_of_runs
from dspex.clients.calls.call import CallLedger, LMCall
from dspex.clients.calls.current_ledger import current_ledger
from dspex.clients.calls.scope import current_scope
from dspex.clients.canonical.answer import usage_of
from dspex.clients.canonical.secrets import Secret
from dspex.clients.cost.pricing import users_price
from dspex.clients.http.aiohttp_transport import default_transport
from dspex.clients.wires.endpoints import OPENAI, ModelName, parse_model, resolve
from dspex.clients.wires.openai.embeddings import PATH, EmbeddingsWire

Sender = Callable[[LMCall], Awaitable[tuple[bytes, Any]]]

_SECONDS = 120.0
_RETRIES = 3
_CONCURRENCY = 64
_CLIENTS_OWN = ("api_key_env", "max_concurrency", "num_retries", "transport")


def embedding_call(model: str, texts: list[str], caching: bool, params: dict[str, Any]) -> LMCall:
    """Build the request for the vectors of `texts`.

    Args:
        model: ``provider/name``, or with an ``api_base`` among `params` any name.
        texts: The texts of one batch, one vector each.
        caching: Whether the ledger, or the cache that the user chose, may answer.
        params: Parameters of the request, and an `Embedder`'s options (``api_base``, ``timeout`` in seconds, ...).

    Raises:
        LMConfigurationError: no address or no key is known for the model.
    """
    name, wire = parse_model(model), EmbeddingsWire(len(texts))
    secret: Secret | None = params.get("api_key")
    base = params.get("api_base") or params.get("base_url")
    if _is_for_litellm(name, params):
        url, sender, wire_name = "litellm:embeddings", _litellm_sender(model, texts, params), model
    else:
        endpoint = resolve(name, "chat", base, params.get("api_key_env"), key=secret is not None)
        if endpoint.key_variable is not None:
            secret = Secret(os.environ[endpoint.key_variable])
        url, sender, wire_name = endpoint.base + PATH, None, name.wire_name
    encoded = wire.encode(wire_name, texts, params)
    cache = chosen_cache()
    scope = current_scope()
    in_run = scope is not None and scope.run_id is not None
    kept = caching and not nothing_is_kept(cache)
    salt = scope.next_uncached_key() if scope is not None and in_run and not kept else None
    retries, most = params.get("num_retries"), params.get("max_concurrency")
    return LMCall(
        key=encoded.key(url, salt=salt) if kept or in_run else None,
        model=model,
        url=url,
        wire=wire,
        secret=secret,
        headers=wire.headers(secret.reveal() if secret is not None else None) | (params.get("extra_headers") or {}),
        body=encoded.body,
        timeout=params.get("timeout") or _SECONDS,
        num_retries=_RETRIES if retries is None else retries,
        max_concurrency=_CONCURRENCY if most is None else most,
        transport=params.get("transport") or default_transport(),
        ledger=_ledger(cache, in_run, model, url, texts, params) if kept or in_run else None,
        sender=sender,
        price=users_price(model),
    )


def _ledger(cache: Any, in_run: bool, model: str, url: str, texts: list[str], params: dict[str, Any]) -> CallLedger:
    """The ledger or, outside of runs, the cache that the user has chosen in its place."""
    if in_run:
        return current_ledger()
    if cache is None:
        return outside_of_runs(current_ledger())
    return CacheAsLedger(cache, model, url, [{"input": texts}], params)


# Through litellm, for providers whose API is not spoken here


def _is_for_litellm(name: ModelName, params: dict[str, Any]) -> bool:
    """Whether litellm is to send it: for an unknown provider, if it is installed; for a known one without a key, if
    the program itself has loaded it, for then it may have been given the key."""
    from dspex.clients.engines.litellm import is_installed

    if params.get("api_base") or params.get("base_url"):
        return False
    if name.provider != OPENAI.name:
        return is_installed()
    variables = (params.get("api_key_env") or OPENAI.key_variable, *OPENAI.base_variables)
    known = params.get("api_key") is not None or any(map(os.environ.get, variables))
    return not known and "litellm" in sys.modules


def _litellm_sender(model: str, texts: list[str], params: dict[str, Any]) -> Sender:
    asked = {name: value for name, value in params.items() if name not in _CLIENTS_OWN}
    if params.get("api_key_env"):
        asked["api_key"] = os.environ.get(params["api_key_env"])
    if isinstance(asked.get("api_key"), Secret):
        asked["api_key"] = asked["api_key"].reveal()

    async def send(call: LMCall) -> tuple[bytes, Any]:
        from dspex.clients.engines.litellm_errors import as_dspex_error

        try:
            answer = await _ask_litellm(model=model, input=texts, caching=False, **asked)
        except Exception as error:
            raise as_dspex_error(error, model) from error
        rows = [{"embedding": row["embedding"]} for row in answer.data]
        body = orjson.dumps({"data": rows, "usage": usage_of(answer)}, default=str, option=orjson.OPT_SERIALIZE_NUMPY)
        return body, call.wire.decode(body)

    return send


async def _ask_litellm(**asked: Any) -> Any:
    """A synchronous caller's call is litellm's synchronous function, in a thread; an asynchronous one's the other."""
    from dspex.clients.calls.threads import worker_threads
    from dspex.clients.engines.litellm import load_litellm

    litellm = load_litellm()
    if not on_engine_loop():
        return await litellm.aembedding(**asked)
    context = contextvars.copy_context()
    ask = lambda: context.run(litellm.embedding, **asked)  # noqa: E731
    return await asyncio.get_running_loop().run_in_executor(worker_threads(), ask)
