"""What an optimization would cost at most, before it starts and without an LM call.

The prompts of the run's own data are rendered by the adapter, and each is taken at its upper bound: as many tokens as
it has bytes, an answer as long as `max_tokens` allows, every answer unreadable so that it is asked for again. So
a real run comes to less, mostly to a good deal less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from dspex.errors import LMNotConfiguredError, UsageError
from dspex.runner.materialize import facts
from dspex.runner.prompt_recorder import PromptRecorder, RecordedPrompt, asked
from dspex.settings import settings
from dspex.store.jsonable import to_jsonable
from dspex.teleprompt.cost_plan import CostPlan, PlannedRuns
from dspex.teleprompt.runner_protocol import Task

if TYPE_CHECKING:
    from dspex.primitives import Example, Module
    from dspex.teleprompt.optimizer import Optimizer

_TURNS = ("max_iters", "max_iterations")
"""What modules call the number of turns that they take in one run."""

_NOT_COUNTED = "calls of the metric, and of predictors that the program makes while it runs, are not counted"


@dataclass(frozen=True, slots=True)
class StepCost:
    """A step's upper bounds.

    Attributes:
        step: The step's name.
        runs: Runs of the program.
        calls: LM calls, if every answer can be read the first time.
        most_calls: LM calls at most.
        most_prompt_tokens: Tokens sent by these at most.
        most_completion_tokens: Tokens received by these at most.
        most_usd: US dollars at most; None where a price is not known.
    """

    step: str
    runs: int
    calls: int
    most_calls: int
    most_prompt_tokens: int
    most_completion_tokens: int
    most_usd: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The upper bounds of a run, by step and in all. `notes` say what could not be counted."""

    steps: Sequence[StepCost]
    notes: Sequence[str] = ()
    calls: int = field(init=False)
    most_calls: int = field(init=False)
    most_prompt_tokens: int = field(init=False)
    most_completion_tokens: int = field(init=False)
    most_usd: float | None = field(init=False)

    def __post_init__(self) -> None:
        for name in ("calls", "most_calls", "most_prompt_tokens", "most_completion_tokens"):
            object.__setattr__(self, name, sum(getattr(step, name) for step in self.steps))
        prices = [step.most_usd for step in self.steps]
        total = None if None in prices else round(sum(price or 0.0 for price in prices), 10)
        object.__setattr__(self, "most_usd", total)


async def estimate(
    optimizer: Optimizer[Any],
    student: Module,
    *,
    trainset: Sequence[Example],
    valset: Sequence[Example] | None = None,
    teacher: Module | None = None,
    score: bool = True,
) -> Estimate:
    """Compute what an optimization would cost at most, without an LM call.

    Calls that the ledger would answer are not subtracted; calls of the metric are not counted.

    Args:
        optimizer: The optimizer.
        student: The program to optimize.
        trainset: Examples with their input fields marked.
        valset: Examples to score the program on.
        teacher: Another program of the same structure to learn from.
        score: Whether the program is scored on the `valset` before and after.

    Raises:
        UsageError: bad input, or the optimizer cannot say what it will ask for.
        LMNotConfiguredError: there is no LM whose prices to use.
    """
    programs = {"student": student, "teacher": teacher or student}
    data = {"train": trainset, "val": valset or ()}
    task = Task(
        student=facts(student),
        teacher=facts(teacher) if teacher is not None else None,
        train_rows=len(trainset),
        val_rows=len(valset or ()),
        max_errors=settings.max_errors,
    )
    optimizer.start(task)  # refuses what it cannot do
    plan = optimizer.cost_plan(task)
    prompts = _Prompts(optimizer)
    steps = [
        await prompts.cost(runs, programs[runs.base], data[runs.data], trainset)
        for runs in _with_scores(plan, task.val_rows if score else 0)
    ]
    return Estimate([step for step in steps if step.runs], sorted(prompts.notes))


def _with_scores(plan: CostPlan, val_rows: int) -> Iterator[PlannedRuns]:
    yield PlannedRuns("baseline", "val", val_rows)
    yield from plan.steps
    yield PlannedRuns("final", "val", val_rows, demos=plan.demos, traces=plan.traces)


