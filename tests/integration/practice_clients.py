"""The providers' own clients, pointed at a practice server. None of them tries again by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import anthropic
import openai
from google import genai
from google.genai import errors, types
from support.waiting import wait_until

from dspex_practice import PracticeServer

KEY = "practice-key"
T = TypeVar("T")

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "The name of the city."},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city"],
}
ADDING = {
    "type": "object",
    "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
    "required": ["a", "b"],
}
TOOLS = [("get_weather", "The weather of a city.", WEATHER), ("add_numbers", "Add two numbers.", ADDING)]
COLOUR = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "green"]}, "count": {"type": "integer"}},
    "required": ["colour", "count"],
    "additionalProperties": False,
}
LONG = "The bus is red. The tram is green. The longest day of the year is in June. What colour has the bus?"


def openai_at(server: PracticeServer, key: str = KEY, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url, api_key=key, max_retries=0, **options)


def anthropic_at(server: PracticeServer, key: str = KEY, **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=root(server), api_key=key, max_retries=0, **options)


def gemini_at(server: PracticeServer, key: str = KEY, **options: Any) -> genai.Client:
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=root(server), **options))


def root(server: PracticeServer) -> str:
    """The address without a version."""
    return server.url.removesuffix("/v1")


def patient(call: Callable[[], T]) -> T:
    """What `call` gives when it is not refused any more; at once tried again, as no provider would like it."""
    for _ in range(100):
        try:
            return call()
        except (openai.APIStatusError, anthropic.APIStatusError, errors.APIError):
            continue
    raise AssertionError("refused a hundred times")


def until(look: Callable[[], T], ended: Callable[[T], bool]) -> T:
    """What `look` sees when it has `ended`."""
    seen: list[T] = []

    def looked() -> bool:
        seen[:] = [look()]
        return ended(seen[0])

    wait_until(looked, lambda: seen, every=0.01)
    return seen[0]
