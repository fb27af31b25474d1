"""The lists of models, as each provider writes them. The practice model is named as what it is in all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dspex_practice.anthropic.dialect import ANTHROPIC
from dspex_practice.api.clock import CREATED, rfc3339
from dspex_practice.api.dialect import FormatDialect
from dspex_practice.api.endpoint import EndpointCall, PracticeEndpoint, json_answer, plain_endpoint
from dspex_practice.api.paging import gemini_page, openai_page
from dspex_practice.gemini.dialect import GEMINI
from dspex_practice.model.model import Model
from dspex_practice.openai.chat_format import model_object
from dspex_practice.openai.dialect import OPENAI

_CONTEXT = 1_000_000
_METHODS = ["generateContent", "countTokens", "embedContent", "batchGenerateContent"]


def openai_models(practice_model: Model) -> tuple[PracticeEndpoint[Any], PracticeEndpoint[Any]]:
    """The list, and one of its models."""
    return _pair(practice_model, OPENAI, model_object, lambda items, _: {"object": "list", "data": items})


def anthropic_models(practice_model: Model) -> tuple[PracticeEndpoint[Any], PracticeEndpoint[Any]]:
    """The list, and one of its models."""

    def write(name: str) -> dict[str, Any]:
        shown = {"id": name, "type": "model", "display_name": f"{name} (dspex practice model)"}
        return {**shown, "created_at": rfc3339(CREATED), "lifecycle": "active"}

    return _pair(practice_model, ANTHROPIC, write, lambda items, query: openai_page(items, query, 1000))


def gemini_models(practice_model: Model) -> tuple[PracticeEndpoint[Any], PracticeEndpoint[Any]]:
    """The list, and one of its models."""

    def write(name: str) -> dict[str, Any]:
        shown = {"name": f"models/{name}", "displayName": f"{name} (dspex practice model)", "version": "1"}
        limits = {"inputTokenLimit": _CONTEXT, "outputTokenLimit": _CONTEXT}
        return {**shown, **limits, "supportedGenerationMethods": _METHODS}

    return _pair(practice_model, GEMINI, write, lambda items, query: gemini_page(items, query, "models"))


def _pair(
    practice_model: Model,
    dialect: FormatDialect,
    write: Callable[[str], dict[str, Any]],
    page: Callable[[list[dict[str, Any]], Mapping[str, str]], dict[str, Any]],
) -> tuple[PracticeEndpoint[Any], PracticeEndpoint[Any]]:
    def one(call: EndpointCall) -> dict[str, Any]:
        practice_model.check(call.parts["model"], 0)
        return write(call.parts["model"])

    listed = plain_endpoint(
        "models", dialect, lambda call: json_answer(page([write(name) for name in practice_model.models], call.query))
    )
    return listed, plain_endpoint("models", dialect, lambda call: json_answer(one(call)))
