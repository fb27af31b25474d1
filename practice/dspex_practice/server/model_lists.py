"""The lists of models, as each provider writes them. The practice model is named as what it is in all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dspex_practice.anthropic.dialect import ANTHROPIC
from dspex_practice.api.clock import CREATED, rfc3339
from dspex_practice.api.dialect import Dialect
from dspex_practice.api.endpoint import Call, Endpoint, desk, json_answer
from dspex_practice.api.paging import gemini_page, openai_page
from dspex_practice.gemini.dialect import GEMINI
from dspex_practice.model.model import Mind
from dspex_practice.openai.chat_format import model_object
from dspex_practice.openai.dialect import OPENAI

_CONTEXT = 1_000_000
_METHODS = ["generateContent", "countTokens", "embedContent", "batchGenerateContent"]


def openai_models(mind: Mind) -> tuple[Endpoint[Any], Endpoint[Any]]:
    """The list, and one of its models."""
    return _pair(mind, OPENAI, model_object, lambda items, _: {"object": "list", "data": items})


def anthropic_models(mind: Mind) -> tuple[Endpoint[Any], Endpoint[Any]]:
    def write(name: str) -> dict[str, Any]:
        shown = {"id": name, "type": "model", "display_name": f"{name} (dspex practice model)"}
        return {**shown, "created_at": rfc3339(CREATED), "lifecycle": "active"}

    return _pair(mind, ANTHROPIC, write, lambda items, query: openai_page(items, query, 1000))


def gemini_models(mind: Mind) -> tuple[Endpoint[Any], Endpoint[Any]]:
    def write(name: str) -> dict[str, Any]:
        shown = {"name": f"models/{name}", "displayName": f"{name} (dspex practice model)", "version": "1"}
        limits = {"inputTokenLimit": _CONTEXT, "outputTokenLimit": _CONTEXT}
        return {**shown, **limits, "supportedGenerationMethods": _METHODS}

    return _pair(mind, GEMINI, write, lambda items, query: gemini_page(items, query, "models"))


def _pair(
    mind: Mind,
    dialect: Dialect,
    write: Callable[[str], dict[str, Any]],
    page: Callable[[list[dict[str, Any]], Mapping[str, str]], dict[str, Any]],
) -> tuple[Endpoint[Any], Endpoint[Any]]:
    def one(call: Call) -> dict[str, Any]:
        mind.check(call.parts["model"], 0)
        return write(call.parts["model"])

    listed = desk("models", dialect, lambda call: json_answer(page([write(name) for name in mind.models], call.query)))
    return listed, desk("models", dialect, lambda call: json_answer(one(call)))
