import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from support.answering import AnsweringLM, FailingLM

from dspex.clients.calls.scope import CallScope, call_scope, current_scope
from dspex.errors import (
    ContextWindowExceededError,
    FailureKind,
    LMAuthError,
    LMNotConfiguredError,
    LMRateLimitError,
    LMServerError,
    StoreError,
    UsageError,
)
from dspex.execution.attempt import Attempt, RetryPolicy, attempt, scopes_for
from dspex.predict import Predict
from dspex.primitives import Example, Module, Prediction
from dspex.settings import configure, reset, settings

EXAMPLE = Example(question="q", answer="a").with_inputs("question")
AT_ONCE = RetryPolicy(base=0)


class Program(Module):
    def __init__(self) -> None:
        super().__init__()
        self.ask = Predict("question -> answer")

    def forward(self, question: str) -> Prediction:
        return self.ask(question=question)


class Swallowing(Program):
    """Hides every error of the LM behind a default answer."""

    def forward(self, question: str) -> Prediction:
        try:
            return self.ask(question=question)
        except Exception:  # noqa: BLE001 - that is the bad habit
            return Prediction(answer="I do not know")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    configure(lm=AnsweringLM({"answer": "a"}))
    yield
    reset()


def same(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.answer == prediction.answer)


async def tried(program: Any = None, metric: Any = same, **options: Any) -> Attempt:
    scope = options.pop("scope", None) or CallScope(path="test/0")
    return await attempt(program or Program(), EXAMPLE, metric, scope=scope, **{"retry_policy": AT_ONCE, **options})


async def test_an_attempt_has_prediction_score_and_usage() -> None:
    outcome = await tried()
    assert outcome.prediction == Prediction(answer="a")
    assert (outcome.score, outcome.metric_value, outcome.error, outcome.trace) == (1.0, True, None, None)
    assert outcome.usage is not None
    assert (outcome.usage.calls, outcome.usage.prompt_tokens) == (1, 3)


async def test_with_trace_the_metric_gets_what_the_predictors_did() -> None:
    program, seen = Program(), []

    def metric(example: Any, prediction: Any, trace: Any) -> bool:
        seen.append(trace)
        Predict("question -> answer")(question="a judge's own question")
        return True

    outcome = await tried(program, metric, trace=True)
    assert outcome.trace == [(program.ask, {"question": "q"}, Prediction(answer="a"))]
    assert seen == [outcome.trace]
    assert len(settings.trace) == 1, "the judge's"


async def test_without_trace_the_metric_gets_none() -> None:
    await tried(metric=lambda example, prediction, trace=None: trace is None)
    assert (await tried(metric=lambda example, prediction, trace=None: trace is None)).score == 1.0
    assert (await tried(metric=lambda example, prediction: True, trace=True)).score == 1.0


class Judge(Module):
    async def aforward(self, example: Any, prediction: Any, trace: Any = None) -> Prediction:
        return Prediction(score=0.25, feedback="meh")


async def asynchronous(example: Any, prediction: Any) -> float:
    await asyncio.sleep(0)
    return 0.25


def calls_lm(example: Any, prediction: Any) -> float:
    return 0.25 if Predict("question -> answer")(question="good?").answer == "a" else 0.0


@pytest.mark.parametrize("metric", [Judge(), asynchronous, calls_lm, lambda example, prediction: asynchronous(1, 2)])
async def test_metrics_of_any_kind_give_a_number(metric: Any) -> None:
    assert (await tried(metric=metric)).score == 0.25


@pytest.mark.parametrize("value", [None, "good", float("nan"), float("inf"), Prediction(answer="x")])
async def test_what_is_no_score_is_the_programs_failure(value: Any) -> None:
    outcome = await tried(metric=lambda example, prediction: value)
    assert outcome.score is None
    assert outcome.failure_kind is FailureKind.PROGRAM
    assert "metric returned" in str(outcome.error)


async def test_a_trace_metric_that_returns_nothing_says_no() -> None:
    outcome = await tried(metric=lambda example, prediction, trace: None, trace=True)
    assert (outcome.score, outcome.error) == (0.0, None)


async def test_without_metric_there_is_no_score() -> None:
    outcome = await tried(metric=None)
    assert (outcome.score, outcome.error) == (None, None)
    assert outcome.prediction.answer == "a"


