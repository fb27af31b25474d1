"""`KNN`: the examples of a training set that are most like an input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dspex.bridge import run_sync
from dspex.errors import UsageError
from dspex.primitives.example import Example


class KNN:
    """Finds the `k` examples whose inputs are nearest to the inputs it is called with, the nearest first.

    Args:
        k: How many.
        trainset: Examples with input keys (`Example.with_inputs`). They are embedded at once.
        vectorizer: An `Embedder`, or any function from a list of texts to a matrix with a row for each.

    Raises:
        UsageError: `k` is no positive number, or there is an example without input keys, or none at all.

    Source: Liu et al., "What Makes Good In-Context Examples for GPT-3?" (2021); DSPy's class of this name.
    """

    def __init__(self, k: int, trainset: list[Example], vectorizer: Any) -> None:
        _check(k, trainset)
        self.k = k
        self.trainset = trainset
        self.embedding = vectorizer
        texts = [_text((name, value) for name, value in each.items() if name in _inputs_of(each)) for each in trainset]
        self.trainset_vectors = _matrix(self.embedding(texts))

    def __call__(self, **kwargs: Any) -> list[Example]:
        """Find the nearest examples.

        Args:
            **kwargs: The input fields to compare, by name.

        Returns:
            `k` examples, the nearest first.
        """
        return self._nearest(self.embedding([_text(kwargs.items())]))

    async def acall(self, **kwargs: Any) -> list[Example]:
        """Find the nearest examples from asynchronous code."""
        if hasattr(self.embedding, "acall"):
            return self._nearest(await self.embedding.acall([_text(kwargs.items())]))
        return await run_sync(self, **kwargs)

    def _nearest(self, vectors: Any) -> list[Example]:
        scores = self.trainset_vectors @ _matrix(vectors)[0]
        return [self.trainset[index] for index in scores.argsort()[-self.k :][::-1]]


def _check(k: int, trainset: Sequence[Example]) -> None:
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise UsageError(f"KNN: k={k!r} is not a number of neighbours, one or more.")
    if not trainset:
        raise UsageError("KNN: the trainset is empty, so there are no neighbours to find.")
    for number, example in enumerate(trainset):
        if not _inputs_of(example):
            raise UsageError(
                f"KNN: trainset[{number}] has no input keys to compare. Mark them: example.with_inputs('question')."
            )


def _inputs_of(example: Example) -> frozenset[str]:
    return frozenset(example._input_keys or ())


def _text(fields: Iterable[tuple[str, Any]]) -> str:
    """The text that is embedded for an example's inputs."""
    return " | ".join(f"{name}: {value}" for name, value in fields)


def _matrix(vectors: Any) -> Any:
    import numpy as np

    return np.asarray(vectors, dtype=np.float32)
