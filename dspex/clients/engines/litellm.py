"""Calls sent through litellm (``LM(..., engine="litellm")``): for providers whose API is not spoken here.

litellm takes the place of the network alone: ledger, single flight, concurrency limit and retries are those of any
other call, and litellm's own retries and cache are off. Its functions are looked up on the module at every call, so
that a test may replace them.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import importlib
import importlib.util
import inspect
import os
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel

from dspex.bridge import on_engine_loop
from dspex.clients.calls.call import LMCall, LMOptions
from dspex.clients.calls.streaming import AnswerStream, current_answer_stream, streaming_sender
from dspex.clients.calls.threads import worker_threads
from dspex.clients.canonical.secrets import names_a_secret
from dspex.clients.capabilities import Capabilities
from dspex.clients.engines.litellm_errors import as_dspex_error
from dspex.clients.wires.openai.chat import BEGIN_RESPONSE
from dspex.clients.wires.openai.responses import as_responses_request
from dspex.errors import LMConfigurationError, LMTransportError, LMUnsupportedFeatureError
from dspex.version import VERSION

Sender = Callable[[LMCall], Awaitable[tuple[bytes, Any]]]

_OURS = frozenset({"rollout_id", "cache", "num_retries", "api_key_env", "prompt_cache"})
_CLIENT_SETTINGS = frozenset(
    {"azure_ad_token_provider", "organization", "project", "extra_query", "http_client", "client", "stream_options"}
)
"""What says how to call, and nothing of what is asked: no part of the ledger's key. It need not be JSON either."""


def litellm_capabilities(model: str) -> Capabilities:
    """Return what litellm says that a model can do; for one that it does not know, nothing special."""
    litellm = load_litellm()
    provider = model.partition("/")[0] if "/" in model else "openai"
    try:
        return Capabilities(
            function_calling=bool(litellm.supports_function_calling(model=model)),
            reasoning=bool(litellm.supports_reasoning(model)),
            response_schema=bool(litellm.supports_response_schema(model=model, custom_llm_provider=provider)),
            known=frozenset(litellm.get_supported_openai_params(model=model, custom_llm_provider=provider) or ()),
        )
    except Exception:  # noqa: BLE001  # litellm raises of several kinds for what it does not know
        return Capabilities()


def is_installed() -> bool:
    """Tell whether litellm is installed. This does not load it."""
    return importlib.util.find_spec("litellm") is not None


def refuse_unknown_provider(model: str) -> None:
    """Raise for a model whose provider litellm does not know either.

    Raises:
        LMConfigurationError: its message says what to do.
    """
    litellm = load_litellm()
    prefix = model.partition("/")[0]
    known = {str(getattr(provider, "value", provider)) for provider in litellm.provider_list}
    known |= {str(one.get("provider")) for one in litellm.custom_provider_map}
    if prefix not in known:
        raise LMConfigurationError(
            f"{model!r}: the provider {prefix!r} is unknown, to litellm too. Use openai/, or pass api_base= with the "
            "address of a server that speaks OpenAI's format.",
            model=model,
        )


