"""From what a caller asks an `LM` to a request that is ready to be sent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dspex.clients.cache.response_cache import CacheAsLedger, chosen_cache, nothing_is_kept, outside_of_runs
from dspex.clients.calls.call import CallLedger, LMCall, LMOptions, ResolvedEndpoint
from dspex.clients.calls.current_ledger import current_ledger
from dspex.clients.calls.scope import current_scope
from dspex.clients.canonical.secrets import Secret
from dspex.clients.cost.pricing import users_price
from dspex.clients.http.aiohttp_transport import default_transport
from dspex.clients.wires.endpoints import Endpoint, resolve, wire_for
from dspex.errors import UsageError
from dspex.settings import settings

if TYPE_CHECKING:
    from dspex.clients.canonical.request import EncodedRequest

_BY_CALL = frozenset(
    {"api_base", "base_url", "api_key", "api_key_env", "azure_ad_token", "azure_ad_token_provider"},
)


def prepare(
    lm: LMOptions, prompt: str | None, messages: list[dict[str, Any]] | None, params: dict[str, Any], nth: int = 0
) -> LMCall:
    """Build the request of ``lm(prompt, messages, ...)``, ready to be sent.

    Args:
        lm: The model.
        prompt: The text of one user message. Ignored where `messages` is given.
        messages: A conversation in OpenAI's chat format.
        params: The LM's parameters, overridden by those of the call.
        nth: Which answer of one request this is, where each is a call of its own; from 0.

    Raises:
        UsageError: there is neither a prompt nor messages, or ``n`` is not a positive whole number.
        LMConfigurationError: no address or no key is known for the model.
    """
    if messages is None:
        if prompt is None:
            raise UsageError("An LM is asked with a prompt or with messages")
        messages = [{"role": "user", "content": prompt}]
    count = params.get("n")
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise UsageError(f"n must be a positive integer, not {count!r}")
    if lm.use_developer_role and lm.model_type == "responses":
        messages = [{**one, "role": "developer"} if one.get("role") == "system" else one for one in messages]
    if lm.goes_through_litellm(params):
        return _through_litellm(lm, messages, params)
    endpoint, secret, headers = _where(lm, params)
    encoded = endpoint.wire.encode(lm.model_name.wire_name, messages, params)
    cache = chosen_cache()
    key = _ledger_key(lm, encoded, endpoint.url, params, cache, nth)
    extra = {**(params.get("headers") or {}), **(params.get("extra_headers") or {})}
    return LMCall(
        key=key,
        model=lm.model,
        url=endpoint.url,
        wire=endpoint.wire,
        secret=secret,
        headers={**headers, **extra} if extra else headers,
        body=encoded.body,
        timeout=params.get("timeout") or lm.timeout,
        num_retries=params.get("num_retries", lm.num_retries),
        max_concurrency=lm.max_concurrency,
        rpm=lm.rpm,
        tpm=lm.tpm,
        transport=lm.engine_transport or lm.transport or default_transport(),
        ledger=None if key is None else _ledger(lm, endpoint.url, messages, _numbered(params, nth), cache),
        price=users_price(lm.model, lm.price),
        sender=_sender(lm) if nth == 0 else None,
        messages=messages,
        params=params,
    )


def _through_litellm(lm: LMOptions, messages: list[dict[str, Any]], params: dict[str, Any]) -> LMCall:
    """As `prepare`, for what litellm sends. A request that is not JSON cannot be known again, and is not recorded."""
    from dspex.clients.engines.litellm import keyed_params, litellm_sender, refuse_unknown_provider

    if lm.engine == "auto":
        refuse_unknown_provider(lm.model)
    base = params.get("api_base") or params.get("base_url") or lm.api_base or ""
    url = f"litellm:{base}" if base else "litellm"
    cache, wire = chosen_cache(), wire_for(lm.model_type)
    try:
        encoded = wire.encode(lm.model, messages, keyed_params(params))
    except UsageError:
        key, body = unknowable_key(), b""
    else:
        body = encoded.body
        key = _ledger_key(lm, encoded, url, params, cache)
    secret = params.get("api_key") or lm.api_key
    return LMCall(
        key=key,
        model=lm.model,
        url=url,
        wire=wire,
        secret=Secret(secret) if isinstance(secret, str) else secret,
        headers={},
        body=body,
        timeout=params.get("timeout") or lm.timeout,
        num_retries=params.get("num_retries", lm.num_retries),
        max_concurrency=lm.max_concurrency,
        rpm=lm.rpm,
        tpm=lm.tpm,
        transport=default_transport(),
        ledger=None if key is None else _ledger(lm, url, messages, params, cache),
        price=users_price(lm.model, lm.price),
        sender=litellm_sender(lm, messages, params),
        messages=messages,
        params=params,
    )


def _sender(lm: LMOptions) -> Any:
    """How to send a call whose answer is streamed; None for all others, which are posted."""
    if settings.send_stream is None:
        return None
    from dspex.clients.calls.streaming import current_answer_stream, send_streamed, streaming_sender

    stream = current_answer_stream()
    if stream is None:
        return None
    if lm.engine_transport is None:
        return streaming_sender(stream, send_streamed)
    from dspex.clients.engines.lm15_stream import send_streamed_by_engine

    return streaming_sender(stream, send_streamed_by_engine)


def _ledger_key(
    lm: LMOptions, encoded: EncodedRequest, url: str, params: dict[str, Any], cache: Any, nth: int = 0
) -> str | None:
    """The content's own key; without cache, one for this place in the run; without a run either, none."""
    rollout = params.get("rollout_id")
    if params.get("cache", lm.cache) and not nothing_is_kept(cache):
        return encoded.key(url, rollout, salt=f"answer {nth}" if nth else None)
    scope = current_scope()
    if scope is None or scope.run_id is None:
        return None
    return encoded.key(url, rollout, salt=scope.next_uncached_key())


