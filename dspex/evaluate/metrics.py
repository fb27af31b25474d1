"""Metrics: the built-in ones, which go by name, and DSPy's."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import Any

from pydantic import BaseModel

from dspex.errors import UsageError
from dspex.text.normalize import (
    em_score,
    f1_score,
    holds_answer,
    hotpot_f1_score,
    normalize_text,
    precision_score,
)

_MISSING = object()


def exact_match(example: Any, prediction: Any, trace: Any = None) -> bool:
    """Check whether the prediction has every label of the example. A metric.

    Where either side is text, both are compared as text, without regard to case and white space (``"Paris "`` is
    ``"paris"``, ``"3"`` is ``3``); otherwise as values.

    Args:
        example: Its labels, all fields that are not inputs, are compared.
        prediction: Must have a field of the name of each label; a missing field is a mismatch.
        trace: Not used.
    """
    return all(_same(label, said) for label, said in _pairs(example, prediction))


def contains(example: Any, prediction: Any, trace: Any = None) -> bool:
    """Check whether the text of every label stands in the prediction, whatever the case. A metric.

    Args:
        example: Its labels, all fields that are not inputs, are looked for.
        prediction: Is searched, each label in the field of the same name; a missing field is a mismatch.
        trace: Not used.
    """
    return all(said is not _MISSING and _text(label) in _text(said) for label, said in _pairs(example, prediction))


def f1(example: Any, prediction: Any, trace: Any = None) -> float:
    """Score how many words labels and prediction share: the F1 score, averaged over the labels. A metric.

    Args:
        example: Its labels are all fields that are not inputs.
        prediction: Has a field of the name of each label; a missing field counts 0.
        trace: Not used.

    Returns:
        A score from 0 to 1.
    """
    pairs = _pairs(example, prediction)
    scores = [0.0 if said is _MISSING else f1_score(_text(said), _text(label)) for label, said in pairs]
    return sum(scores) / len(scores)


BUILTIN_METRICS: dict[str, Callable[..., Any]] = {metric.__name__: metric for metric in (exact_match, contains, f1)}


def builtin_metric(name: str) -> Callable[..., Any]:
    """Return the built-in metric called `name`.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    if name in BUILTIN_METRICS:
        return BUILTIN_METRICS[name]
    close = difflib.get_close_matches(name, BUILTIN_METRICS, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise UsageError(
        f"There is no built-in metric {name!r}.{meant} Built in: {', '.join(BUILTIN_METRICS)}. "
        "A metric of your own is named package.module:function."
    )


def EM(prediction: str, answers_list: Sequence[str]) -> bool:
    """Check whether a prediction is one of the answers, both normalized (`normalize_text`).

    Args:
        prediction: The text that was answered.
        answers_list: The right answers.
    """
    return any(em_score(prediction, answer) for answer in _answers(answers_list))


def F1(prediction: str, answers_list: Sequence[str]) -> float:
    """Return the best F1 score of a prediction against any of the answers, from 0 to 1.

    Args:
        prediction: The text that was answered.
        answers_list: The right answers.
    """
    return max(f1_score(prediction, answer) for answer in _answers(answers_list))


def HotPotF1(prediction: str, answers_list: Sequence[str]) -> float:
    """Return the best HotPotQA F1 score (`hotpot_f1_score`) of a prediction against any of the answers, from 0 to 1.

    Args:
        prediction: The text that was answered.
        answers_list: The right answers.

    Source: Yang et al., "HotpotQA: A Dataset for Diverse, Explainable Multi-hop Question Answering" (2018).
    """
    return max(hotpot_f1_score(prediction, answer) for answer in _answers(answers_list))


def answer_exact_match(example: Any, pred: Any, trace: Any = None, frac: float = 1.0) -> bool:
    """Check whether the predicted answer is right. A metric.

    Args:
        example: Has `answer`, a text or a list of right ones.
        pred: Has `answer`, a text.
        trace: Not used.
        frac: Below 1, the F1 score that is good enough.
    """
    answers = _answers_of(example)
    return EM(pred.answer, answers) if frac >= 1.0 else F1(pred.answer, answers) >= frac


def answer_passage_match(example: Any, pred: Any, trace: Any = None) -> bool:
    """Check whether any retrieved passage holds a right answer. A metric.

    Args:
        example: Has `answer`, a text or a list of right ones.
        pred: Has `context`, a list of passages.
        trace: Not used.
    """
    answers = _answers_of(example)
    return any(holds_answer(passage, answer) for passage in pred.context for answer in answers)


def _pairs(example: Any, prediction: Any) -> list[tuple[Any, Any]]:
    labels = example.labels().items()
    if not labels:
        raise UsageError(
            f"The example has no label to compare with: all its fields ({', '.join(example.keys())}) are inputs."
        )
    return [(label, _field(prediction, name)) for name, label in labels]


def _field(prediction: Any, name: str) -> Any:
    look_up = prediction.get if hasattr(prediction, "items") else partial(getattr, prediction)
    return look_up(name, _MISSING)


def _same(label: Any, said: Any) -> bool:
    if said is _MISSING:
        return False
    label, said = _value(label), _value(said)
    if label is None or said is None:
        return label is said
    if isinstance(label, str) or isinstance(said, str):
        return _text(label) == _text(said)
    return bool(label == said)


def _value(value: Any) -> Any:
    """Data as JSON would have it, since labels often come from JSON: enums by value, models as dictionaries."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    return value


def _text(value: Any) -> str:
    return " ".join(str(_value(value)).split()).casefold()


def _answers(answers: Any) -> Sequence[str]:
    if not isinstance(answers, list):
        raise UsageError(f"`answers_list` must be a list, got {type(answers)}: pass [answer] for a single answer.")
    if not answers:
        raise UsageError("`answers_list` is empty, so there is nothing to compare the prediction with.")
    return answers


def _answers_of(example: Any) -> list[str]:
    answer = example.answer
    if isinstance(answer, str):
        return [answer]
    if isinstance(answer, list):
        return answer
    raise UsageError(f"Invalid answer type: {type(answer)}. `example.answer` must be text or a list of texts.")


__all__ = [
    "EM",
    "F1",
    "HotPotF1",
    "answer_exact_match",
    "answer_passage_match",
    "builtin_metric",
    "contains",
    "em_score",
    "exact_match",
    "f1",
    "f1_score",
    "hotpot_f1_score",
    "normalize_text",
    "precision_score",
]