def keyed_params(params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters by which the ledger recognizes a request: no secrets, and nothing about how to call."""
    skipped = _OURS | _CLIENT_SETTINGS
    return {name: value for name, value in params.items() if name not in skipped and not names_a_secret(name)}


def litellm_sender(lm: LMOptions, messages: list[dict[str, Any]], params: dict[str, Any]) -> Sender:
    """Make the sender of ``lm(messages=messages, **params)`` through litellm. It streams if somebody listens.

    Args:
        lm: The model.
        messages: A conversation in OpenAI's chat format.
        params: The LM's parameters, overridden by those of the call.

    Returns:
        A function that sends the call, and returns the answer as recorded and as litellm gave it.

    Raises:
        LMUnsupportedFeatureError: somebody streams, and the LM's `model_type` is not "chat".
        LMConfigurationError: the environment variable that is to hold the key is not set.
    """
    request = {"model": lm.model, "messages": copy.deepcopy(list(messages))}
    request |= {name: value for name, value in params.items() if name not in _OURS}
    request |= _connection(lm, params)
    stream = current_answer_stream()
    if stream is not None:
        if lm.model_type != "chat":
            raise LMUnsupportedFeatureError(
                f'Through litellm only model_type="chat" can be streamed, not {lm.model_type!r}.', features=["stream"]
            )
        return streaming_sender(stream, lambda call, stream: _translated(lm, _send_streamed(request, stream)))
    return lambda call: _translated(lm, _send(lm, request))


async def _translated(lm: LMOptions, sending: Awaitable[Any]) -> tuple[bytes, Any]:
    """The answer as recorded, and as litellm gave it."""
    try:
        answer = await sending
    except Exception as error:
        raise as_dspex_error(error, lm.model) from error
    return orjson.dumps(_plain(answer), default=str), answer


async def _send(lm: LMOptions, request: dict[str, Any]) -> Any:
    """A synchronous caller's call is litellm's synchronous function, in a thread; an asynchronous one's the other."""
    name, asked = _FORMS[lm.model_type](dict(request))
    asked |= {"num_retries": 0, "retry_strategy": "exponential_backoff_retry", **_usual(asked)}
    if not on_engine_loop():
        return await getattr(load_litellm(), "a" + name)(**asked)
    function = getattr(load_litellm(), name)
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(worker_threads(), lambda: context.run(function, **asked))


async def _send_streamed(request: dict[str, Any], stream: AnswerStream) -> Any:
    litellm = load_litellm()
    asked = {**request, **_usual(request)}
    asked.setdefault("stream_options", {"include_usage": True})
    answering = litellm.acompletion(num_retries=0, stream=True, **asked)
    if inspect.isawaitable(answering):
        answering = await answering
    chunks = []
    try:
        async for chunk in answering:
            chunks.append(chunk)
            await stream.send(chunk, _has_substance(chunk))
    finally:
        close = getattr(answering, "aclose", None)
        if close is not None:
            await close()
    whole = litellm.stream_chunk_builder(chunks)
    if whole is None:
        raise LMTransportError("The stream ended before an answer came")
    return whole


def _usual(request: dict[str, Any]) -> dict[str, Any]:
    headers = {"User-Agent": f"DSPy/{VERSION}", **(request.get("headers") or {})}
    return {"cache": {"no-cache": True, "no-store": True}, "headers": headers}


def _chat(request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "completion", request


def _text(request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """OpenAI's text completions, at the address and with the key that the environment has for the provider."""
    first, slash, rest = request.pop("model").partition("/")
    provider, model = (first, rest) if slash else ("openai", first)
    request["prompt"] = "\n\n".join([str(message["content"]) for message in request.pop("messages")] + [BEGIN_RESPONSE])
    request["model"] = f"text-completion-openai/{model}"
    for name in ("api_key", "api_base"):
        variable = f"{provider}_{name.upper()}"
        request[name] = request.get(name) or os.getenv(variable) or os.getenv(variable.upper())
    return "text_completion", request


def _responses(request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "responses", as_responses_request(request)


_FORMS = {"chat": _chat, "text": _text, "responses": _responses}


def _connection(lm: LMOptions, params: dict[str, Any]) -> dict[str, Any]:
    """The address, key and time limit that the LM was given, where the call has none of its own."""
    given: dict[str, Any] = {}
    key = params.get("api_key") or lm.api_key
    variable = params.get("api_key_env") or lm.api_key_env
    if key is None and variable:
        key = os.environ.get(variable)
        if not key:
            raise LMConfigurationError(f"The environment variable {variable}, which is to hold the key, is not set.")
    if key is not None:
        given["api_key"] = key if isinstance(key, str) else key.reveal()
    if lm.api_base and not (params.get("api_base") or params.get("base_url")):
        given["api_base"] = lm.api_base
    if lm.own_timeout is not None and "timeout" not in params:
        given["timeout"] = lm.own_timeout
    return given


def _has_substance(chunk: Any) -> bool:
    try:
        delta = chunk.choices[0].delta
    except (AttributeError, IndexError, TypeError):
        return False
    return any(getattr(delta, name, None) for name in ("content", "reasoning_content", "tool_calls", "function_call"))


@lru_cache(maxsize=1)
def load_litellm() -> Any:
    """Import litellm, once, and turn off its telemetry, its cache and its debug output.

    Raises:
        LMConfigurationError: it is not installed.
    """
    try:
        litellm: Any = importlib.import_module("litellm")
    except ImportError as error:
        raise LMConfigurationError(
            'engine="litellm" needs the package litellm. Install it with: pip install "dspex[litellm]"'
        ) from error
    litellm.telemetry = False
    litellm.cache = None
    litellm.suppress_debug_info = True
    return litellm


def _plain(thing: Any) -> Any:
    """An answer in litellm's objects as dicts and lists. (Its models' own serializers warn of their own fields.)"""
    if isinstance(thing, BaseModel):
        thing = dict(thing)
    if isinstance(thing, dict):
        return {str(name): _plain(value) for name, value in thing.items()}
    return [_plain(value) for value in thing] if isinstance(thing, (list, tuple)) else thing