def unknowable_key() -> str | None:
    """For a call that cannot be known again: in a run it goes on the bill all the same, under a key of its own."""
    scope = current_scope()
    return None if scope is None or scope.run_id is None else f"once-{uuid4().hex}"


def _ledger(lm: LMOptions, url: str, messages: Any, params: dict[str, Any], cache: Any) -> CallLedger:
    """The ledger or, outside of runs, the cache that the user has chosen in its place."""
    scope = current_scope()
    if scope is not None and scope.run_id is not None:
        return current_ledger()
    if cache is None:
        return outside_of_runs(current_ledger())
    return CacheAsLedger(cache, lm.model, url, messages, params)


def _where(lm: LMOptions, params: dict[str, Any]) -> ResolvedEndpoint:
    """The endpoint, the key and the headers. A call may bring its own; otherwise they are found once for an LM."""
    if _BY_CALL.isdisjoint(params) and params.get("api_version") == lm.kwargs.get("api_version"):
        if lm.resolved_endpoint is None:
            lm.resolved_endpoint = _find(lm, lm.api_base, lm.api_key, lm.api_key_env, params.get("api_version"))
        return lm.resolved_endpoint
    key = params.get("api_key") or _azures_token(params)
    secret = Secret(key) if isinstance(key, str) else key or lm.api_key
    base = params.get("api_base") or params.get("base_url") or lm.api_base
    return _find(lm, base, secret, params.get("api_key_env") or lm.api_key_env, params.get("api_version"))


def _azures_token(params: dict[str, Any]) -> Any:
    """A token of Entra ID, which stands in the place of a key; a provider of tokens is asked for each call, and keeps
    them while they are good."""
    provider = params.get("azure_ad_token_provider")
    return provider() if provider is not None else params.get("azure_ad_token")


def _numbered(params: dict[str, Any], nth: int) -> dict[str, Any]:
    """The `params` that a user's cache needs to distinguish the answers to one request."""
    return {**params, "answer": nth} if nth else params


def _find(
    lm: LMOptions, api_base: str | None, secret: Secret | None, api_key_env: str | None, api_version: str | None
) -> ResolvedEndpoint:
    if lm.engine_transport is not None:
        wire = wire_for(lm.model_type)
        return Endpoint(lm.engine_transport.url, lm.engine_transport.url, wire, None), None, {}
    endpoint = resolve(lm.model_name, lm.model_type, api_base, api_key_env, secret is not None, api_version)
    if endpoint.key_variable is not None:
        secret = Secret(os.environ[endpoint.key_variable])
    return endpoint, secret, endpoint.wire.headers(secret.reveal() if secret is not None else None)
