"""Parameters in OpenAI's names as those of Anthropic's messages API.

What is not OpenAI's (``top_k``, ``thinking``, ``container``, ...) goes as it is. What the API cannot do is refused by
name (`logprobs`, `logit_bias`, `modalities`, ...), unless the call says ``drop_params=True``. What only hints is left
out: `seed`, the two penalties, `store`, `verbosity`, `prompt_cache_key`, a `temperature` above 1 (sent as 1) or one for
a model that takes none, and ``{"type": "json_object"}``: there is no such mode, and a prompt that asks OpenAI for JSON
must say so itself anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from dspex.clients.canonical.params import refuse
from dspex.clients.canonical.reasoning_effort import BUDGETS, effort_of
from dspex.clients.models.claude import Claude, claude
from dspex.clients.wires.anthropic.conversation import PROVIDER
from dspex.clients.wires.anthropic.schema import anthropic_schema

logger = logging.getLogger(__name__)

Body = dict[str, Any]

_THINKING_ROOM = 32_000
"""The tokens of thoughts and answer together, of a model that thinks as long as it will, where no limit is set."""

_HINTS = frozenset(
    {
        "frequency_penalty",
        "n",  # 1: of several the client asks one by one
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_retention",
        "seed",
        "store",
        "verbosity",
    }
)
_REFUSED = {
    "audio": "it answers in text only",
    "function_call": "use tool_choice",
    "functions": "use tools",
    "logit_bias": "its API has none",
    "logprobs": "its API tells no probabilities",
    "modalities": "it answers in text only",
    "prediction": "its API has none",
    "top_logprobs": "its API tells no probabilities",
    "web_search_options": "pass its own tool in tools",
}
_LATER = frozenset({"max_completion_tokens", "max_tokens", "parallel_tool_calls", "reasoning_effort", "tool_choice"})
"""What depends on other parameters."""


def anthropic_params(model: str, asked: Mapping[str, Any], params: Mapping[str, Any]) -> Body:
    """Translate parameters from OpenAI's names into Anthropic's, for the request without its messages.

    Args:
        model: The model's name on the wire.
        asked: The parameters that go to the provider (`dspex.clients.canonical.params.sent_params`).
        params: All parameters, for `drop_params` (leave out what cannot be done) and `extra_body` (send as it is).

    Raises:
        LMUnsupportedFeatureError: the API or the model cannot do what is asked.
    """
    kind = claude(model)
    body: Body = {}
    for name, value in asked.items():
        if name in _HINTS or name in _LATER:
            continue
        rule = _RULES.get(name)
        if rule is not None:
            rule(body, value, kind)
        elif name not in _REFUSED:
            body[name] = value
        elif value and value != ["text"] and not params.get("drop_params"):
            refuse(name, PROVIDER, _REFUSED[name])
    _choose_tools(body, asked)
    _limit(body, asked, kind)
    _sample(body, kind, model)
    body["model"] = model
    if params.get("extra_body"):
        body.update(params["extra_body"])
    return body


def _stop(body: Body, value: Any, _: Claude) -> None:
    sequences = [value] if isinstance(value, str) else list(value)
    if sequences:
        body["stop_sequences"] = sequences


def _user(body: Body, value: Any, _: Claude) -> None:
    body["metadata"] = {"user_id": value}


def _metadata(body: Body, value: Any, _: Claude) -> None:
    """Anthropic knows of a user's id alone; labels for OpenAI's or litellm's logs say nothing to it."""
    if isinstance(value, Mapping) and value.get("user_id"):
        body["metadata"] = {"user_id": value["user_id"]}


def _service_tier(body: Body, value: Any, _: Claude) -> None:
    body["service_tier"] = "standard_only" if value == "default" else value


