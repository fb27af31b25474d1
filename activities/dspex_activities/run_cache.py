"""What an activity needs of a run, loaded once a process: its programs, metric, LM and data."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from dspex.clients import LM
from dspex.errors import NotInStoreError, UsageError
from dspex.primitives import Example, Module
from dspex.runner.examples import Metric
from dspex.runner.imports import AllowedModules
from dspex.runner.materialize import materialize
from dspex.runner.references import build, resolve_adapter, resolve_metric
from dspex.store import Store
from dspex.store.records.outcome import Outcome
from dspex.teleprompt.candidate import Candidate, DataName, PredictorName
from dspex.temporal.contracts.optimize import RunSpec

_RUNS_KEPT = 32
_CANDIDATES_KEPT = 64

K = TypeVar("K")
V = TypeVar("V")


class RunCache:
    """The store and the imported code of one worker process."""

    def __init__(self, store: Store, imports: AllowedModules) -> None:
        self.store = store
        self._imports = imports
        self._runs: _Kept[str, RunContext] = _Kept(_RUNS_KEPT)

    async def run(self, spec: str) -> RunContext:
        """The run whose spec is kept under this hash.

        Raises:
            ProgramNotAvailableError: this process has not imported its code.
            UsageError: its code or settings cannot work.
            NotInStoreError: this process's store is not the run's.
        """
        return await self._runs.get(spec, lambda: self._load(spec))

    async def _load(self, sha: str) -> RunContext:
        spec = RunSpec.model_validate(await self.store.programs.get(sha))
        programs = {"student": build(spec.student, self._imports)}
        if spec.teacher is not None:
            programs["teacher"] = build(spec.teacher, self._imports)
        return RunContext(
            spec=spec,
            store=self.store,
            programs=programs,
            metric=resolve_metric(spec.metric, self._imports) if spec.metric else None,
            settings={**self._own_settings(), **_settings(spec.lm, spec, self._imports)},
            teacher_settings=_settings(spec.teacher_lm, spec, self._imports),
        )

    def _own_settings(self) -> dict[str, Any]:
        """Settings for all runs: answers go to this store, and no history of calls is kept."""
        return {"store": self.store.url, "disable_history": True}


class RunContext:
    """A run's code and data, ready to work with. The source of its demos, too."""

    def __init__(
        self,
        *,
        spec: RunSpec,
        store: Store,
        programs: Mapping[str, Module],
        metric: Metric | None,
        settings: Mapping[str, Any],
        teacher_settings: Mapping[str, Any],
    ) -> None:
        self.spec = spec
        self.store = store
        self.programs = programs
        self.metric = metric
        self.settings = settings
        self.teacher_settings = teacher_settings
        self._candidates: _Kept[str, Module] = _Kept(_CANDIDATES_KEPT)

    async def program(self, candidate: Candidate, first_execution_id: str) -> Module:
        """The program that `candidate` describes, in the run's start `first_execution_id`."""
        source = StoredDemos(self, first_execution_id)
        key = first_execution_id + candidate.model_dump_json()
        return await self._candidates.get(key, lambda: materialize(candidate, self.programs, source))

    async def examples(self, data: DataName, indices: Sequence[int]) -> list[Example]:
        """Examples of the run's data, in the order asked for."""
        ref = self.spec.data.get(data)
        if ref is None:
            raise UsageError(f"The run {self.spec.run_id!r} has no {data} set.")
        rows = await self.store.datasets.rows_at(ref.sha, indices)
        return [Example(**row).with_inputs(*(ref.inputs or ())) for row in rows]

    def outcomes_key(self, first_execution_id: str) -> str:
        """The name under which this start of the run keeps outcomes."""
        return f"{self.spec.run_id}@{first_execution_id}"


class StoredDemos:
    """Demos out of the store (`dspex.runner.materialize.DemoSource`)."""

    def __init__(self, run: RunContext, first_execution_id: str) -> None:
        self._run = run
        self._key = run.outcomes_key(first_execution_id)

    async def rows(self, data: DataName, indices: Sequence[int]) -> Sequence[Example]:
        return await self._run.examples(data, indices)

    async def traced(self, path: str, index: int) -> Mapping[PredictorName, dict[str, Any]]:
        found: list[Outcome] = await self._run.store.outcomes.at(self._key, path, [index])
        if not found or found[0].demos is None:
            raise NotInStoreError(
                f"The store {self._run.store.shown_url} has no trace of example {index} of step {path}. "
                "All hosts of a run share one store: set DSPEX_STORE to the same URL everywhere."
            )
        return found[0].demos


def _settings(lm: dict[str, Any] | None, spec: RunSpec, imports: AllowedModules) -> dict[str, Any]:
    settings: dict[str, Any] = {"prices": spec.prices}
    if lm is not None:
        settings["lm"] = LM.load_state(lm)
    if spec.adapter is not None:
        settings["adapter"] = resolve_adapter(spec.adapter, imports)
    return settings


class _Kept(Generic[K, V]):
    """The values made last. A value asked for by many at once is made once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = asyncio.Lock()

    async def get(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        async with self._lock:
            if key not in self._values:
                self._values[key] = await make()
                while len(self._values) > self._most:
                    self._values.popitem(last=False)
            self._values.move_to_end(key)
            return self._values[key]
