"""How good a program is: `Evaluate` and metrics.

Names are imported when they are first used: `dspex.execution.score`, which the durable workflows need, must stay light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dspex.evaluate.auto_evaluation import CompleteAndGrounded, SemanticF1
    from dspex.evaluate.evaluate import Evaluate
    from dspex.evaluate.metrics import (
        EM,
        F1,
        HotPotF1,
        answer_exact_match,
        answer_passage_match,
        builtin_metric,
        contains,
        exact_match,
        f1,
        normalize_text,
    )
    from dspex.evaluate.result import EvaluationInterrupted, EvaluationResult, FailedExample
    from dspex.execution.score import ExactSum

_HOMES = {
    "auto_evaluation": ["CompleteAndGrounded", "SemanticF1"],
    "evaluate": ["Evaluate"],
    "metrics": [
        "EM",
        "F1",
        "HotPotF1",
        "answer_exact_match",
        "answer_passage_match",
        "builtin_metric",
        "contains",
        "exact_match",
        "f1",
        "normalize_text",
    ],
    "result": ["EvaluationInterrupted", "EvaluationResult", "FailedExample"],
    "score": ["ExactSum"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "EM",
    "F1",
    "CompleteAndGrounded",
    "Evaluate",
    "EvaluationInterrupted",
    "EvaluationResult",
    "ExactSum",
    "FailedExample",
    "HotPotF1",
    "SemanticF1",
    "answer_exact_match",
    "answer_passage_match",
    "builtin_metric",
    "contains",
    "exact_match",
    "f1",
    "normalize_text",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"dspex.evaluate.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
