"""What an evaluation comes to."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from dspex.clients.calls.scope import Usage
from dspex.errors import AdapterParseError, DSPyError
from dspex.execution.attempt import Attempt, describe
from dspex.execution.score import ExactSum, as_score
from dspex.primitives.example import Example
from dspex.primitives.prediction import Prediction


class FailedExample(NamedTuple):
    """An example on which the program, or the metric, failed.

    Args:
        index: Its place in the devset, from 0.
        example: The example.
        error: How the program or the metric failed.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index
    example: Example
    error: BaseException


class EvaluationResult(Prediction):
    """The score in percent, and ``(example, prediction, score)`` for each example. ``float(result)`` is the score.

    Args:
        score: The average of the examples' scores, in percent.
        results: ``(example, prediction, score)`` for each example, in order.
        failures: The examples on which the program itself failed, with their errors.
        usage: The number, tokens and costs of the LM calls.
    """

    _failures: list[FailedExample]
    _usage: Usage

    def __init__(
        self,
        score: float = 0.0,
        results: list[tuple[Example, Any, Any]] | None = None,
        failures: Sequence[FailedExample] = (),
        usage: Usage | None = None,
    ) -> None:
        super().__init__(score=score, results=results or [])
        self._failures = list(failures)
        self._usage = usage or Usage()

    @property
    def failures(self) -> list[FailedExample]:
        """The examples on which the program itself failed, with their errors."""
        return self._failures

    @property
    def usage(self) -> Usage:
        """The number, tokens and costs of the LM calls."""
        return self._usage

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"EvaluationResult(score={self.score}, results=<list of {len(self.results)} results{failed}>)"


class EvaluationInterrupted(DSPyError):
    """The program failed on so many examples (`max_errors`) that the evaluation was stopped.

    Args:
        message: What happened.
        partial: The result over the examples that were done by then.
    """

    def __init__(self, message: str, partial: EvaluationResult) -> None:
        super().__init__(message)
        self.partial = partial


class Tally:
    """An evaluation so far. Whoever is interrupted may ask for the result while examples are still being added."""

    def __init__(self, devset: Sequence[Example], failure_score: float) -> None:
        """Begin an evaluation.

        Args:
            devset: The examples.
            failure_score: The score of an example on which the program fails.
        """
        self.devset = devset
        self.failure_score = failure_score
        self.total = ExactSum()
        self.failures: list[FailedExample] = []
        self.faults: list[FailedExample] = []
        """The failures that are not the model's, which answered in the wrong form."""
        self.usage = Usage()
        self._rows: dict[int, tuple[Example, Any, Any]] = {}
        self._lock = threading.Lock()

    @property
    def done(self) -> int:
        """The number of examples that are done."""
        return len(self._rows)

    def add(self, index: int, outcome: Attempt) -> None:
        """Add what became of one example. It may be called from several threads.

        Args:
            index: The example's place in the set.
            outcome: The attempt at it: a prediction and its score, or an error.
        """
        with self._lock:
            example = self.devset[index]
            self.usage.add(outcome.usage)
            if outcome.error is not None:
                failure = FailedExample(index, example, outcome.error)
                self.failures.append(failure)
                if not isinstance(outcome.error, AdapterParseError):
                    self.faults.append(failure)
                self._rows[index] = (example, Prediction(), self.failure_score)
                self.total.add(as_score(self.failure_score))
            else:
                self._rows[index] = (example, outcome.prediction, outcome.metric_value)
                self.total.add(outcome.score or 0.0)

    def result(self) -> EvaluationResult:
        """The result over the examples done, in the order of the devset."""
        with self._lock:
            score = self.total.percent(self.done) if self.done else 0.0
            rows = [self._rows[index] for index in sorted(self._rows)]
            failures = sorted(self.failures, key=lambda failure: failure.index)
        return EvaluationResult(score, rows, failures, self.usage)

    def average(self) -> str:
        """The score as DSPy's log has it: ``2 / 3 (66.7%)``."""
        total = float(self.total)
        return f"{total:.10g} / {self.done} ({round(100 * total / self.done, 1)}%)"

    def so_far(self) -> str:
        """One line for people."""
        if not self.done:
            return "no example done"
        line = f"{self.total.percent(self.done)} after {self.done} of {len(self.devset)} examples"
        return f"{line}, {len(self.failures)} failed" if self.failures else line

    def refuse_more_failures(self, max_errors: int) -> None:
        """Stop a program that is broken. A model that answers in the wrong form is not: it is what is being measured.

        Raises:
            EvaluationInterrupted: the program failed on `max_errors` examples.
        """
        count = len(self.faults)
        if count < max_errors:
            return
        shown = "; ".join(f"example {index}: {describe(error)}" for index, _, error in self.faults[:5])
        raise EvaluationInterrupted(
            "Execution cancelled due to errors or interruption. "
            f"The program failed on {count} examples (max_errors={max_errors}); "
            f"{self.so_far()}. {shown}{'; ...' if count > 5 else ''}",
            self.result(),
        )
