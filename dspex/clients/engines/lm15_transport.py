"""Users' engines behind an `LM`: objects with ``complete(Request) -> Response`` in lm15's types, as in DSPy.

An engine takes the place of the network, so it is a `Transport`: ledger, single flight, concurrency limit and retries
are those of any other LM. The request that would have been posted in OpenAI's format is read into an lm15 `Request`.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import orjson

from dspex.clients.engines.lm15_errors import as_dspex_error
from dspex.clients.http.transport import RawResponse
from dspex.errors import LMTimeoutError

_OURS = ("n", "num_generations", "stream", "stream_options", "rollout_id")
"""What a request may hold that is the client's business, not an engine's."""


def check_engines(engine: Any, async_engine: Any) -> None:
    """Check that the arguments of an `LM` are engines.

    Args:
        engine: A known name, or an object with ``complete(Request) -> Response``.
        async_engine: None, or an object with an asynchronous `complete`.

    Raises:
        TypeError: `complete` is missing, or is asynchronous where it must not be, or the other way round.
        ValueError: there is an `async_engine` without an engine object.
    """
    if isinstance(engine, str):
        if async_engine is not None:
            raise ValueError("async_engine is only used with a custom engine object as engine")
        return
    complete = getattr(engine, "complete", None)
    if not callable(complete):
        raise TypeError("A custom engine must implement complete(Request) -> Response")
    if _is_async(complete):
        raise TypeError("engine.complete is a coroutine function: pass this object as async_engine=, beside a sync one")
    if async_engine is None:
        return
    complete = getattr(async_engine, "complete", None)
    if not callable(complete):
        raise TypeError("A custom async engine must implement async complete(Request) -> Response")
    if not _is_async(complete):
        raise TypeError("async_engine.complete is not a coroutine function: pass this object as engine=")


class EngineTransport:
    """Sends requests to engines.

    Args:
        engine: An object with ``complete(Request) -> Response`` in lm15's types, which runs in a thread.
        async_engine: One with an asynchronous `complete`, which then answers in its place.
    """

    def __init__(self, engine: Any, async_engine: Any = None) -> None:
        self.engine = engine
        self.async_engine = async_engine

    @property
    def url(self) -> str:
        """What stands for an address in the ledger's keys: the engine's class."""
        cls = type(self.engine)
        return f"engine:{cls.__module__}.{cls.__qualname__}"

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> RawResponse:
        """Have the engine answer a request in OpenAI's format; each of ``n`` answers is a call of its own.

        Args:
            url: Not used: there is no network.
            headers: Not used.
            body: The request, as JSON in OpenAI's format.
            timeout: Seconds for all answers together.

        Returns:
            An answer of status 200, in OpenAI's format.

        Raises:
            LMError: the engine failed, or took longer than `timeout` seconds.
        """
        request, count, logprobs = _read(body)
        try:
            async with asyncio.timeout(timeout):
                responses = [await self._complete(request) for _ in range(count)]
        except TimeoutError:
            raise LMTimeoutError(f"The engine gave no answer within {timeout:g} s", model=request.model) from None
        except Exception as error:
            raise as_dspex_error(error, request.model) from error
        return RawResponse(200, {"content-type": "application/json"}, orjson.dumps(_write(responses, logprobs)))

    async def _complete(self, request: Any) -> Any:
        import lm15

        if self.async_engine is not None:
            response = await self.async_engine.complete(request)
        else:
            context = contextvars.copy_context()
            response = await asyncio.to_thread(context.run, self.engine.complete, request)
        if not isinstance(response, lm15.Response):
            raise TypeError(f"An engine's complete must return an lm15 Response, and gave a {type(response).__name__}")
        return response

    async def events(self, body: bytes) -> AsyncIterator[Any]:
        """Yield the lm15 events of a streamed answer; for an engine without ``stream``, those of its whole answer.

        Raises:
            LMError: the engine failed.
        """
        import lm15

        request, _, _ = _read(body)
        stream = getattr(self.async_engine or self.engine, "stream", None)
        try:
            if stream is None:
                for event in lm15.response_to_events(await self._complete(request)):
                    yield event
            elif self.async_engine is not None:
                async for event in stream(request):
                    yield event
            else:
                async for event in _in_thread(lambda: stream(request)):
                    yield event
        except Exception as error:
            raise as_dspex_error(error, request.model) from error


async def _in_thread(start: Callable[[], Any]) -> AsyncIterator[Any]:
    """The items of a synchronous iterator, each awaited in a thread."""
    done = object()
    context = contextvars.copy_context()
    iterator = iter(await asyncio.to_thread(context.run, start))
    while (item := await asyncio.to_thread(lambda: context.run(next, iterator, done))) is not done:
        yield item


def _read(body: bytes) -> tuple[Any, int, bool]:
    """The `Request`, how many answers are wanted, and whether with log probabilities."""
    import lm15

    asked: dict[str, Any] = orjson.loads(body)
    count = asked.get("n") or 1
    wanted = {name: value for name, value in asked.items() if name not in _OURS and value is not None}
    return lm15.request_from_openai_chat(wanted), count, bool(asked.get("logprobs"))


def _write(responses: list[Any], logprobs: bool) -> dict[str, Any]:
    """OpenAI's completion of one choice a response."""
    usage = [usage_in_openais_names(response.usage) for response in responses]
    total = {name: sum(each.get(name) or 0 for each in usage) for name in ("prompt_tokens", "completion_tokens")}
    return {
        "id": responses[0].id,
        "object": "chat.completion",
        "model": responses[0].model,
        "choices": [_choice(index, response, logprobs) for index, response in enumerate(responses)],
        "usage": {**usage[0], **total, "total_tokens": sum(total.values())},
    }


def _choice(index: int, response: Any, logprobs: bool) -> dict[str, Any]:
    reason = "tool_calls" if response.finish_reason == "tool_call" else response.finish_reason
    choice = {"index": index, "message": _message(response), "finish_reason": reason}
    if logprobs:
        choice["logprobs"] = {"content": [_token(token) for token in response.logprobs or ()]}
    return choice


def _message(response: Any) -> dict[str, Any]:
    texts = [part.text if part.type == "text" else orjson.dumps(part.value).decode() for part in _texts(response)]
    thoughts = [part.text for part in response.message.parts if part.type == "thinking" and part.text]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts else None}
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if response.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": orjson.dumps(call.input).decode()},
            }
            for call in response.tool_calls
        ]
    if response.citations:
        message["provider_specific_fields"] = {"citations": [[_citation(part) for part in response.citations]]}
    return message


def _texts(response: Any) -> list[Any]:
    return [part for part in response.message.parts if part.type in ("text", "data")]


def _citation(part: Any) -> dict[str, Any]:
    found = {"text": part.text, "title": part.title, "url": part.url}
    return {name: value for name, value in found.items() if value is not None}


def _token(token: Any) -> dict[str, Any]:
    return {**_scored(token), "top_logprobs": [_scored(top) for top in token.top]}


def _scored(token: Any) -> dict[str, Any]:
    raw = list(token.bytes) if token.bytes is not None else None
    return {"token": token.token, "logprob": token.logprob, "bytes": raw}


def usage_in_openais_names(usage: Any) -> dict[str, Any]:
    """Translate lm15's counts of tokens into OpenAI's names."""
    found: dict[str, Any] = {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens}
    if usage.cache_read_tokens is not None:
        found["prompt_tokens_details"] = {"cached_tokens": usage.cache_read_tokens}
    if usage.reasoning_tokens is not None:
        found["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return found


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
