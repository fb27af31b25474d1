"""Describe a run so that any worker can do it: code by name, data by hash, keys by the name of their variable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dspex.clients.cost.pricing import checked_prices
from dspex.errors import LMNotConfiguredError, UsageError
from dspex.runner.optimize import refuse_unusable
from dspex.runner.references import ProgramRef, adapter_name, metric_name, reference
from dspex.settings import settings
from dspex.store.records.dataset import DatasetRef
from dspex.teleprompt.optimizer import Optimizer
from dspex.teleprompt.registry import OPTIMIZERS
from dspex.temporal.contracts.optimize import OptimizerSpec, RunSpec

if TYPE_CHECKING:
    from dspex.clients import BaseLM
    from dspex.primitives import Example, Module
    from dspex.store import Store

Data = Sequence["Example"] | DatasetRef


def program_ref(program: Module | ProgramRef) -> ProgramRef:
    """Return a reference by which workers find the program.

    Raises:
        UsageError: workers could not make it; the message says how to change that.
    """
    return program if isinstance(program, ProgramRef) else reference(program)


async def dataset_ref(store: Store, data: Data, role: str) -> DatasetRef:
    """Return the address of the data in the store; put them there if they are not there yet.

    Args:
        store: The store.
        data: Examples, or an address.
        role: What they are for, in the error.

    Raises:
        UsageError: there are no examples, or their input fields are not marked.
    """
    if isinstance(data, DatasetRef):
        return data
    refuse_unusable(data, role)
    return await store.datasets.put((example.toDict() for example in data), sorted(data[0]._input_keys or ()))


def lm_state(lm: BaseLM | None, role: str = "the program") -> dict[str, Any]:
    """Return the LM as JSON, without its key.

    Args:
        lm: The LM.
        role: What it is for, in the error.

    Raises:
        LMNotConfiguredError: there is none.
        UsageError: its key is in its arguments, or its class is the user's.
    """
    if lm is None:
        raise LMNotConfiguredError(f'No LM for {role}. Set one: dspex.configure(lm=dspex.LM("openai/gpt-4o-mini")).')
    from dspex.clients import LM

    if type(lm) is not LM:
        raise UsageError(
            f"A durable run cannot carry a {type(lm).__name__}: workers make their LMs from settings. Use LM."
        )
    if lm.api_key is not None:
        raise UsageError(
            "A durable run never carries a key: the LM of this one has its key in `api_key`. Put the key into an "
            'environment variable of the workers and name that: dspex.LM(..., api_key_env="MY_KEY").'
        )
    state: dict[str, Any] = lm.dump_state()
    return state


def optimizer_spec(optimizer: Optimizer[Any]) -> OptimizerSpec:
    """The optimizer by name, with its arguments as data."""
    if OPTIMIZERS.get(optimizer.name) is not type(optimizer):
        raise UsageError(f"A durable run cannot name the optimizer {type(optimizer).__name__}: workers do not have it.")
    return OptimizerSpec(name=optimizer.name, arguments=optimizer.arguments())


def optional_metric(metric: Callable[..., Any] | str | None) -> str | None:
    """The metric by name."""
    return metric if metric is None or isinstance(metric, str) else metric_name(metric)


def teacher_lm(optimizer: Optimizer[Any]) -> dict[str, Any] | None:
    """The LM of the teacher's runs, where it has one of its own."""
    own: Mapping[str, Any] = optimizer.teacher_settings
    unknown = sorted(set(own) - {"lm"})
    if unknown:
        raise UsageError(f"A durable run cannot carry the teacher's settings {', '.join(unknown)}: only `lm`.")
    return lm_state(own["lm"], "the teacher") if own.get("lm") is not None else None


def empty_spec(student: ProgramRef, lm: BaseLM | None) -> RunSpec:
    """Make a spec with the current settings (LM, adapter, failures allowed), without an id and data.

    Args:
        student: The program.
        lm: Its LM; by default ``settings.lm``.

    Raises:
        LMNotConfiguredError: there is no LM.
        UsageError: workers could not make the LM or the adapter.
    """
    return RunSpec(
        run_id="",
        student=student,
        lm=lm_state(lm or settings.lm),
        adapter=None if settings.adapter is None else adapter_name(settings.adapter),
        max_errors=settings.max_errors,
        concurrency=settings.num_threads,
        prices=checked_prices(settings.prices),
    )


async def optimization_spec(
    store: Store,
    student: ProgramRef,
    optimizer: Optimizer[Any] | OptimizerSpec,
    trainset: Data,
    valset: Data | None,
    *,
    teacher: Module | ProgramRef | None = None,
    metric: Callable[..., Any] | str | None = None,
    lm: BaseLM | None = None,
) -> RunSpec:
    """A spec without an id of an optimization; its data are put into `store`.

    Args:
        store: Where the run's workers find the data.
        student: The program to optimize.
        optimizer: The optimizer, or its name and arguments.
        trainset: Examples to learn from, or their address in the store.
        valset: Examples to score on, or their address.
        teacher: Another program of the same structure to learn from.
        metric: What scores the program; by default the optimizer's.
        lm: The LM; by default `settings.lm`.

    Raises:
        UsageError: something cannot be described to other processes, or there is no metric to score with.
    """
    live = optimizer if isinstance(optimizer, Optimizer) else None
    spec = empty_spec(student, lm)
    spec.optimizer = optimizer_spec(optimizer) if isinstance(optimizer, Optimizer) else optimizer
    spec.teacher = program_ref(teacher) if teacher is not None else None
    spec.metric = optional_metric(metric if metric is not None else live.metric if live else None)
    spec.teacher_lm = teacher_lm(live) if live else None
    if valset is not None and spec.metric is None:
        raise UsageError("A validation set needs a metric to score the program with.")
    spec.data["train"] = await dataset_ref(store, trainset, "training")
    if valset is not None:
        spec.data["val"] = await dataset_ref(store, valset, "validation")
    return spec


def spec_document(spec: RunSpec) -> dict[str, Any]:
    """The spec as it is kept. What an older dspex does not know of is left out where it says nothing, so that a run
    which that started is the same run."""
    document = spec.model_dump(mode="json")
    if document["prices"] is None:
        del document["prices"]
    return document
