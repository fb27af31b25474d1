"""Work through the rows of a chunk, and keep what becomes of each as it comes."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from dspex.clients.calls.scope import Usage
from dspex.execution.pool import run_concurrently
from dspex.execution.score import ExactSum
from dspex.primitives import Example, Module
from dspex.runner.examples import ExampleStep
from dspex.settings import context
from dspex.store.records.outcome import Outcome
from dspex.teleprompt.candidate import Candidate, DataName
from dspex_activities.run_cache import RunContext

Work = Callable[[Module, int, Example, ExampleStep], Coroutine[Any, Any, tuple[Outcome, Usage]]]
Job = Callable[[], Coroutine[Any, Any, tuple[Outcome, Usage]]]

_KEEP_EVERY_S = 0.5


class ChunkRows:
    """The rows of one chunk. What an earlier attempt finished is in the store and is not run again."""

    def __init__(
        self, run: RunContext, first_execution_id: str, path: str, data: DataName, indices: Sequence[int]
    ) -> None:
        self._run = run
        self._first_execution_id = first_execution_id
        self._key = run.outcomes_key(first_execution_id)
        self._path = path
        self._data = data
        self._indices = indices
        self._waiting: list[Outcome] = []
        self._kept_at = time.monotonic()
        self.outcomes: dict[int, Outcome] = {}
        self.usage = Usage()

    @property
    def finished(self) -> int:
        """How many rows are done: what heartbeats carry."""
        return len(self.outcomes)

    def scored(self, failure_score: float) -> tuple[ExactSum, int]:
        """The sum of the scores, with `failure_score` for each row that failed, and how many did."""
        scores = [outcome.score for outcome in self.outcomes.values()]
        return ExactSum.of(failure_score if score is None else score for score in scores), scores.count(None)

    async def work_through(self, candidate: Candidate, work: Work, step: ExampleStep) -> None:
        """Do `work` for each row that has no outcome yet."""
        store = self._run.store
        self.outcomes = {each.index: each for each in await store.outcomes.at(self._key, self._path, self._indices)}
        missing = [index for index in self._indices if index not in self.outcomes]
        if missing:
            program = await self._run.program(candidate, self._first_execution_id)
            examples = await self._run.examples(self._data, missing)
            jobs = (partial(work, program, i, example, step) for i, example in zip(missing, examples, strict=True))
            with context(**self._run.settings):
                await self._run_all(jobs)

    async def _run_all(self, jobs: Iterable[Job]) -> None:
        try:
            async with aclosing(self._results(jobs)) as results:
                async for outcome, used in results:
                    self.outcomes[outcome.index] = outcome
                    self.usage.add(used)
                    self._waiting.append(outcome)
                    if time.monotonic() - self._kept_at >= _KEEP_EVERY_S:
                        await self._keep()
        finally:
            await self._keep()

    def _results(self, jobs: Iterable[Job]) -> AsyncGenerator[tuple[Outcome, Usage], None]:
        return run_concurrently(jobs, self._run.spec.concurrency)

    async def _keep(self) -> None:
        """Write outcomes down, some at a time: those that a kill loses cost no call, as the ledger has the answers."""
        batch, self._waiting = self._waiting, []
        await self._run.store.outcomes.put(self._key, self._path, batch)
        self._kept_at = time.monotonic()
