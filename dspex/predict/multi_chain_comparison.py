"""`MultiChainComparison`: several attempts compared, one better answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dspex.errors import UsageError
from dspex.predict.predict import Predict
from dspex.primitives.example import Example
from dspex.primitives.module import Module
from dspex.primitives.prediction import Prediction
from dspex.signatures import InputField, OutputField, ensure_signature


class WrongNumberOfAttemptsError(UsageError, AssertionError):
    """Not as many completions as the module was made for (DSPy asserts it)."""


class MultiChainComparison(Module):
    """Shows an LM `M` reasoned attempts at a task and asks it for a corrected reasoning and answer.

    Called with `completions` (predictions or dictionaries, each with a ``rationale`` or ``reasoning`` and with the
    signature's last output field) and the signature's inputs as keywords.

    Args:
        signature: As for `Predict`.
        M: The number of attempts.
        temperature: For the comparison.
        **config: More request parameters.

    Source: DSPy's module of this name.
    """

    def __init__(self, signature: Any, M: int = 3, temperature: float = 0.7, **config: Any) -> None:
        super().__init__()
        self.M = M
        signature = ensure_signature(signature)
        *_, self.last_key = signature.output_fields
        for number in range(1, M + 1):
            attempt = _named(InputField(desc="${reasoning attempt}"), f"Student Attempt #{number}:")
            signature = signature.append(f"reasoning_attempt_{number}", attempt)
        prefix = "Accurate Reasoning: Thank you everyone. Let's now holistically"
        rationale = _named(OutputField(desc="${corrected reasoning}"), prefix)
        self.predict = Predict(signature.prepend("rationale", rationale), temperature=temperature, **config)

    def forward(self, completions: Iterable[Any], **kwargs: Any) -> Prediction:
        """Compare `completions`, and answer.

        Args:
            completions: `M` predictions or dictionaries, as the class describes.
            **kwargs: The signature's input fields.

        Raises:
            WrongNumberOfAttemptsError: there are not `M` completions.
            UsageError: a completion lacks one of these fields.
        """
        prediction: Prediction = self.predict(**{**self._attempts(completions), **kwargs})
        return prediction

    async def aforward(self, completions: Iterable[Any], **kwargs: Any) -> Prediction:
        """`forward`, for asynchronous code."""
        prediction: Prediction = await self.predict.acall(**{**self._attempts(completions), **kwargs})
        return prediction

    def _attempts(self, completions: Iterable[Any]) -> dict[str, str]:
        attempts = [self._attempt(number, each) for number, each in enumerate(completions, start=1)]
        if len(attempts) != self.M:
            raise WrongNumberOfAttemptsError(
                f"MultiChainComparison: the number of attempts ({len(attempts)}) doesn't match the expected number M "
                f"({self.M}). Pass M={len(attempts)} when it is made, or {self.M} completions when it is called."
            )
        return {f"reasoning_attempt_{number}": attempt for number, attempt in enumerate(attempts, start=1)}

    def _attempt(self, number: int, completion: Any) -> str:
        if not isinstance(completion, Mapping | Example):
            raise UsageError(
                f"MultiChainComparison: completion {number} is a {type(completion).__name__}, not a prediction or dict."
            )
        reasoning = completion.get("rationale", completion.get("reasoning"))
        if reasoning is None or self.last_key not in completion:
            lacking = "`rationale` or `reasoning`" if reasoning is None else f"`{self.last_key}`"
            there = ", ".join(completion.keys())
            raise UsageError(f"MultiChainComparison: completion {number} has no {lacking}; it has: {there}.")
        return f"«I'm trying to {_first_line(reasoning)} I'm not sure but my prediction is " + (
            f"{_first_line(completion[self.last_key])}»"
        )


def _first_line(value: Any) -> str:
    return str(value).strip().split("\n")[0].strip()


def _named(field: Any, prefix: str) -> Any:
    """`field` with a prefix, which no prompt shows and which DSPy's saved programs hold."""
    field.json_schema_extra["prefix"] = prefix
    return field
