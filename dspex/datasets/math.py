"""`MATH`: competition problems. Source: Hendrycks et al., "Measuring Mathematical Problem Solving" (2021)."""

from __future__ import annotations

import importlib
import random
import re
from typing import Any

from dspex.datasets.hub import load_dataset
from dspex.primitives.example import Example

_BOXED = "\\boxed{"
_MOST = 350


class MATH:
    """A subject of MATH (``"algebra"``, ...) from the Hugging Face hub, as `question`, `reasoning` and `answer`.

    `train`, `dev` and `test` are cut from the official test set, as models may have been trained on the other one.
    """

    def __init__(self, subset: str) -> None:
        official = load_dataset("MATH")("DigitalLearningGmbH/MATH-lighteval", subset)["test"]
        examples = [
            Example(
                question=row["problem"], reasoning=row["solution"], answer=extract_answer(row["solution"])
            ).with_inputs("question")
            for row in official
        ]
        size = min(_MOST, len(examples) // 3)
        random.Random(0).shuffle(examples)
        self.train, self.dev, self.test = examples[:size], examples[size : 2 * size], examples[2 * size :]

    def metric(self, example: Any, pred: Any, trace: Any = None) -> bool:
        """Compare both answers as mathematics, by the data set's own rules. A metric.

        Args:
            example: An example with `answer`.
            pred: A prediction with `answer`.
            trace: Not used.

        Raises:
            ImportError: the authors' ``math_equivalence`` is not installed.

        Source: Hendrycks et al., "Measuring Mathematical Problem Solving With the MATH Dataset" (2021).
        """
        try:
            equivalence = importlib.import_module("math_equivalence")
        except ImportError:
            raise ImportError(
                "MATH's metric requires `pip install git+https://github.com/hendrycks/math.git`"
            ) from None
        return bool(equivalence.is_equiv(example.answer, pred.answer))


def extract_answer(s: str) -> str | None:
    r"""Return what stands in the first ``\boxed{...}``, without ``\text{...}`` and ``\!``; None if there is none."""
    start = s.find(_BOXED)
    if start < 0:
        return None
    start += len(_BOXED)
    answer = s[start : _closing_brace(s, start)]
    return re.sub(r"\\!", "", re.sub(r"\\text\{[^}]*\}", "", answer)).strip()


def _closing_brace(s: str, start: int) -> int:
    depth = 1
    for place in range(start, len(s)):
        depth += {"{": 1, "}": -1}.get(s[place], 0)
        if depth == 0:
            return place
    return len(s)
