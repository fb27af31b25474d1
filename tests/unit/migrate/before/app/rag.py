"""Retrieval-augmented answers, as in DSPy's tutorial: `import dspy` and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import dspy
import dspy.evaluate
from dspy.evaluate import (
    SemanticF1,  # judged by a model
    answer_exact_match,
)
from dspy.teleprompt import BootstrapFewShot

if TYPE_CHECKING:
    from dspy.primitives import Prediction

CORPUS = {"capital": "Paris is the capital of France.", "river": "The Seine runs through Paris."}


class Answer(dspy.Signature):
    """Answer in one word."""

    context: list[str] = dspy.InputField(desc="facts")
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()
    certainty: Literal["low", "high"] = dspy.OutputField()


class RAG(dspy.Module):
    def __init__(self, num_docs: int = 1):
        self.num_docs = num_docs
        self.respond = dspy.ChainOfThought(Answer)

    def forward(self, question: str) -> Prediction:
        context = [text for key, text in CORPUS.items() if key in question][: self.num_docs]
        return self.respond(context=context, question=question)


def trainset() -> list[dspy.Example]:
    return [
        dspy.Example(question="What is the capital of France?", answer="Paris").with_inputs("question"),
        dspy.Example(question="Which river runs there?", answer="Seine").with_inputs("question"),
    ]


def main(lm: dspy.LM) -> tuple[float, int]:
    dspy.configure(lm=lm, adapter=dspy.ChatAdapter())
    rag = RAG()
    evaluate = dspy.evaluate.Evaluate(devset=trainset(), metric=answer_exact_match, num_threads=2)
    better = BootstrapFewShot(metric=answer_exact_match, max_labeled_demos=1).compile(rag, trainset=trainset())
    judge = SemanticF1()
    assert isinstance(judge, dspy.Module)
    return evaluate(better).score, len(better.respond.predict.demos)
