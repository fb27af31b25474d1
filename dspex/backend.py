"""Where runs happen: in this process, on the workers of a Temporal server, or where a `Backend` of the user puts them.

Python (`Optimizer.compile`, `Evaluate`, `LM.finetune`) and the command line both go through `backend`. Backends are
found by name, as SQLAlchemy finds dialects: registered by `register_backend`, or named by an installed package as an
entry point of the group ``dspex.backends``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dspex.errors import UsageError
from dspex.settings import settings

if TYPE_CHECKING:
    from dspex.clients.base_lm import BaseLM
    from dspex.clients.cost.budget import Budget
    from dspex.store.records.outcome import Failure
    from dspex.store.records.run_summary import RunSummary
    from dspex.store.store import Store

P = TypeVar("P")

LOCAL = "local"
TEMPORAL = "temporal"

_GROUP = "dspex.backends"
_BUILT_IN = {
    LOCAL: "dspex.runner.local_backend:LocalBackend",
    TEMPORAL: "dspex.worker.temporal_backend:TemporalBackend",
}
"""The entry points of dspex itself, for a source checkout, which has none."""


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """Where to find what a backend needs. None: as settings, the environment or the defaults say.

    Args:
        store: URL of the database that keeps data, answers and records of runs.
        temporal: Address of the Temporal server, ``host:port``.
        namespace: Temporal namespace.
        task_queue: The queue that the run's workers poll.
    """

    store: str | None = None
    temporal: str | None = None
    namespace: str | None = None
    task_queue: str | None = None


class RunCode(Protocol):
    """The code of a run, both as objects of this process and by the names that workers find it by.

    `ref` and `teacher` are `dspex.runner.references.ProgramRef`s; `modules` are those that a worker must have imported.
    """

    @property
    def ref(self) -> Any: ...
    @property
    def program(self) -> Any: ...
    @property
    def teacher(self) -> Any | None: ...
    @property
    def metric(self) -> Callable[..., Any] | None: ...
    @property
    def metric_name(self) -> str | None: ...
    @property
    def imports(self) -> Any: ...
    @property
    def modules(self) -> Sequence[str]: ...


class RowSource(Protocol):
    """The data of a run: all of it in memory, or streamed into the store."""

    def examples(self) -> Sequence[Any]:
        """The rows as `dspex.Example`s with their input fields marked."""
        ...

    async def put(self, store: Store) -> Any:
        """Put the rows into `store`, in constant memory; returns their `DatasetRef`."""
        ...


@dataclass(frozen=True)
class OptimizationRequest:
    """An optimization to run.

    Args:
        code: Program, teacher and metric.
        optimizer: The `Optimizer`.
        trainset: Examples to learn from.
        valset: Examples to score the program on, before and after.
        lm: The LM of program and metric.
        run_id: The run's name; a new one unless given.
        budget: What the run may spend at most.
    """

    code: RunCode
    optimizer: Any
    trainset: RowSource
    lm: BaseLM
    valset: RowSource | None = None
    run_id: str | None = None
    budget: Budget | None = None


@dataclass(frozen=True)
class EvaluationRequest:
    """An evaluation to run.

    Args:
        code: Program and metric.
        devset: Examples to run the program on.
        lm: The LM of program and metric.
        run_id: The run's name; a new one unless given.
        budget: What the run may spend at most.
        batch: Whether calls go through the provider's batch API.
    """

    code: RunCode
    devset: RowSource
    lm: BaseLM
    run_id: str | None = None
    budget: Budget | None = None
    batch: bool = False


@dataclass(frozen=True)
class RunProgress:
    """A run at one moment: what it does (`title`), how many of how many rows are done, what is known so far (`note`).

    `total` is 0 where no rows are counted.
    """

    title: str
    done: int = 0
    total: int = 0
    note: str = ""


class RunObserver(Protocol):
    """Shows people how a run does. Called on dspex's event loop, so it must return at once."""

    def show(self, progress: RunProgress) -> None:
        """Note that the run is now at this step."""

    def say(self, message: str) -> None:
        """Something that is to stay in view: why the run waits, for example."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Args:
        summary: Its numbers.
        document: The program it found as a JSON document; None for an evaluation.
        failures: The first examples on which the program failed.
    """

    summary: RunSummary
    document: dict[str, Any] | None = None
    failures: Sequence[Failure] = ()


