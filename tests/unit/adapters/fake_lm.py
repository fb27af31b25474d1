"""An LM that gives the answers it is told to, and keeps what it was asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dspex.clients import BaseLM


class FakeLM:
    """Gives one of `answers` a call, in order; each is a string, a dict, or a list of several choices."""

    supports_function_calling = False

    def __init__(self, *answers: Any, schemas: bool = False, params: tuple[str, ...] = ("response_format",)) -> None:
        self.answers = list(answers)
        self.supports_response_schema = schemas
        self.supported_params = set(params)
        self.asked: list[dict[str, Any]] = []

    async def acall(self, **kwargs: Any) -> list[Any]:
        self.asked.append(kwargs)
        answer = self.answers.pop(0)
        return answer if isinstance(answer, list) else [answer]


class InstantLM(BaseLM):
    """A real LM of a user's own that gives the same answer to everything, in memory."""

    in_memory = True
    blocking = False

    def __init__(self, answer: str) -> None:
        super().__init__("instant", cache=False)
        self.answer = answer

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        choice = SimpleNamespace(message=SimpleNamespace(content=self.answer), finish_reason="stop")
        return SimpleNamespace(choices=[choice], usage={"total_tokens": 1}, model=self.model)

    async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        return self.forward(prompt, messages, **kwargs)
