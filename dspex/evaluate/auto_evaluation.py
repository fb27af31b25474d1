"""Metrics that ask a language model: `SemanticF1` and `CompleteAndGrounded`. The prompts are DSPy's, to the byte."""

from __future__ import annotations

from typing import Any

from dspex.predict.chain_of_thought import ChainOfThought
from dspex.primitives.module import Module
from dspex.primitives.prediction import Prediction
from dspex.signatures import InputField, OutputField, Signature

_OF_TRUTH = "fraction (out of 1.0) of ground truth covered by the system response"
_OF_RESPONSE = "fraction (out of 1.0) of system response covered by the ground truth"


class SemanticRecallPrecision(Signature):  # type: ignore[metaclass]  # mypy cannot see the metaclass of pydantic's
    """
    Compare a system's response to the ground truth to compute its recall and precision.
    If asked to reason, enumerate key ideas in each response, and whether they are present in the other response.
    """

    question: str = InputField()
    ground_truth: str = InputField()
    system_response: str = InputField()
    recall: float = OutputField(desc=_OF_TRUTH)
    precision: float = OutputField(desc=_OF_RESPONSE)


class DecompositionalSemanticRecallPrecision(Signature):  # type: ignore[metaclass]  # mypy cannot see the metaclass of pydantic's
    """
    Compare a system's response to the ground truth to compute recall and precision of key ideas.
    You will first enumerate key ideas in each response, discuss their overlap, and then report recall and precision.
    """

    question: str = InputField()
    ground_truth: str = InputField()
    system_response: str = InputField()
    ground_truth_key_ideas: str = OutputField(desc="enumeration of key ideas in the ground truth")
    system_response_key_ideas: str = OutputField(desc="enumeration of key ideas in the system response")
    discussion: str = OutputField(desc="discussion of the overlap between ground truth and system response")
    recall: float = OutputField(desc=_OF_TRUTH)
    precision: float = OutputField(desc=_OF_RESPONSE)


class AnswerCompleteness(Signature):  # type: ignore[metaclass]  # mypy cannot see the metaclass of pydantic's
    """
    Estimate the completeness of a system's responses, against the ground truth.
    You will first enumerate key ideas in each response, discuss their overlap, and then report completeness.
    """

    question: str = InputField()
    ground_truth: str = InputField()
    system_response: str = InputField()
    ground_truth_key_ideas: str = OutputField(desc="enumeration of key ideas in the ground truth")
    system_response_key_ideas: str = OutputField(desc="enumeration of key ideas in the system response")
    discussion: str = OutputField(desc="discussion of the overlap between ground truth and system response")
    completeness: float = OutputField(desc=_OF_TRUTH)


class AnswerGroundedness(Signature):  # type: ignore[metaclass]  # mypy cannot see the metaclass of pydantic's
    """
    Estimate the groundedness of a system's responses, against real retrieved documents written by people.
    You will first enumerate whatever non-trivial or check-worthy claims are made in the system response, and then
    discuss the extent to which some or all of them can be deduced from the retrieved context and basic commonsense.
    """

    question: str = InputField()
    retrieved_context: str = InputField()
    system_response: str = InputField()
    system_response_claims: str = OutputField(
        desc="enumeration of non-trivial or check-worthy claims in the system response"
    )
    discussion: str = OutputField(desc="discussion of how supported the claims are by the retrieved context")
    groundedness: float = OutputField(
        desc="fraction (out of 1.0) of system response supported by the retrieved context"
    )


def f1_score(precision: float, recall: float) -> float:
    """Return the harmonic mean of precision and recall, each first brought into 0..1: a model may well say 1.2.

    Args:
        precision: The share of what was said that is true.
        recall: The share of the truth that was said.
    """
    precision, recall = (max(0.0, min(1.0, value)) for value in (precision, recall))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


class SemanticF1(Module):
    """How much of the true response a response says, and how much of what it says is true, in a model's judgement.

    A metric: ``metric(example, pred)`` compares ``pred.response`` with ``example.response``, both answers to
    ``example.question``, and gives ``Prediction(score=F1)``. With a trace, as when demos are chosen, the score is
    whether F1 reaches `threshold`.

    Args:
        threshold: The least F1 that passes for a demo.
        decompositional: Whether the model first lists the key ideas of both and discusses them.

    Source: DSPy's metric of this name.
    """

    def __init__(self, threshold: float = 0.66, decompositional: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.module = ChainOfThought(
            DecompositionalSemanticRecallPrecision if decompositional else SemanticRecallPrecision
        )

    def forward(self, example: Any, pred: Any, trace: Any = None) -> Prediction:
        """Judge one response.

        Args:
            example: Holds `question` and the true `response`.
            pred: Holds the `response` to judge.
            trace: The trace of the program, when demos are chosen; else None.

        Returns:
            A prediction with `score`: the F1 score, or with a trace whether it reaches `threshold`.
        """
        return self._judged(self.module(**_against_truth(example, pred)), trace)

    async def aforward(self, example: Any, pred: Any, trace: Any = None) -> Prediction:
        """`forward`, for asynchronous code."""
        return self._judged(await self.module.acall(**_against_truth(example, pred)), trace)

    def _judged(self, said: Prediction, trace: Any) -> Prediction:
        return _scored(f1_score(said.precision, said.recall), self.threshold, trace)


class CompleteAndGrounded(Module):
    """Whether a response says what it should, and nothing that the retrieved context does not support.

    A metric as `SemanticF1` is, of ``pred.response`` and ``pred.context``; its F1 is that of groundedness and
    completeness.

    Args:
        threshold: The least F1 that passes for a demo.

    Source: DSPy's metric of this name.
    """

    def __init__(self, threshold: float = 0.66) -> None:
        super().__init__()
        self.threshold = threshold
        self.completeness_module = ChainOfThought(AnswerCompleteness)
        self.groundedness_module = ChainOfThought(AnswerGroundedness)

    def forward(self, example: Any, pred: Any, trace: Any = None) -> Prediction:
        """Judge one response.

        Args:
            example: Holds `question` and the true `response`.
            pred: Holds the `response` to judge, and its `context`, the retrieved passages.
            trace: The trace of the program, when demos are chosen; else None.

        Returns:
            A prediction with `score`: the F1 score, or with a trace whether it reaches `threshold`.
        """
        completeness = self.completeness_module(**_against_truth(example, pred))
        groundedness = self.groundedness_module(**_against_context(example, pred))
        return self._judged(completeness, groundedness, trace)

    async def aforward(self, example: Any, pred: Any, trace: Any = None) -> Prediction:
        """`forward`, for asynchronous code."""
        completeness = await self.completeness_module.acall(**_against_truth(example, pred))
        groundedness = await self.groundedness_module.acall(**_against_context(example, pred))
        return self._judged(completeness, groundedness, trace)

    def _judged(self, completeness: Prediction, groundedness: Prediction, trace: Any) -> Prediction:
        return _scored(f1_score(groundedness.groundedness, completeness.completeness), self.threshold, trace)


def _against_truth(example: Any, pred: Any) -> dict[str, Any]:
    return {"question": example.question, "ground_truth": example.response, "system_response": pred.response}


def _against_context(example: Any, pred: Any) -> dict[str, Any]:
    return {"question": example.question, "retrieved_context": pred.context, "system_response": pred.response}


def _scored(score: float, threshold: float, trace: Any) -> Prediction:
    return Prediction(score=score if trace is None else score >= threshold)
