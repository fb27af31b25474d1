"""LocalRunner: what becomes of examples that pass, fail, or meet a storm, in whatever order they finish."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest
from support.answering import AnsweringLM, FailingLM, field

from dspex.errors import LMAuthError, LMRateLimitError, LMServerError
from dspex.execution.attempt import RetryPolicy
from dspex.predict import Predict
from dspex.primitives import Example, Module, Prediction
from dspex.runner.local_runner import LocalRunner
from dspex.settings import configure, reset, settings
from dspex.teleprompt.candidate import Candidate, RowDemo
from dspex.teleprompt.runner_protocol import TraceRequest

TRACE = TraceRequest(path="bootstrap/0", candidate=Candidate(), indices=[0])


class Program(Module):
    """Fails of its own on every fourth question, and is right about every odd one."""

    def __init__(self) -> None:
        super().__init__()
        self.ask = Predict("question -> answer")

    def forward(self, question: str) -> Prediction:
        prediction = self.ask(question=question)
        if int(question) % 4 == 0:
            raise ValueError(f"cannot digest {question}")
        return prediction


def odd(prompt: str) -> dict[str, Any]:
    return {"answer": int(field(prompt, "question")) % 2}


def right(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(prediction.answer == "1")


def rows(count: int) -> list[Example]:
    return [Example(question=str(n), answer="1").with_inputs("question") for n in range(count)]


def runner(count: int = 8, program: Module | None = None, **options: Any) -> LocalRunner:
    data = rows(count)
    options = {"metric": right, "data": {"train": data, "val": data}, **options}
    return LocalRunner(programs={"student": program or Program()}, **options)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    configure(lm=AnsweringLM(odd))
    yield
    reset()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetryPolicy, "wait", lambda self, tries, error: 0.0)


async def test_the_programs_own_failures_get_the_failure_score_and_are_listed() -> None:
    run = runner(failure_score=0.5)
    found = await run.evaluate(Candidate(), "val", path="baseline")
    assert (found.score, found.rows, found.n_failed) == (62.5, 8, 2)
    assert sorted((failure.path, failure.index, failure.error) for failure in run.failures) == [
        ("baseline", 0, "ValueError: cannot digest 0"),
        ("baseline", 4, "ValueError: cannot digest 4"),
    ]


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("error", [LMRateLimitError("slow down"), LMServerError("oops")])
async def test_a_storm_is_waited_out_and_changes_no_score(error: Exception) -> None:
    calm = await runner().evaluate(Candidate(), "val", path="baseline")
    lm = FailingLM(odd, error, error)
    configure(lm=lm)
    run = runner(concurrency=1)
    assert await run.evaluate(Candidate(), "val", path="baseline") == calm
    assert lm.errors == []
    assert all("ValueError" in failure.error for failure in run.failures), "the storm is nobody's failure"


@pytest.mark.usefixtures("no_waiting")
async def test_a_storm_is_waited_out_while_demos_are_gathered() -> None:
    configure(lm=FailingLM(odd, LMRateLimitError("1"), LMRateLimitError("2")))
    [traced] = await runner().trace(TRACE.model_copy(update={"indices": [1], "rounds": 1}))
    assert (traced.passed, traced.attempts, traced.errors) == (True, 1, [])


async def test_a_wrong_setup_ends_the_step_at_once() -> None:
    configure(lm=FailingLM(odd, LMAuthError("bad key")))
    with pytest.raises(LMAuthError):
        await runner().evaluate(Candidate(), "val", path="baseline")


async def test_failures_kept_do_not_grow_with_the_data() -> None:
    def broken(prompt: str) -> Any:
        raise ValueError("always")

    configure(lm=AnsweringLM(broken))
    run = runner(1200)
    found = await run.evaluate(Candidate(), "val", path="baseline")
    assert found.n_failed == 1200
    assert len(run.failures) == LocalRunner._MOST_FAILURES_KEPT < 1200


async def test_only_traces_that_passed_are_kept() -> None:
    run = runner(40)
    traced = await run.trace(TRACE.model_copy(update={"indices": list(range(40))}))
    passed = [each.index for each in traced if each.passed]
    assert passed == list(range(1, 40, 2))
    assert len(run._demos) == len(passed)
    demo = {"augmented": True, "question": "3", "answer": "1"}
    assert await run.traced("bootstrap/0", 3) == {"ask": demo}


class Late(Module):
    """Finishes when it likes, whatever was started first."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.ask = Predict("question -> answer")
        self.random = random.Random(seed)

    async def aforward(self, question: str) -> Any:
        for _ in range(self.random.randrange(20)):
            await asyncio.sleep(0)
        return await self.ask.acall(question=question)