class BackendRun(Protocol):
    """A run that was started, or attached to."""

    @property
    def id(self) -> str: ...

    @property
    def state(self) -> str:
        """What to say after the run's id: ``", in this process"``, or that it was there already."""
        ...

    async def outcome(self, observer: RunObserver) -> RunOutcome:
        """Do the run, or follow it, to its end. First says the run's id and state.

        Raises:
            DSPyError: the run failed, or what it needs stayed away.
        """
        ...

    async def interrupt(self, observer: RunObserver) -> None:
        """The user leaves (Ctrl-C): lose nothing that is paid for, and say what becomes of the run."""
        ...


class Backend(Protocol):
    """Runs optimizations, evaluations and fine-tunings. All but `finetune` are awaited on dspex's event loop."""

    async def compile(
        self,
        optimizer: Any,
        student: P,
        *,
        trainset: Sequence[Any],
        teacher: Any | None = None,
        valset: Sequence[Any] | None = None,
        budget: Budget | None = None,
    ) -> P:
        """Optimize a program: what `Optimizer.compile` does.

        Args:
            optimizer: The optimizer, with its settings.
            student: The program to optimize; it is not changed.
            trainset: The examples to learn from.
            teacher: The program whose answers serve as demos; the student by default.
            valset: The examples to choose the best candidate by; the optimizer's own choice by default.
            budget: What the run may spend; None for no limit.

        Returns:
            The optimized program.
        """
        ...

    async def evaluate(self, program: Any, evaluation: Any) -> None:
        """Run a program on many examples: what `Evaluate` does with live objects.

        Args:
            program: The program.
            evaluation: The `dspex.evaluate.running.LiveEvaluation` that holds the examples and collects the results.
        """
        ...

    async def estimate(
        self,
        optimizer: Any,
        student: Any,
        *,
        trainset: Sequence[Any],
        teacher: Any | None = None,
        valset: Sequence[Any] | None = None,
        score: bool = True,
    ) -> Any:
        """Estimate what `compile` would cost at most: what `Optimizer.estimate` does. No LM call is made.

        Args:
            optimizer: The optimizer, with its settings.
            student: The program to optimize.
            trainset: The examples to learn from.
            teacher: As for `compile`.
            valset: As for `compile`.
            score: Whether to include scoring the program before and after.

        Returns:
            A `dspex.runner.estimate.Estimate`.

        Raises:
            UsageError: bad input, or the optimizer cannot say what it will ask for.
        """
        ...

    def finetune(self, request: Any, data: list[dict[str, Any]]) -> Any:
        """Make the task that fine-tunes a model; nothing happens before its `run`.

        Args:
            request: The `FinetuneRequest`.
            data: The training rows, in the format that the request names.

        Returns:
            A `dspex.finetuning.task.TrainingTask`.
        """
        ...

    async def start_optimization(self, request: OptimizationRequest) -> BackendRun:
        """Check what the run needs and start it, or attach to the run of this id.

        Raises:
            UsageError: bad input, or another run has this id. Nothing was started.
        """
        ...

    async def start_evaluation(self, request: EvaluationRequest) -> BackendRun:
        """Start an evaluation, or attach to it, as `start_optimization` does an optimization."""
        ...


BackendFactory = Callable[[BackendOptions], Backend]

_registered: dict[str, BackendFactory] = {}


def register_backend(name: str, factory: BackendFactory) -> None:
    """Make a backend known by a name, in place of any other of that name.

    Args:
        name: The name to ask `backend` for.
        factory: Makes the backend from `BackendOptions`.
    """
    _registered[name] = factory


def backend(name: str | None = None, options: BackendOptions | None = None) -> Backend:
    """Make the backend of a name.

    Args:
        name: Such as ``local``; by default ``temporal`` where `settings.temporal` is set, else ``local``.
        options: What the user has chosen for it.

    Raises:
        UsageError: no backend has this name.
    """
    chosen = name or (TEMPORAL if settings.temporal else LOCAL)
    factory = _registered.get(chosen) or _find(chosen)
    return factory(options or BackendOptions())


@cache
def _find(name: str) -> BackendFactory:
    for entry_point in entry_points(group=_GROUP, name=name):
        found: BackendFactory = entry_point.load()
        return found
    if name not in _BUILT_IN:
        raise UsageError(f"There is no backend {name!r}. Backends: {', '.join(_names())}.")
    module, _, attribute = _BUILT_IN[name].partition(":")
    built_in: BackendFactory = getattr(import_module(module), attribute)
    return built_in


def _names() -> list[str]:
    return sorted({*_BUILT_IN, *_registered, *entry_points(group=_GROUP).names})
