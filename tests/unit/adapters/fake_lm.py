"""An LM that gives the answers it is told to, and keeps what it was asked."""

from __future__ import annotations

from typing import Any


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