@pytest.mark.parametrize("seed", range(4))
async def test_results_come_in_the_order_asked_for_whatever_finishes_first(seed: int) -> None:
    finished: list[int] = []
    run = runner(30, Late(seed), on_outcome=lambda path, size, outcome: finished.append(outcome.index))
    asked = [*range(29, 0, -2), *range(0, 30, 2)]
    traced = await run.trace(TRACE.model_copy(update={"indices": asked}))
    assert [each.index for each in traced] == asked
    assert [each.passed for each in traced] == [index % 2 == 1 for index in asked]
    assert finished != asked
    assert sorted(finished) == list(range(30))


async def test_later_rounds_sample_anew_until_one_passes() -> None:
    configure(lm=AnsweringLM({"answer": "0"}))
    [traced] = await runner().trace(TRACE.model_copy(update={"indices": [1], "rounds": 3}))
    assert (traced.passed, traced.attempts) == (False, 3)
    asked = [(each.get("rollout_id"), each.get("temperature")) for each in settings.lm.requests]
    assert asked == [(None, None), (1, 1.0), (2, 1.0)]


async def test_each_failed_round_is_an_error_and_a_later_one_may_pass() -> None:
    lm = FailingLM(odd, ValueError("first"), KeyError("second"))
    configure(lm=lm)
    run = runner()
    [traced] = await run.trace(TRACE.model_copy(update={"indices": [1], "rounds": 3}))
    assert (traced.passed, traced.attempts, traced.errors) == (True, 3, ["ValueError", "KeyError"])
    assert run.failures == []


async def test_errors_are_told_by_their_names_alone() -> None:
    """A trace's result may end in a history, which must not quote examples."""
    [traced] = await runner().trace(TRACE)
    assert traced.errors == ["ValueError"]
    assert "digest" not in traced.model_dump_json()


@pytest.mark.parametrize(
    ("value", "threshold", "passes"),
    [
        (0.4, 0.5, False), (0.5, 0.5, True), (0.1, None, True), (0, None, False), (True, 1.0, True),
        (None, None, False), (None, 0.5, False), (Prediction(score=0.7), 0.5, True), (-2.0, -1.0, False),
    ],
)  # fmt: skip
async def test_a_trace_passes_by_its_metric(value: Any, threshold: float | None, passes: bool) -> None:
    run = runner(metric=lambda example, prediction, trace: value)
    [traced] = await run.trace(TRACE.model_copy(update={"indices": [1], "threshold": threshold}))
    assert traced.passed is passes


async def test_without_a_metric_every_trace_passes_that_does_not_fail() -> None:
    traced = await runner(metric=None).trace(TRACE.model_copy(update={"indices": [0, 1, 2]}))
    assert [each.passed for each in traced] == [False, True, True]


async def test_the_teacher_is_not_shown_the_example_it_is_asked() -> None:
    candidate = Candidate(demos={"ask": [RowDemo(index=1), RowDemo(index=3)]})
    await runner().trace(TRACE.model_copy(update={"candidate": candidate, "indices": [1, 5]}))
    questions = [[field(each["content"], "question") for each in request["messages"] if each["role"] == "user"]
                 for request in settings.lm.requests]  # fmt: skip
    assert sorted(questions) == [["1", "3", "5"], ["3", "1"]]


async def test_the_teachers_settings_hold_for_traces_and_not_for_scores() -> None:
    teacher = AnsweringLM({"answer": "1"})
    run = runner(teacher_settings={"lm": teacher})
    await run.evaluate(Candidate(), "val", path="baseline")
    assert teacher.requests == []
    await run.trace(TRACE.model_copy(update={"indices": [2]}))
    assert len(teacher.requests) == 1


async def test_the_bill_is_added_up() -> None:
    run = runner()
    await run.evaluate(Candidate(), "val", path="baseline")
    await run.trace(TRACE.model_copy(update={"indices": [1, 2], "rounds": 2}))
    assert run.usage.calls == len(settings.lm.requests) == 8 + 3
    assert run.usage.prompt_tokens == 3 * run.usage.calls


async def test_a_watcher_that_raises_ends_the_step_and_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()

    def watch(path: str, size: int, outcome: Any) -> None:
        raise KeyError("the watcher's own")

    with pytest.raises(KeyError):
        await runner(200, Late(1), on_outcome=watch, concurrency=50).trace(
            TRACE.model_copy(update={"indices": list(range(200))})
        )
    assert asyncio.all_tasks() == before


async def test_a_cancelled_step_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()

    class Hanging(Module):
        async def aforward(self, question: str) -> None:
            started.set()
            await asyncio.Event().wait()

    started = asyncio.Event()
    step = asyncio.create_task(runner(20, Hanging()).evaluate(Candidate(), "val", path="baseline"))
    await started.wait()
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    assert asyncio.all_tasks() == before
