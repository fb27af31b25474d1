"""`majority`: the answer that most completions give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dspex.errors import UsageError
from dspex.primitives.prediction import Completions, Prediction
from dspex.text.normalize import normalize_text


class NotCompletionsError(UsageError, AssertionError):
    """What was given to count is no completions (DSPy asserts it)."""


def default_normalize(s: str) -> str | None:
    """`s` without case, punctuation and articles; None, which is not counted, where nothing is left."""
    return normalize_text(s) or None


def majority(
    prediction_or_completions: Prediction | Completions | list[Any],
    normalize: Callable[[Any], Any] | None = default_normalize,
    field: str | None = None,
) -> Prediction:
    """Return the first completion whose `field` has the most frequent value of all; ties go to the earlier value.

    Args:
        prediction_or_completions: A prediction of several completions, those completions, or a list of dictionaries.
        normalize: Makes values alike before they are counted; where it returns None the value is not counted.
        field: By default the signature's last output field, or the last key.

    Returns:
        A prediction of that one completion.

    Raises:
        NotCompletionsError: there is nothing to count.
        UsageError: the completions have no such field.

    Source: Wang et al., "Self-Consistency Improves Chain of Thought Reasoning in Language Models" (2022).
    """
    completions = _completions_of(prediction_or_completions)
    signature = getattr(completions, "signature", None)
    name = field or list(signature.output_fields if signature else completions[0].keys())[-1]
    if name not in completions[0]:
        there = ", ".join(completions[0].keys())
        raise UsageError(f"majority: the completions have no field {name!r}; they have: {there}.")
    values = [normalize(each[name]) if normalize else each[name] for each in completions]
    counted = [value for value in values if value is not None] or values
    counts: dict[Any, int] = {}
    for value in counted:
        counts[value] = counts.get(value, 0) + 1
    winner = values.index(max(counts, key=lambda value: counts[value]))
    return Prediction.from_completions([completions[winner]], signature=signature)


def _completions_of(given: Any) -> Any:
    if not isinstance(given, Prediction | Completions | list):
        raise NotCompletionsError(
            f"majority takes a Prediction, its completions or a list of dictionaries, not a {type(given).__name__}."
        )
    completions = given.completions if isinstance(given, Prediction) else given
    if completions is None or len(completions) == 0:
        raise NotCompletionsError(
            "majority: there are no completions to count. Ask for several with `n`, as in Predict(signature, n=5)."
        )
    return completions
