"""`LM` asked with an lm15 `Request`, as DSPy 3.4's may be: it answers with an lm15 `Response`."""

from __future__ import annotations

from typing import Any, Protocol

import orjson

from dspex.errors import UsageError

_BESIDE_IT = {"cache", "rollout_id"}


def is_request(prompt: Any) -> bool:
    """Tell whether `prompt` is an lm15 `Request`. This does not load lm15: whoever has a `Request` has loaded it."""
    cls = type(prompt)
    return cls.__name__ == "Request" and cls.__module__.partition(".")[0] == "lm15"


class TypedLM(Protocol):
    """What an `LM` offers for requests that come in lm15's types."""

    model: str
    kwargs: dict[str, Any]

    async def obtain(
        self, prompt: str | None, messages: list[dict[str, Any]] | None, kwargs: dict[str, Any]
    ) -> tuple[Any, float | None]:
        """Return the answer, and what it cost in US dollars."""
        ...

    def keep(
        self, prompt: str | None, messages: list[dict[str, Any]] | None, kwargs: dict[str, Any], reply: Any, cost: Any
    ) -> list[Any]:
        """Note the call in the history, and return its outputs."""
        ...


async def ask_typed(lm: TypedLM, request: Any, messages: Any, kwargs: dict[str, Any]) -> Any:
    """Answer an lm15 `Request`. The call is made, kept and counted as any other.

    Args:
        lm: The model.
        request: The `Request`, which says everything: the LM's own parameters do not apply.
        messages: Must be None.
        kwargs: May hold `cache` and `rollout_id`, nothing else.

    Returns:
        An lm15 `Response`.

    Raises:
        UsageError: the request comes with messages or parameters of its own, or is for another model.
        LMError: the provider could not be asked, or refused.
    """
    import lm15

    if messages is not None:
        raise UsageError("A Request is asked alone: its messages are in it")
    if set(kwargs) - _BESIDE_IT:
        raise UsageError(f"Generation options belong in Request.config: {', '.join(sorted(set(kwargs) - _BESIDE_IT))}")
    if request.model != lm.model:
        raise UsageError(f"Request.model is {request.model!r} and the LM's model {lm.model!r}: they must match")
    body = orjson.loads(_wire().build_request(request, stream=False).body)
    params = {name: value for name, value in body.items() if name not in ("model", "messages", "stream")}
    defaults = {name: None for name in lm.kwargs if name not in params}  # the request says all there is to say
    reply, cost = await lm.obtain(None, body["messages"], {**defaults, **params, **kwargs})
    lm.keep(None, body["messages"], kwargs, reply, cost)
    return lm15.response_from_openai_chat(
        dict(reply) if isinstance(reply, dict) else reply.model_dump(), model=request.model
    )


def _wire() -> Any:
    """lm15's own way of writing OpenAI's format; it sends nothing here."""
    import lm15

    return lm15.OpenAIChatLM(api_key="none", transport=_NoTransport())


class _NoTransport:
    def stream(self, request: Any) -> Any:
        raise RuntimeError("This only writes requests")
