"""What `BestOfN` and `Refine` have in common: copies of a program that sample anew, and the best of what they gave."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from dspex.clients import BaseLM
from dspex.errors import FailureKind, LMNotConfiguredError, UsageError, classify
from dspex.primitives.module import Module
from dspex.primitives.prediction import Prediction
from dspex.settings import settings

logger = logging.getLogger("dspex.predict")

Trace = list[tuple[Any, dict[str, Any], Prediction]]
RewardFunction = Callable[[dict[str, Any], Prediction], float]


class Attempts:
    """The attempts of one call: the best so far, and how many failed.

    Args:
        owner: The module that makes them, for messages.
        fail_count: How many may fail.
    """

    def __init__(self, owner: Module, fail_count: int) -> None:
        self.owner = type(owner).__name__
        self.fail_count = fail_count
        self.failures = 0
        self.best: Prediction | None = None
        self.best_trace: Trace = []
        self.best_reward: Any = -float("inf")

    def note(self, prediction: Prediction, trace: Trace, reward: Any) -> None:
        """Keep a prediction if it is better than those before it.

        Args:
            prediction: What the attempt returned.
            trace: Its trace, in terms of the module's own predictors.
            reward: Its reward, a number.

        Raises:
            UsageError: the reward is None.
        """
        if reward is None or not reward > self.best_reward:
            if reward is None:
                raise UsageError(f"{self.owner}: reward_fn returned None; it must return a number.")
            return
        self.best, self.best_trace, self.best_reward = prediction, trace, reward

    def failed(self, number: int, rollout: Any, error: Exception, last: bool) -> None:
        """Count a failed attempt, and raise its error where there is no point in going on.

        That is: too many attempts have failed, the set-up is wrong so that no other can do better, or none is left.

        Args:
            number: Which attempt it was, from 1.
            rollout: Its rollout id, for the log.
            error: Why it failed.
            last: Whether no attempt is left.

        Raises:
            Exception: `error`.
        """
        logger.warning("%s: Attempt %d failed with rollout id %s: %s", self.owner, number, rollout, error)
        self.failures += 1
        nothing_to_return = last and self.best is None
        if self.failures > self.fail_count or nothing_to_return or classify(error) is FailureKind.SETUP:
            raise error

    def result(self) -> Prediction | None:
        """The best prediction; its trace is added to the caller's."""
        if settings.trace is not None:
            settings.trace.extend(self.best_trace)
        return self.best


def as_of(module: Module, program: Module, trace: Trace) -> Trace:
    """Express the trace of a copy in terms of the predictors of the original, which optimizers know.

    Args:
        module: The original.
        program: The copy that ran.
        trace: The copy's trace: (predictor, inputs, outputs) for each call.
    """
    own = dict(module.named_predictors())
    original = {id(predictor): own.get(name, predictor) for name, predictor in program.named_predictors()}
    return [(original.get(id(predictor), predictor), inputs, outputs) for predictor, inputs, outputs in trace]


def sampling_copy(module: Module, attempt: int, owner: Module) -> tuple[Module, Any]:
    """Copy `module` for one attempt; the copy's LMs sample at temperature 1.0, each under a rollout id of its own.

    Args:
        module: The module to try.
        attempt: The number of the attempt, from 0; it is added to the rollout id of each LM.
        owner: The module that makes the attempts, for errors.

    Returns:
        The copy, and the rollout id of its (first) LM.

    Raises:
        LMNotConfiguredError: a predictor has no LM.
    """
    program = module.deepcopy()
    sampling: dict[int, Any] = {}
    for name, predictor in program.named_predictors():
        lm = predictor.lm or settings.lm
        if not isinstance(lm, BaseLM):
            raise LMNotConfiguredError(
                f"{type(owner).__name__}: the predictor {name!r} has no LM to sample from. Configure one, e.g. "
                'dspex.configure(lm=dspex.LM("openai/gpt-4o-mini")).'
            )
        if id(lm) not in sampling:
            rollout = (lm.kwargs.get("rollout_id") or 0) + attempt
            sampling[id(lm)] = lm.copy(rollout_id=rollout, temperature=1.0)
        predictor.lm = sampling[id(lm)]
    return program, next((lm.kwargs.get("rollout_id") for lm in sampling.values()), attempt)


def check_arguments(
    owner: Module, module: Any, count: Any, reward_fn: Any, threshold: Any, fail_count: Any
) -> tuple[RewardFunction, int]:
    """Check the arguments that `BestOfN` and `Refine` share.

    Args:
        owner: The module under construction, for errors.
        module: The module to run.
        count: The most attempts.
        reward_fn: Rates a prediction: a function of the inputs (a dict) and the prediction.
        threshold: The reward that is good enough; None for none.
        fail_count: How many attempts may fail; None for as many as there are.

    Returns:
        The reward function, hidden from `Module.named_parameters` should it be a module itself, and the fail count.

    Raises:
        UsageError: naming the argument that is wrong.
    """
    where = type(owner).__name__
    if not isinstance(module, Module):
        raise UsageError(f"{where}: module={module!r} is not a dspex.Module.")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise UsageError(f"{where}: N={count!r} is not a number of attempts, one or more.")
    if not callable(reward_fn):
        raise UsageError(f"{where}: reward_fn={reward_fn!r} is not a function of (inputs, prediction).")
    if threshold is not None and not isinstance(threshold, int | float) and not hasattr(threshold, "__float__"):
        raise UsageError(f"{where}: threshold={threshold!r} is not a number.")
    if fail_count is not None and (not isinstance(fail_count, int) or fail_count < 0):
        raise UsageError(f"{where}: fail_count={fail_count!r} is not a number of failures, zero or more.")
    return (lambda *args: reward_fn(*args)), count if fail_count is None else fail_count
