"""Make the program that a candidate describes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from dspex.errors import UsageError
from dspex.teleprompt.candidate import Candidate, DataName, Demo, PredictorName, RowDemo
from dspex.teleprompt.runner_protocol import ProgramFacts

if TYPE_CHECKING:
    from dspex.primitives import Example, Module


class DemoSource(Protocol):
    """Looks up the demos that a candidate refers to."""

    async def rows(self, data: DataName, indices: Sequence[int]) -> Sequence[Example]:
        """Return labelled examples.

        Args:
            data: The data set's role.
            indices: Their indices; the order of the result.
        """
        ...

    async def traced(self, path: str, index: int) -> Mapping[PredictorName, dict[str, Any]]:
        """Return demos of a trace, by predictor.

        Args:
            path: The step that kept the trace.
            index: The example's index in the training set.
        """
        ...


def facts(program: Module) -> ProgramFacts:
    """What an optimizer needs to know of `program`."""
    named = program.named_predictors()
    return ProgramFacts(
        predictors=[name for name, _ in named],
        signatures=[predictor.signature.signature for _, predictor in named],
        compiled=bool(getattr(program, "_compiled", False)),
    )


async def materialize(candidate: Candidate, programs: Mapping[str, Module], demos: DemoSource) -> Module:
    """Make the program that a candidate describes.

    Args:
        candidate: The candidate.
        programs: The run's programs: ``student`` and, where there is one, ``teacher``. They are not changed.
        demos: Looks up the candidate's demos.

    Raises:
        UsageError: the candidate names a predictor that the program does not have.
    """
    base = programs[candidate.base]
    program = base.reset_copy() if candidate.fresh else base.deepcopy()
    predictors = dict(program.named_predictors())
    _refuse_unknown(candidate, predictors)
    for name, instructions in candidate.instructions.items():
        predictors[name].signature = predictors[name].signature.with_instructions(instructions)
    for name, references in candidate.demos.items():
        predictors[name].demos = await _resolve(name, references, demos)
    if candidate.compiled:
        program._compiled = True
    return program


async def _resolve(predictor: PredictorName, references: Sequence[Demo], source: DemoSource) -> list[Any]:
    from dspex.primitives import Example

    wanted: dict[DataName, list[int]] = {}
    for reference in references:
        if isinstance(reference, RowDemo):
            wanted.setdefault(reference.data, []).append(reference.index)
    rows = {data: dict(zip(indices, await source.rows(data, indices), strict=True)) for data, indices in wanted.items()}
    resolved: list[Any] = []
    for reference in references:
        if isinstance(reference, RowDemo):
            resolved.append(rows[reference.data][reference.index])
        else:
            traced = await source.traced(reference.path, reference.index)
            resolved.append(Example(traced[predictor]))
    return resolved


def without_demo(program: Module, example: Example) -> Module:
    """Take an example out of a program's demos, so that a teacher cannot copy the answer.

    Args:
        program: The program; not changed.
        example: The example.

    Returns:
        `program` itself if no demo equals the example, else a copy.
    """
    if all(demo != example for predictor in program.predictors() for demo in predictor.demos):
        return program
    copied = program.deepcopy()
    for predictor in copied.predictors():
        predictor.demos = [demo for demo in predictor.demos if demo != example]
    return copied


def demos_of_trace(
    program: Module, trace: Sequence[tuple[Any, Mapping[str, Any], Any]], *, place: str
) -> dict[PredictorName, dict[str, Any]]:
    """Make one demo for each predictor that was called in a trace.

    Of several calls of a predictor the last is taken with probability 1/2, otherwise one of the earlier ones. This is
    DSPy's rule; unlike DSPy's, the draw depends only on `place`, so that any process can repeat it.

    Args:
        program: The program that was traced.
        trace: Predictor, inputs and outputs of each call.
        place: The path of the example in the run.

    Returns:
        The demos, by predictor, as JSON that a prompt shows in the same words as the original values.
    """
    names = {id(predictor): name for name, predictor in program.named_predictors()}
    fired: dict[PredictorName, list[dict[str, Any]]] = {}
    for predictor, inputs, outputs in trace:
        name = names.get(id(predictor))
        if name is not None:
            fired.setdefault(name, []).append({"augmented": True, **inputs, **dict(outputs.items())})
    chosen = {name: _choose(demos, f"{place}/{name}") for name, demos in fired.items()}
    return {name: {field: _as_shown(value) for field, value in demo.items()} for name, demo in chosen.items()}


def _as_shown(value: Any) -> Any:
    from dspex.adapters.formatting import jsonable
    from dspex.store.jsonable import to_jsonable

    return to_jsonable(value) if isinstance(value, set | frozenset) else jsonable(value)  # sets in order


def _choose(demos: list[dict[str, Any]], place: str) -> dict[str, Any]:
    if len(demos) == 1:
        return demos[0]
    rng = random.Random(place)
    return rng.choice(demos[:-1]) if rng.random() < 0.5 else demos[-1]


def _refuse_unknown(candidate: Candidate, predictors: Mapping[PredictorName, Any]) -> None:
    unknown = sorted({*candidate.demos, *candidate.instructions} - set(predictors))
    if unknown:
        raise UsageError(
            f"The program has no predictor {', '.join(unknown)}. Predictors: {', '.join(predictors) or 'none'}. "
            "Has the program's code changed since the run began?"
        )
