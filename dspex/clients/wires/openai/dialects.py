"""How servers that speak OpenAI's format differ from OpenAI: other names, and what they would leave out unsaid.

What a server refuses by itself, in its own words, is left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dspex.clients.canonical.answer import Answer
from dspex.clients.canonical.params import refuse
from dspex.clients.canonical.reasoning_effort import effort_of
from dspex.clients.canonical.request import EncodedRequest
from dspex.clients.wires.openai.chat import OpenAIChat, OpenAIFormat
from dspex.clients.wires.openai.responses import ResponsesFormat

Params = dict[str, Any]
Change = Callable[[Params], None]


class Dialect(OpenAIChat):
    """OpenAI's chat completions with changes for a server that differs.

    Args:
        of: Names of parameters. `change` runs only where one of them is given.
        change: Changes the parameters in place.
        read: Changes an answer in place. None: answers are OpenAI's.
    """

    def __init__(self, of: set[str], change: Change, read: Callable[[Answer], None] | None = None) -> None:
        self._of = frozenset(of)
        self._change = change
        self._read = read

    def encode(self, model: str, messages: list[dict[str, Any]], params: Mapping[str, Any]) -> EncodedRequest:
        """Build the request, as `Wire.encode` says, from the changed parameters."""
        if not self._of.isdisjoint(params):
            params = {name: value for name, value in params.items() if value is not None}
            self._change(params)
        return super().encode(model, messages, params)

    def decode(self, body: bytes) -> Answer:
        """Parse an answer, and change it where the server's differs from OpenAI's."""
        answer = super().decode(body)
        if self._read is not None:
            self._read(answer)
        return answer


def _rename(params: Params, old: str, new: str) -> None:
    if old in params:
        params.setdefault(new, params[old])
        del params[old]


# Each server's own


def _mistral(params: Params) -> None:
    """It refuses what it does not know, also what only says who asks."""
    _rename(params, "seed", "random_seed")
    _rename(params, "max_completion_tokens", "max_tokens")
    params.pop("user", None)
    if params.get("tool_choice") == "required":
        params["tool_choice"] = "any"


def _read_mistral(answer: Answer) -> None:
    """Its reasoning models answer in a list of thoughts and texts."""
    for choice in answer["choices"]:
        message = choice.get("message") or {}
        parts = message.get("content")
        if isinstance(parts, list):
            thoughts = [_text(part.get("thinking")) for part in parts if part.get("type") == "thinking"]
            message["content"] = "".join(_text(part.get("text")) for part in parts if part.get("type") == "text")
            if thoughts:
                message["reasoning_content"] = "".join(thoughts)


def _text(thing: Any) -> str:
    if isinstance(thing, list):
        return "".join(str(part.get("text") or "") for part in thing)
    return str(thing or "")


def _deepseek(params: Params) -> None:
    _rename(params, "max_completion_tokens", "max_tokens")
    _rename(params, "user", "user_id")
    if "reasoning_effort" in params and "thinking" not in params:
        effort = effort_of(params["reasoning_effort"])
        params["thinking"] = {"type": "disabled" if effort == "none" else "enabled"}
        if effort == "none":
            del params["reasoning_effort"]


def _openrouter(params: Params) -> None:
    if "reasoning_effort" in params:
        effort = effort_of(params.pop("reasoning_effort"))
        params.setdefault("reasoning", {"enabled": False} if effort == "none" else {"effort": effort})


def _ollama(params: Params) -> None:
    """Its OpenAI-compatible API would not say that it leaves these out."""
    for name in _OLLAMAS_OPTIONS & set(params):
        refuse(name, "Ollama", 'set it in the Modelfile (PARAMETER ...), or send through litellm with engine="litellm"')
    if params.get("tool_choice") not in (None, "auto"):
        refuse("tool_choice", "Ollama", "its OpenAI-compatible API leaves it out")
    params.pop("tool_choice", None)


_OLLAMAS_OPTIONS = frozenset(
    {"keep_alive", "mirostat", "mirostat_eta", "mirostat_tau", "num_ctx", "num_gpu", "num_predict", "num_thread"}
    | {"repeat_last_n", "repeat_penalty", "tfs_z", "think", "top_k"}
)


def _read_perplexity(answer: Answer) -> None:
    """The pages that its answer rests on stand beside the choices."""
    pages = answer.get("search_results") or [{"url": url} for url in answer.get("citations") or ()]
    if not pages:
        return
    citations = [{"type": "citation", "title": page.get("title"), "url": page.get("url")} for page in pages]
    for choice in answer["choices"]:
        choice["message"].setdefault("provider_specific_fields", {})["citations"] = [citations]


def _unchanged(_: Params) -> None:
    pass


DEEPSEEK = Dialect({"max_completion_tokens", "reasoning_effort", "user"}, _deepseek)
MISTRAL = Dialect({"max_completion_tokens", "seed", "tool_choice", "user"}, _mistral, _read_mistral)
OLLAMA = Dialect({"tool_choice", *_OLLAMAS_OPTIONS}, _ollama)
OPENROUTER = Dialect({"reasoning_effort"}, _openrouter)
PERPLEXITY = Dialect(set(), _unchanged, _read_perplexity)


# Azure: OpenAI's format with another header


class _WithAzuresHeader(OpenAIFormat):
    def headers(self, key: str | None) -> dict[str, str]:
        """A key has a header of its own; a token of Entra ID (a JWT) is a bearer's."""
        if key and key.startswith("eyJ") and key.count(".") == 2:
            return super().headers(key)
        return super().headers(None) | ({"api-key": key} if key else {})


class AzureChat(_WithAzuresHeader, OpenAIChat):
    """Chat completions at Azure."""


class AzureResponses(_WithAzuresHeader, ResponsesFormat):
    """The Responses API at Azure."""


AZURE_CHAT = AzureChat()
AZURE_RESPONSES = AzureResponses()
