"""`GSM8K`: grade-school word problems.

Source: Cobbe et al., "Training Verifiers to Solve Math Word Problems" (2021).
"""

from __future__ import annotations

import random
from typing import Any

from dspex.datasets.hub import load_dataset
from dspex.errors import UsageError
from dspex.primitives.example import Example

_TRAIN, _DEV = 200, 300


class GSM8K:
    """GSM8K from the Hugging Face hub, as `question`, `gold_reasoning` and `answer` (a whole number as text).

    `train` and `dev` are 200 and 300 examples of the official training set, `test` is the official test set.
    """

    def __init__(self) -> None:
        self.do_shuffle = False
        dataset = load_dataset("GSM8K")("gsm8k", "main")
        official = _shuffled(dataset["train"])
        self.train = official[:_TRAIN]
        self.dev = official[_TRAIN : _TRAIN + _DEV]
        self.test = _shuffled(dataset["test"])


def parse_integer_answer(answer: Any, only_first_line: bool = True) -> int:
    """Read the last number in an answer, without its fraction.

    Args:
        answer: The text.
        only_first_line: Whether to look at the first line only.

    Returns:
        The number; 0 if there is none, or `answer` is no text.
    """
    if not isinstance(answer, str):
        return 0
    text = answer.strip().split("\n")[0] if only_first_line else answer
    tokens = [token for token in text.split() if any(character.isdigit() for character in token)]
    digits = "".join(character for character in tokens[-1].split(".")[0] if character.isdigit()) if tokens else ""
    try:
        return int(digits)
    except ValueError:
        return 0


def gsm8k_metric(gold: Any, pred: Any, trace: Any = None) -> bool:
    """Compare the last numbers of both answers. A metric.

    Args:
        gold: An example with `answer`.
        pred: A prediction with `answer`.
        trace: Not used.
    """
    return parse_integer_answer(str(gold.answer)) == parse_integer_answer(str(pred.answer))


def _shuffled(rows: Any) -> list[Example]:
    examples = [_example(row) for row in rows]
    random.Random(0).shuffle(examples)
    return examples


def _example(row: Any) -> Example:
    *reasoning, mark, answer = row["answer"].strip().split()
    if mark != "####":
        raise UsageError(f"GSM8K: an answer does not end in '#### number': {row['answer']!r}")
    number = str(int(answer.replace(",", "")))
    return Example(question=row["question"], gold_reasoning=" ".join(reasoning), answer=number).with_inputs("question")
