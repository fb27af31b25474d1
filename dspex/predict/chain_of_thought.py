"""`ChainOfThought`: think first, then answer."""

from __future__ import annotations

from typing import Any

from pydantic.fields import FieldInfo

from dspex.predict.predict import Predict
from dspex.primitives.module import Module
from dspex.primitives.prediction import Prediction
from dspex.signatures import OutputField, ensure_signature


class ChainOfThought(Module):
    """A predictor that gives its `reasoning` ahead of the signature's own outputs.

    Args:
        signature: As for `Predict`.
        rationale_field: Another output field for the reasoning.
        rationale_field_type: Its type, where `rationale_field` does not say.
        **config: Request parameters.

    Source: Wei et al., "Chain-of-Thought Prompting Elicits Reasoning in Large Language Models" (2022).
    """

    def __init__(
        self,
        signature: Any,
        rationale_field: FieldInfo | None = None,
        rationale_field_type: Any = str,
        **config: Any,
    ) -> None:
        super().__init__()
        field: Any = rationale_field or OutputField(desc="${reasoning}")
        type_ = rationale_field.annotation if rationale_field is not None else rationale_field_type
        self.predict = Predict(ensure_signature(signature).prepend("reasoning", field, type_=type_), **config)

    def forward(self, **inputs: Any) -> Prediction:
        """Answer: the prediction for the input fields given as keywords."""
        prediction: Prediction = self.predict(**inputs)
        return prediction

    async def aforward(self, **inputs: Any) -> Prediction:
        """`forward`, for asynchronous code."""
        prediction: Prediction = await self.predict.acall(**inputs)
        return prediction