class _Prompts:
    """Measures prompts."""

    def __init__(self, optimizer: Optimizer[Any]) -> None:
        self._teacher_lm = optimizer.teacher_settings.get("lm")
        self.notes: set[str] = {_NOT_COUNTED}

    async def cost(
        self, runs: PlannedRuns, program: Module, examples: Sequence[Example], trainset: Sequence[Example]
    ) -> StepCost:
        """What `runs` comes to."""
        named = program.named_predictors()
        times = _times(program)
        row_bytes = max((_size(example) for example in trainset), default=0) if runs.demos or runs.traces else 0
        sums = [0, 0, 0, 0]
        usd: float | None = 0.0
        rows = min(runs.rows, len(examples))
        for path, predictor in named:
            lm = self._lm(predictor, runs)
            demos = self._demos(runs, predictor, lm, row_bytes)
            turns = times.get(path, 1)
            for example in examples[:rows]:
                requests, unknown = await self._requests(path, predictor, lm, example)
                for each in requests:
                    completion = each.meter.longest(each.body)
                    said = (turns - 1) * completion  # in its earlier turns
                    most = each.meter.most(each.body, demos + unknown + each.more + said)
                    count = turns * runs.rounds
                    sums[0] += count if each.usual else 0
                    sums[1] += count
                    sums[2] += count * (most.tokens - completion)
                    sums[3] += count * completion
                    usd = None if usd is None or most.usd is None else usd + count * most.usd
            if turns > 1:
                self.notes.add(f"{path}: asked up to {turns} times a run; what its tools return is not counted")
        most_usd = None if usd is None else round(usd, 10)
        return StepCost(runs.step, rows * runs.rounds, sums[0], sums[1], sums[2], sums[3], most_usd)

    def _lm(self, predictor: Any, runs: PlannedRuns) -> Any:
        traced = self._teacher_lm if runs.step not in ("baseline", "final") else None
        lm = predictor.lm or traced or settings.lm
        if lm is None:
            raise LMNotConfiguredError("No LM to reckon with. Set one: dspex.configure(lm=...), or --lm.")
        return lm

    async def _requests(self, path: str, predictor: Any, lm: Any, example: Example) -> tuple[list[RecordedPrompt], int]:
        """The requests about one example, and the tokens of inputs that other predictors will bring."""
        given = {name: example[name] for name in predictor.signature.input_fields if name in example}
        missing = [name for name in predictor.signature.input_fields if name not in given]
        try:
            requests = await asked(predictor, lm, {**given, **dict.fromkeys(missing, "")})
        except Exception as error:
            raise UsageError(
                f"What the predictor {path} costs cannot be estimated: its prompt cannot be rendered for an example "
                f"alone ({type(error).__name__}: {error})."
            ) from error
        return requests, len(missing) * requests[0].meter.longest() if requests else 0

    def _demos(self, runs: PlannedRuns, predictor: Any, lm: Any, row_bytes: int) -> int:
        """The most tokens of the demos that the step may put into the predictor's prompt."""
        fields = len(predictor.signature.input_fields) + len(predictor.signature.output_fields)
        shown = row_bytes + fields * _AROUND_A_FIELD
        return runs.demos * shown + runs.traces * (shown + PromptRecorder(lm).longest())


_AROUND_A_FIELD = 120
"""Bytes that a demo has for a field besides its value: its header, or a remark that the value is not given."""


def _size(example: Example) -> int:
    return len(orjson.dumps(to_jsonable(dict(example.items())), option=orjson.OPT_NON_STR_KEYS | orjson.OPT_INDENT_2))


def _times(program: Module) -> dict[str, int]:
    """How often each predictor may be asked in one run: modules that try again, or take turns, say so."""
    times: dict[str, int] = {}
    parts = [(name.removeprefix("self").removeprefix("."), _turns(part)) for name, part in program.named_sub_modules()]
    for path, _ in program.named_predictors():
        above = [
            turns for name, turns in parts if not name or path == name or path.startswith((f"{name}.", f"{name}["))
        ]
        times[path] = math.prod(above)
    return times


def _turns(module: Module) -> int:
    tries = getattr(module, "N", None)
    if type(tries) is int and tries > 0:
        return tries
    counts = [getattr(module, name, None) for name in _TURNS]
    most = max((count for count in counts if type(count) is int), default=0)
    return most + 1 if most > 0 else 1  # and once to put the result together
