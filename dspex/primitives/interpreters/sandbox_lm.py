"""`SandboxLM`: the host's LM as the code in an interpreter may use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dspex.clients.base_lm import BaseLM

SANDBOX_LM_KWARGS = frozenset(
    {
        *("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "n", "seed"),
        *("logprobs", "top_logprobs", "response_format", "reasoning", "reasoning_effort"),
        *("tools", "tool_choice", "parallel_tool_calls"),
        *("cache", "rollout_id", "prompt_cache", "prompt_cache_key"),
    }
)
"""What sandboxed code may say of an LM call: nothing of endpoints, keys and transport."""
_LM_INPUTS = frozenset({"prompt", "messages", "request"})


class SandboxLM(BaseLM):
    """The host's LM as sandboxed code may use it."""

    def __init__(self, lm: Any, reserve: Callable[[int], None] | None = None) -> None:
        """Wrap the host's LM for use by sandboxed code.

        Args:
            lm: The host's LM.
            reserve: Called with the number of answers before each call; raises when there have been too many.
        """
        super().__init__(model=getattr(lm, "model", None) or "sandboxed", model_type=getattr(lm, "model_type", "chat"))
        known = getattr(lm, "kwargs", None) or {}
        self.kwargs = {name: value for name, value in known.items() if name in SANDBOX_LM_KWARGS}
        self._lm = lm
        self._reserve = reserve

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the host's LM."""
        self._admit(kwargs)
        return self._lm(*args, **kwargs)

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the host's LM, from asynchronous code."""
        self._admit(kwargs)
        return await self._lm.acall(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the host's LM for a whole response."""
        self._admit(kwargs)
        return self._lm.forward(*args, **kwargs)

    async def aforward(self, *args: Any, **kwargs: Any) -> Any:
        """`forward`, from asynchronous code."""
        self._admit(kwargs)
        return await self._lm.aforward(*args, **kwargs)

    def copy(self, **changes: Any) -> SandboxLM:
        """Return a copy with other options, under the same restrictions.

        Raises:
            TypeError: an option is none that sandboxed code may set.
        """
        self._check(changes)
        return SandboxLM(self._lm.copy(**changes), self._reserve)

    @property
    def supports_function_calling(self) -> bool:
        return bool(getattr(self._lm, "supports_function_calling", False))

    @property
    def supports_reasoning(self) -> bool:
        return bool(getattr(self._lm, "supports_reasoning", False))

    @property
    def supports_response_schema(self) -> bool:
        return bool(getattr(self._lm, "supports_response_schema", False))

    @property
    def supported_params(self) -> set[str]:
        return getattr(self._lm, "supported_params", set())

    def _admit(self, kwargs: dict[str, Any]) -> None:
        self._check(kwargs)
        if self._reserve is not None:
            self._reserve(max(1, int(kwargs.get("n", self.kwargs.get("n")) or 1)))

    @staticmethod
    def _check(kwargs: dict[str, Any]) -> None:
        refused = sorted(kwargs.keys() - _LM_INPUTS - SANDBOX_LM_KWARGS)
        if refused:
            raise TypeError(
                f"Sandboxed code may not set LM option(s) {refused}; allowed per call: {sorted(SANDBOX_LM_KWARGS)}."
            )
