"""A runner whose examples do what a pattern says, and the plain loop that a bootstrap must agree with."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dspex.teleprompt.candidate import Candidate, DataName
from dspex.teleprompt.runner_protocol import Evaluation, ProgramFacts, Task, Traced, TraceRequest

Verdict = Literal["pass", "fail", "error"]
Pattern = Sequence[Sequence[Verdict]]
"""For each example of the training set, what its rounds come to."""

STUDENT = ProgramFacts(predictors=["first", "second"], signatures=["a -> b", "b -> c"])


def task(pattern: Pattern, **fields: Any) -> Task:
    return Task(**{"student": STUDENT, "train_rows": len(pattern), "max_errors": 10**6, **fields})


@dataclass
class PatternRunner:
    """Answers `trace` from a pattern and `evaluate` with fixed scores; `requests` are those made."""

    pattern: Pattern = ()
    scores: dict[str, float] = field(default_factory=dict)
    requests: list[TraceRequest] = field(default_factory=list)
    evaluated: list[tuple[str, Candidate]] = field(default_factory=list)

    async def trace(self, request: TraceRequest) -> Sequence[Traced]:
        self.requests.append(request)
        return [self._traced(index, request.rounds) for index in request.indices]

    async def evaluate(self, candidate: Candidate, data: DataName, *, path: str) -> Evaluation:
        self.evaluated.append((path, candidate))
        return Evaluation(path=path, data=data, rows=10, score=self.scores[path])

    def _traced(self, index: int, rounds: int) -> Traced:
        verdicts = list(self.pattern[index][:rounds])
        passed = "pass" in verdicts
        tried = verdicts[: verdicts.index("pass") + 1] if passed else verdicts
        errors = ["ValueError"] * tried.count("error")
        predictors = STUDENT.predictors if passed else []
        return Traced(index=index, passed=passed, predictors=predictors, attempts=len(tried), errors=errors)


@dataclass
class Sequentially:
    """One example after another, one round after another: what a bootstrap is, said in a loop."""

    passed: list[int] = field(default_factory=list)
    attempts: int = 0
    errors: int = 0
    gave_up: bool = False


def one_after_another(pattern: Pattern, *, demos: int, rounds: int, max_errors: int) -> Sequentially:
    result = Sequentially()
    for index, verdicts in enumerate(pattern):
        if len(result.passed) >= demos:
            break
        for verdict in verdicts[:rounds]:
            result.attempts += 1
            if verdict == "error":
                result.errors += 1
                if result.errors >= max_errors:
                    result.gave_up = True
                    return result
            if verdict == "pass":
                result.passed.append(index)
                break
    return result


def labels_beside(passed: Sequence[int], rows: int, room: int, predictors: int, seed: int = 0) -> list[list[int]]:
    """The labelled examples that each predictor gets beside its bootstrapped ones."""
    rest = [index for index in range(rows) if index not in passed]
    random.Random(seed).shuffle(rest)
    rng = random.Random(seed)
    return [rng.sample(rest, min(room, len(rest))) for _ in range(predictors)]
