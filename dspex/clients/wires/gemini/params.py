"""Parameters in OpenAI's names as those of Gemini's generateContent.

What is not OpenAI's goes as it is: on top of the request (`safetySettings`, `cachedContent`, ...; also in snake_case),
or in its ``generationConfig`` (`topK`, `mediaResolution`, ...). What the API cannot do is refused by name
(`logit_bias`, ``parallel_tool_calls=False``, ...), unless the call says ``drop_params=True``. `user`, `metadata` and
what only hints (`verbosity`, `prompt_cache_key`) is left out: the API has no place for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dspex.clients.canonical.params import refuse
from dspex.clients.canonical.reasoning_effort import BUDGETS, effort_of
from dspex.clients.models.gemini import takes_levels, thinks
from dspex.clients.wires.gemini.contents import PROVIDER

Body = dict[str, Any]

_SAME = {
    "frequency_penalty": "frequencyPenalty",
    "max_completion_tokens": "maxOutputTokens",
    "max_tokens": "maxOutputTokens",
    "n": "candidateCount",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "temperature": "temperature",
    "top_k": "topK",
    "top_p": "topP",
}
"""OpenAI's names of what has another one in ``generationConfig``."""

_ON_TOP = {
    "cachedContent": "cachedContent",
    "cached_content": "cachedContent",
    "labels": "labels",
    "safetySettings": "safetySettings",
    "safety_settings": "safetySettings",
    "store": "store",
    "systemInstruction": "systemInstruction",
    "system_instruction": "systemInstruction",
    "toolConfig": "toolConfig",
    "tool_config": "toolConfig",
}
_HINTS = frozenset(
    {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "user", "verbosity"},
)
_REFUSED = {
    "audio": "pass speechConfig",
    "function_call": "use tool_choice",
    "functions": "use tools",
    "logit_bias": "its API has none",
    "prediction": "its API has none",
    "web_search_options": 'pass {"googleSearch": {}} in tools',
}
_TIERS = {"auto": None, "default": "standard"}


def gemini_params(model: str, asked: Mapping[str, Any], params: Mapping[str, Any]) -> Body:
    """Translate parameters from OpenAI's names into Gemini's, for the request without its contents.

    Args:
        model: The model's name on the wire.
        asked: The parameters that go to the provider (`dspex.clients.canonical.params.sent_params`).
        params: All parameters, for `drop_params` (leave out what cannot be done) and `extra_body` (send as it is).

    Raises:
        LMUnsupportedFeatureError: the API or the model cannot do what is asked.
    """
    body: Body = {}
    config: Body = {}
    for name, value in asked.items():
        if name in _SAME:
            config[_SAME[name]] = value
        elif name in _RULES:
            _RULES[name](body, config, value, model)
        elif name in _ON_TOP:
            body[_ON_TOP[name]] = value
        elif name in _REFUSED:
            if value and not params.get("drop_params"):
                refuse(name, PROVIDER, _REFUSED[name])
        elif name == "parallel_tool_calls":
            if value is False and len(params.get("tools") or ()) > 1 and not params.get("drop_params"):
                refuse("parallel_tool_calls=False", PROVIDER, "it may always call several tools at once")
        elif name not in _HINTS:
            config[name] = value
    if config:
        body["generationConfig"] = config
    if params.get("extra_body"):
        body.update(params["extra_body"])
    return body


def _stop(_: Body, config: Body, value: Any, model: str) -> None:
    sequences = [value] if isinstance(value, str) else list(value)
    if sequences:
        config["stopSequences"] = sequences


def _response_format(_: Body, config: Body, value: Any, model: str) -> None:
    if not isinstance(value, Mapping) or value.get("type") in (None, "text"):
        return
    config["responseMimeType"] = "application/json"
    schema = (value.get("json_schema") or {}).get("schema") or value.get("schema") or value.get("response_schema")
    if schema:
        config["responseJsonSchema"] = schema


def _logprobs(_: Body, config: Body, value: Any, model: str) -> None:
    if value:
        config["responseLogprobs"] = True


def _top_logprobs(_: Body, config: Body, value: Any, model: str) -> None:
    if value:
        config |= {"responseLogprobs": True, "logprobs": value}


def _modalities(_: Body, config: Body, value: Any, model: str) -> None:
    config["responseModalities"] = [str(one).upper() for one in value]


def _service_tier(body: Body, _: Body, value: Any, model: str) -> None:
    tier = _TIERS.get(value, value)
    if tier is not None:
        body["serviceTier"] = tier


def _reasoning_effort(_: Body, config: Body, value: Any, model: str) -> None:
    effort = effort_of(value)
    if not thinks(model):
        if effort != "none":
            refuse("reasoning_effort", PROVIDER, "this model does not think; newer ones, from Gemini 2.5 on, do")
        return
    if takes_levels(model):
        level = {"none": "minimal", "xhigh": "high", "max": "high"}.get(effort, effort)
        asked: Body = {"thinkingLevel": level, "includeThoughts": effort != "none"}
    else:
        asked = {"thinkingBudget": BUDGETS.get(effort, 0), "includeThoughts": effort != "none"}
    config.setdefault("thinkingConfig", asked)


def _thinking(_: Body, config: Body, value: Any, model: str) -> None:
    """Anthropic's parameter, which litellm's users give to Gemini too."""
    if not isinstance(value, Mapping):
        refuse("thinking", PROVIDER, 'give {"type": "enabled", "budget_tokens": 1024}, or reasoning_effort')
    if value.get("type") == "disabled":
        config["thinkingConfig"] = {"thinkingBudget": 0, "includeThoughts": False}
    else:
        budget = value.get("budget_tokens")
        config["thinkingConfig"] = {"includeThoughts": True, **({} if budget is None else {"thinkingBudget": budget})}


def _thinking_config(_: Body, config: Body, value: Any, model: str) -> None:
    config["thinkingConfig"] = value


def _tools(body: Body, _: Body, value: Any, model: str) -> None:
    functions = [_function(tool) for tool in value if isinstance(tool.get("function"), Mapping)]
    own = [dict(tool) for tool in value if not isinstance(tool.get("function"), Mapping)]
    found = [{"functionDeclarations": functions}, *own] if functions else own
    if found:
        body["tools"] = found


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    declared = {"name": function.get("name", "")}
    if function.get("description"):
        declared["description"] = function["description"]
    if (function.get("parameters") or {}).get("properties"):
        declared["parametersJsonSchema"] = function["parameters"]
    return declared


def _tool_choice(body: Body, _: Body, value: Any, model: str) -> None:
    if isinstance(value, str):
        asked: Body = {"mode": {"required": "ANY", "any": "ANY", "none": "NONE"}.get(value, "AUTO")}
    elif isinstance(value, Mapping) and isinstance(value.get("function"), Mapping):
        asked = {"mode": "ANY", "allowedFunctionNames": [value["function"].get("name", "")]}
    else:
        refuse("tool_choice", PROVIDER, f"{value!r} names no function; or pass Gemini's own toolConfig")
    body["toolConfig"] = {"functionCallingConfig": asked}


_RULES: dict[str, Callable[[Body, Body, Any, str], None]] = {
    "logprobs": _logprobs,
    "modalities": _modalities,
    "reasoning_effort": _reasoning_effort,
    "response_format": _response_format,
    "service_tier": _service_tier,
    "stop": _stop,
    "thinking": _thinking,
    "thinkingConfig": _thinking_config,
    "thinking_config": _thinking_config,
    "tool_choice": _tool_choice,
    "tools": _tools,
    "top_logprobs": _top_logprobs,
}