@pytest.mark.parametrize(
    "error", [ValueError("bad"), SystemExit(3), ContextWindowExceededError("long"), TimeoutError()]
)
async def test_the_programs_own_failure_is_reported_not_raised(error: BaseException) -> None:
    def program(question: str) -> None:
        raise error

    for outcome in (await tried(program), await tried(metric=lambda example, prediction: program("q"))):
        assert (outcome.error, outcome.failure_kind, outcome.score) == (error, FailureKind.PROGRAM, None)


async def test_functions_are_programs_too() -> None:
    async def program(question: str) -> Prediction:
        return Prediction(answer="a")

    assert (await tried(program)).score == 1.0
    assert (await tried(lambda question: Prediction(answer="b"))).score == 0.0


@pytest.mark.parametrize("program", [Program, Swallowing])
@pytest.mark.parametrize("error", [LMRateLimitError("slow down"), LMServerError("oops"), StoreError("locked")])
async def test_infrastructure_is_waited_out_and_never_scored(program: Any, error: Exception) -> None:
    configure(lm=FailingLM({"answer": "a"}, *[error] * 20))
    outcome = await tried(program(), trace=True)
    assert (outcome.score, outcome.error) == (1.0, None)
    assert outcome.trace is not None
    assert len(outcome.trace) == 1


async def test_infrastructure_in_the_metric_is_waited_out_too() -> None:
    judge = FailingLM({"answer": "a"}, *[LMRateLimitError("slow down")] * 3)

    def metric(example: Any, prediction: Any) -> bool:
        try:
            return bool(Predict("question -> answer")(question="good?", lm=judge).answer)
        except LMRateLimitError:
            return False

    assert (await tried(metric=metric)).score == 1.0


@pytest.mark.parametrize("program", [Program, Swallowing])
async def test_when_patience_ends_the_infrastructures_error_is_raised(program: Any) -> None:
    configure(lm=FailingLM({}, *[LMRateLimitError("slow down")] * 2))
    with pytest.raises(LMRateLimitError):
        await tried(program(), retry_policy=RetryPolicy(max_seconds=0.0, base=1.0))


@pytest.mark.parametrize("program", [Program, Swallowing])
async def test_a_wrong_setup_is_raised_at_once(program: Any) -> None:
    lm = FailingLM({"answer": "a"}, LMAuthError("bad key"))
    configure(lm=lm)
    with pytest.raises(LMAuthError):
        await tried(program())
    configure(lm=None)
    with pytest.raises(LMNotConfiguredError):
        await tried()


async def test_a_retry_finds_its_own_uncached_answers_again() -> None:
    configure(lm=FailingLM({"answer": "a"}, LMServerError("oops")))
    places = []

    class Asking(Program):
        def forward(self, question: str) -> Prediction:
            scope = current_scope()
            assert scope is not None
            places.append(scope.next_uncached_key())
            return self.ask(question=question)

    await tried(Asking(), scope=CallScope(run_id="run", path="step/3"))
    assert places == ["run/step/3#1", "run/step/3#1"]


async def test_a_cancellation_passes_through() -> None:
    started = asyncio.Event()

    class Hanging(Module):
        async def aforward(self, question: str) -> None:
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(tried(Hanging()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_example_without_input_keys_is_refused() -> None:
    with pytest.raises(UsageError, match="with_inputs"):
        await attempt(Program(), Example(question="q"), same, scope=CallScope())


def test_waits_double_up_to_the_cap_but_the_providers_wish_is_kept() -> None:
    patience = RetryPolicy(base=1.0, cap=8.0)
    for tries, longest in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (50, 8.0)]:
        assert longest / 2 <= patience.wait(tries, LMServerError()) <= longest
    assert patience.wait(1, LMRateLimitError(retry_after=30.0)) == 30.0


def test_scopes_inside_a_run_are_places_within_it() -> None:
    assert scopes_for("evaluate")(3) == CallScope(path="evaluate/3")
    paths = []
    for _ in range(2):  # a repeated example
        with call_scope(CallScope(run_id="run", path="outer/7")):
            paths.append([scopes_for("evaluate")(3).path, scopes_for("evaluate")(3).path])
    assert paths[0] == paths[1] == ["run/outer/7#1/evaluate/3", "run/outer/7#2/evaluate/3"]
