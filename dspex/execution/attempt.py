"""Run a program on one example and score it: the unit that every evaluation and every optimizer is made of.

Infrastructure is not a wrong answer: trouble of the provider, the network or the disk is waited out and tried again,
and never becomes a score, not even when the program or the metric swallows the exception. A wrong set-up ends the run.
What is left is the program's own failure, which is reported with its error.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from dspex.bridge import run_sync
from dspex.clients.calls.scope import CallScope, Usage, call_scope, current_scope
from dspex.errors import FailureKind, classify
from dspex.execution.score import as_score
from dspex.settings import context, is_overridden

logger = logging.getLogger(__name__)

PROGRAM_ERRORS = (Exception, SystemExit)
"""What the user's code may raise and thereby tell about one example: anything but a cancellation or Ctrl-C."""

Trace = list[tuple[Any, dict[str, Any], Any]]
"""What the predictors did: (predictor, inputs, prediction), in order."""


class HasInputs(Protocol):
    """An example, as far as an attempt must know it."""

    def inputs(self) -> Any:
        """Its input fields, as a mapping; raises a UsageError where they are not marked."""
        ...


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait for infrastructure that fails, in seconds.

    Waits grow from `base` to `cap` by doubling, and are random in their upper half so that many waiters do not come
    back at once; where the provider asks for a longer wait, it gets it.

    Attributes:
        max_seconds: No new try begins later than this after the first.
        base: The longest first wait.
        cap: The longest wait of all, unless the provider asks for more.
    """

    max_seconds: float = 1200.0
    base: float = 1.0
    cap: float = 60.0

    def wait(self, tries: int, error: BaseException) -> float:
        """Return the seconds to wait before the next try.

        Args:
            tries: How many tries have failed, at least 1.
            error: The error of the last one; its `retry_after`, in seconds, is heeded if it has one.
        """
        longest = min(self.cap, self.base * 2.0 ** min(tries - 1, 30))
        asked: float = getattr(error, "retry_after", None) or 0.0
        return max(longest * random.uniform(0.5, 1.0), asked)


@dataclass(slots=True)
class Attempt:
    """What became of an example.

    Args:
        prediction: What the program returned; None if it failed.
        score: The number that the metric's value stands for; None without a metric, or after a failure.
        metric_value: What the metric returned.
        trace: What the predictors did, where that was asked for.
        error: Why the program or the metric failed.
        failure_kind: The kind of that error.
        usage: The LM calls of all tries together.
    """

    prediction: Any = None
    score: float | None = None
    metric_value: Any = None
    trace: Trace | None = None
    error: BaseException | None = None
    failure_kind: FailureKind | None = None
    usage: Usage = field(default_factory=Usage)


async def attempt(
    program: Any,
    example: HasInputs,
    metric: Callable[..., Any] | None = None,
    *,
    scope: CallScope,
    trace: bool = False,
    retry_policy: RetryPolicy = RetryPolicy(),
) -> Attempt:
    """Run `program` on the inputs of `example`, then `metric` on what came of it.

    Calls that were answered before a try failed are answered from the ledger in the next, so nothing is paid for twice.

    Args:
        program: A module, or any function of the example's input fields; synchronous or not.
        example: The example, with its input fields marked.
        metric: ``metric(example, prediction)`` or, with `trace`, ``metric(example, prediction, trace)``; synchronous
            or not. Without one `score` stays None.
        scope: Whose calls these are; its `usage` is added to.
        trace: Whether to record what the predictors do.
        retry_policy: How long to wait out trouble of the infrastructure.

    Raises:
        LMError, StoreError: the infrastructure failed for longer than `retry_policy`, or the set-up is wrong.
        BudgetExceededError: the run may not spend more.
        UsageError: the example does not say which fields are inputs.
    """
    example.inputs()  # raises now rather than as a failure of the program
    once = partial(attempt_once, program, example, metric, trace=trace)
    return await attempt_with_retries(once, scope=scope, retry_policy=retry_policy)


async def attempt_with_retries(
    once: Callable[[], Awaitable[Attempt]], *, scope: CallScope, retry_policy: RetryPolicy
) -> Attempt:
    """Repeat a try for as long as the infrastructure, and not the program, is what fails. See `attempt`.

    Args:
        once: Makes one try.
        scope: Counts the calls; each try begins it anew, so that calls already answered come from the ledger.
        retry_policy: How long to wait out trouble of the infrastructure.

    Returns:
        What the last try came to: a success, or a failure by the program's fault.

    Raises:
        LMError, StoreError: the infrastructure failed for longer than `retry_policy`, or the set-up is wrong.
    """
    started = asyncio.get_running_loop().time()
    tries = 0
    with call_scope(scope):
        while True:
            scope.failure, scope.uncached_calls = None, 0
            outcome = await once()
            outcome.usage = scope.usage
            failure = scope.failure or outcome.error
            if failure is None:
                return outcome
            outcome.failure_kind = classify(failure)
            if outcome.failure_kind is FailureKind.PROGRAM:
                return outcome
            tries += 1
            wait = retry_policy.wait(tries, failure)
            waited = asyncio.get_running_loop().time() - started
            if outcome.failure_kind is not FailureKind.INFRASTRUCTURE or waited + wait > retry_policy.max_seconds:
                raise failure
            logger.info("%s: %s. Trying again in %.1f s.", scope.path, describe(failure), wait)
            await asyncio.sleep(wait)


def scopes_for(step: str) -> Callable[[int], CallScope]:
    """Gives each example of a step its scope: one of its own or, inside a run, one within the current scope.

    Inside a run the places are derived from the enclosing one, so a repeated example finds its own answers again.
    """
    outer = current_scope()
    if outer is None:
        return lambda index: CallScope(path=f"{step}/{index}")
    place = f"{outer.next_uncached_key()}/{step}"
    return lambda index: CallScope(run_id=outer.run_id, path=f"{place}/{index}", program=outer.program)


async def attempt_once(
    program: Any, example: HasInputs, metric: Callable[..., Any] | None = None, *, trace: bool = False
) -> Attempt:
    """Run a program on an example, and the metric on its prediction, once. See `attempt`.

    Args:
        program: A module, or any function of the example's input fields; synchronous or not.
        example: The example, with its input fields marked.
        metric: Scores the prediction; None for no score.
        trace: Whether to record what the predictors do, and give it to the metric.

    Returns:
        What came of it; an error of the program is part of it, and not raised.
    """
    outcome = Attempt(trace=[] if trace else None)
    try:
        with _tracing(outcome.trace):
            outcome.prediction = await _call(program, dict(example.inputs().items()))
        if metric is not None:
            outcome.metric_value = await _measure(metric, example, outcome)
            outcome.score = 0.0 if trace and outcome.metric_value is None else as_score(outcome.metric_value)
    except PROGRAM_ERRORS as error:
        outcome.error = error
    return outcome


def _tracing(trace: Trace | None) -> AbstractContextManager[None]:
    """Have the predictors write to `trace`; without one, not to the process's own, which would hold on to them all."""
    return nullcontext() if trace is None and is_overridden("trace") else context(trace=trace)