def _tools(body: Body, value: Any, _: Claude) -> None:
    if value:
        body["tools"] = [_tool(tool) for tool in value]


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A function as Anthropic describes it; its own tools as they are."""
    function = tool.get("function")
    if not isinstance(function, Mapping):
        return dict(tool)
    schema = function.get("parameters") or {}
    described = {"name": function.get("name", ""), "input_schema": {"type": "object", "properties": {}, **schema}}
    if function.get("description"):
        described["description"] = function["description"]
    if function.get("strict"):
        described |= {"strict": True, "input_schema": anthropic_schema(described["input_schema"])}
    if tool.get("cache_control"):
        described["cache_control"] = tool["cache_control"]
    return described


def _response_format(body: Body, value: Any, kind: Claude) -> None:
    if not isinstance(value, Mapping) or value.get("type") in (None, "text", "json_object"):
        return
    if not kind.keeps_to_schemas:
        refuse("response_format", PROVIDER, "this model keeps to no schema; newer ones, from Claude Opus 4.1 on, do")
    schema = (value.get("json_schema") or {}).get("schema") or value.get("schema") or {}
    output = body.setdefault("output_config", {})
    output["format"] = {"type": "json_schema", "schema": anthropic_schema(schema)}


def _output_config(body: Body, value: Any, _: Claude) -> None:
    body["output_config"] = {**body.get("output_config", {}), **value}


_RULES: dict[str, Callable[[Body, Any, Claude], None]] = {
    "metadata": _metadata,
    "output_config": _output_config,
    "response_format": _response_format,
    "safety_identifier": _user,
    "service_tier": _service_tier,
    "stop": _stop,
    "tools": _tools,
    "user": _user,
}


def _choose_tools(body: Body, asked: Mapping[str, Any]) -> None:
    if "tools" not in body:
        return
    choice = _choice(asked.get("tool_choice"))
    if asked.get("parallel_tool_calls") is False and (choice is None or choice.get("type") != "none"):
        choice = {"type": "auto", **(choice or {}), "disable_parallel_tool_use": True}
    if choice is not None:
        body["tool_choice"] = choice


def _choice(asked: Any) -> dict[str, Any] | None:
    if isinstance(asked, str):
        return {"type": {"required": "any"}.get(asked, asked)}
    if isinstance(asked, Mapping) and isinstance(asked.get("function"), Mapping):
        return {"type": "tool", "name": asked["function"].get("name", "")}
    return dict(asked) if asked else None


def _limit(body: Body, asked: Mapping[str, Any], kind: Claude) -> None:
    """How hard to think, and how long to answer. Where the thoughts have a budget of their own, `max_tokens` of a
    caller who asks for them by effort is what the answer may have beside it."""
    limit = asked.get("max_completion_tokens") or asked.get("max_tokens")
    effort = effort_of(asked["reasoning_effort"]) if "reasoning_effort" in asked and "thinking" not in body else None
    if effort == "none":
        if kind.thinks:
            body["thinking"] = {"type": "disabled"}
    elif effort is not None:
        limit = _think(body, effort, limit, kind)
    body["max_tokens"] = limit or kind.room + _budget(body)


def _think(body: Body, effort: str, limit: int | None, kind: Claude) -> int:
    """Have the model think; the limit of thoughts and answer together."""
    if not kind.thinks:
        refuse("reasoning_effort", PROVIDER, "this model does not think; newer ones, from Claude 3.7 on, do")
    if kind.thinks_adaptively:
        body["thinking"] = {"type": "adaptive", "display": "summarized"}
        body.setdefault("output_config", {}).setdefault("effort", "low" if effort == "minimal" else effort)
        return limit or max(kind.room, _THINKING_ROOM)
    body["thinking"] = {"type": "enabled", "budget_tokens": BUDGETS[effort]}
    return BUDGETS[effort] + (limit or kind.room)


def _budget(body: Body) -> int:
    thinking = body.get("thinking")
    return int(thinking.get("budget_tokens") or 0) if isinstance(thinking, Mapping) else 0


def _sample(body: Body, kind: Claude, model: str) -> None:
    """Leave out what the model does not take: newer ones choose for themselves, and one that thinks has a fixed
    temperature."""
    thinking = body.get("thinking")
    fixed = isinstance(thinking, Mapping) and thinking.get("type") not in (None, "disabled")
    temperature = body.get("temperature")
    if temperature is not None and temperature > 1:
        body["temperature"] = 1.0
    if kind.takes_sampling and not fixed:
        return
    left_out = [name for name in ("temperature", "top_p", "top_k") if body.pop(name, None) not in (None, 1)]
    if left_out and not kind.takes_sampling:
        _warn_once(model, ", ".join(left_out))


@lru_cache(maxsize=1024)
def _warn_once(model: str, names: str) -> None:
    logger.warning("%s takes no %s any more: sent without.", model, names)
