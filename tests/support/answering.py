"""Language models in memory for tests: they answer in ChatAdapter's format, at once or when they are let."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from dspex.clients import BaseLM

Answer = Callable[[str], Mapping[str, Any]]
"""Gives the output fields for the text of the last message."""


def completion(fields: Mapping[str, Any]) -> str:
    """The fields as ChatAdapter wants a model to write them."""
    sections = [f"[[ ## {name} ## ]]\n{value}" for name, value in fields.items()]
    return "\n\n".join([*sections, "[[ ## completed ## ]]"])


def field(prompt: str, name: str) -> str:
    """The value of an input field in the text of a message."""
    return prompt.split(f"[[ ## {name} ## ]]\n", 1)[1].split("\n\n", 1)[0].strip()


class AnsweringLM(BaseLM):
    """Answers from memory. `requests` holds the keywords of every call."""

    blocking = False

    def __init__(self, answer: Answer | Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__("answering", **kwargs)
        self.answer = answer if callable(answer) else lambda prompt: answer
        self.requests: list[dict[str, Any]] = []

    def forward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
        self.requests.append({"messages": messages, **self.kwargs, **kwargs})
        return self.respond(messages, kwargs)

    def respond(self, messages: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        text = completion(self.answer(messages[-1]["content"]))
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        return {"model": self.model, "choices": [choice] * (kwargs.get("n") or 1), "usage": usage}


class GatedLM(AnsweringLM):
    """Answers nobody before `expected` calls wait at once, which proves that they do."""

    def __init__(self, answer: Answer | Mapping[str, Any], expected: int) -> None:
        super().__init__(answer)
        self.expected = expected
        self.waiting = 0
        self.gate: asyncio.Event | None = None

    async def aforward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
        self.gate = self.gate or asyncio.Event()
        self.waiting += 1
        if self.waiting >= self.expected:
            self.gate.set()
        await self.gate.wait()
        return self.respond(messages, kwargs)


class FailingLM(AnsweringLM):
    """Fails with `errors`, one a call, and answers after that."""

    def __init__(self, answer: Answer | Mapping[str, Any], *errors: BaseException) -> None:
        super().__init__(answer)
        self.errors = list(errors)

    def respond(self, messages: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if self.errors:
            raise self.errors.pop(0)
        return super().respond(messages, kwargs)