async def _call(program: Any, inputs: dict[str, Any]) -> Any:
    if _is_awaited(program):
        return await program.acall(**inputs)
    return await _result(program, **inputs)


async def _measure(metric: Callable[..., Any], example: HasInputs, outcome: Attempt) -> Any:
    arguments = [example, outcome.prediction]
    if outcome.trace is not None and _takes_trace(metric):
        arguments.append(outcome.trace)
    if _is_awaited(metric):
        return await metric.acall(*arguments)  # type: ignore[attr-defined]
    return await _result(metric, *arguments)


def _is_awaited(callee: Any) -> bool:
    """Whether to call its asynchronous form.

    A stand-in of a test, such as a `MagicMock`, only seems to have one; and a subclass that overrides `__call__` alone,
    as synchronous programs may, wants to be called by that.
    """
    if not inspect.iscoroutinefunction(getattr(callee, "acall", None)):
        return False
    defined = (vars(cls).keys() & {"acall", "__call__"} for cls in type(callee).__mro__)
    return next((names for names in defined if names), None) != {"__call__"}


async def _result(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function of the user's, be it synchronous or not."""
    if inspect.iscoroutinefunction(function):
        return await function(*args, **kwargs)
    result = await run_sync(function, *args, **kwargs)
    return await result if inspect.isawaitable(result) else result


def _takes_trace(metric: Callable[..., Any]) -> bool:
    """Whether the metric has a third parameter; one that has not is called without the trace."""
    if _is_awaited(metric):
        return True
    try:
        inspect.signature(metric).bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return True


def describe(error: BaseException) -> str:
    """Describe an error in one line."""
    return f"{type(error).__name__}: {error}"
