"""`Reasoning`: what a model thinks before it answers, written by the model or delivered by its API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pydantic

from dspex.adapters.types.base_type import Type


class Reasoning(Type):
    """A text that reads as a `str` does: compare it, slice it, add to it, call a string's methods on it.

    As an output field it is filled from a reasoning model's own reasoning, and written like any text by other models.
    """

    content: str

    def format(self) -> str:
        """The text."""
        return self.content

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Accept a text, or a dict with `content`."""
        if isinstance(data, cls):
            return data
        if isinstance(data, str):
            return {"content": data}
        if not isinstance(data, dict):
            raise ValueError(f"Received invalid value for `dspex.Reasoning`: {data}. Give a text.")
        if "content" not in data:
            raise ValueError("`content` field is required for `dspex.Reasoning`")
        if not isinstance(data["content"], str):
            raise ValueError(f"`content` field must be a string, but received type: {type(data['content'])}")
        return {"content": data["content"]}

    @classmethod
    def adapt_to_native_lm_feature(cls, signature: Any, field_name: str, lm: Any, lm_kwargs: dict[str, Any]) -> Any:
        """Have a reasoning model reason in its own way, with effort "low" where none is configured.

        A `reasoning_effort` of None turns that off. So do the chat completions of GPT-5, which keep their reasoning.
        """
        effort = lm_kwargs.get("reasoning_effort", lm.kwargs.get("reasoning_effort", "low"))
        if effort is None or not lm.supports_reasoning or ("gpt-5" in lm.model and lm.model_type == "chat"):
            return signature
        lm_kwargs["reasoning_effort"] = effort
        return signature.delete(field_name)

    @classmethod
    def parse_lm_response(cls, response: str | dict[str, Any]) -> Reasoning | None:
        """Read the reasoning that came beside an answer, if any."""
        content = response.get("reasoning_content") if isinstance(response, dict) else None
        return cls(content=content) if isinstance(content, str) else None

    @classmethod
    def is_streamable(cls) -> bool:
        """It is: token by token."""
        return True

    @classmethod
    def parse_stream_chunk(cls, chunk: Any) -> str | None:
        """Read the piece of reasoning in a chunk, if any."""
        choices = getattr(chunk, "choices", None)
        return getattr(choices[0].delta, "reasoning_content", None) if choices else None

    def __repr__(self) -> str:
        return repr(self.content)

    def __str__(self) -> str:
        return self.content

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Reasoning):
            return self.content == other.content
        return self.content == other if isinstance(other, str) else False

    def __hash__(self) -> int:
        return hash(self.content)

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self, key: Any) -> str:
        return self.content[key]

    def __contains__(self, item: Any) -> bool:
        return item in self.content

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        return iter(self.content)

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Reasoning):
            return Reasoning(content=self.content + other.content)
        return self.content + other if isinstance(other, str) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return other + self.content if isinstance(other, str) else NotImplemented

    def __getattr__(self, name: str) -> Any:
        if hasattr(str, name):
            return getattr(self.content, name)
        raise AttributeError(
            f"`{type(self).__name__}` object has no attribute '{name}'. If you are using `dspy.ChainOfThought`, note "
            "that the 'reasoning' field is a `dspy.Reasoning` object (not a plain string): use str(reasoning) or "
            "reasoning.content to get one."
        )
