import asyncio
import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from support.answering import AnsweringLM, FailingLM, GatedLM, field

from dspex.bridge import run_sync
from dspex.callback import BaseCallback
from dspex.clients.calls.scope import CallScope, call_scope
from dspex.errors import AdapterParseError, LMAuthError, LMRateLimitError, UsageError
from dspex.evaluate import Evaluate, EvaluationInterrupted, EvaluationResult, exact_match
from dspex.execution.attempt import RetryPolicy
from dspex.execution.progress import progress
from dspex.predict import Predict
from dspex.primitives import Example, Module, Prediction
from dspex.settings import configure, context, reset


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    configure(lm=AnsweringLM(lambda prompt: {"answer": field(prompt, "question")}))
    yield
    reset()


class Program(Module):
    def __init__(self) -> None:
        super().__init__()
        self.ask = Predict("question -> answer")

    def forward(self, question: int) -> Prediction:
        return self.ask(question=question)


class Picky(Program):
    """Fails, by its own fault, on multiples of three."""

    def forward(self, question: int) -> Prediction:
        if question % 3 == 0:
            raise ValueError(f"{question} is bad")
        return super().forward(question)


def devset(count: int) -> list[Example]:
    """Half of them have the answer that the LM gives."""
    return [Example(question=n, answer=str(n) if n % 2 else "no").with_inputs("question") for n in range(count)]


def test_the_score_is_the_percentage_and_results_are_in_order() -> None:
    result = Evaluate(devset=devset(7), metric=exact_match)(Program())
    assert result.score == round(100 * 3 / 7, 2)
    assert float(result) == result.score
    assert [example.question for example, _, _ in result.results] == list(range(7))
    assert [score for _, _, score in result.results] == [False, True] * 3 + [False]
    assert result.results[1][1] == Prediction(answer="1")
    assert result.failures == []
    assert result.usage.calls == 7
    assert set(result.keys()) == {"score", "results"}


async def test_sync_and_async_evaluations_are_the_same() -> None:
    evaluate = Evaluate(devset=devset(10), metric="exact_match")
    assert (await evaluate.acall(Program())).score == 50.0
    assert (await run_sync(evaluate, Program())).score == 50.0
    assert (await asyncio.to_thread(evaluate, Program())).score == 50.0


def test_a_call_may_override_the_arguments() -> None:
    evaluate = Evaluate(devset=devset(10), metric=exact_match)
    assert evaluate(Program(), metric=lambda example, prediction: 0.5, devset=devset(2)).score == 50.0
    assert len(evaluate(Program(), num_threads=1).results) == 10


def test_sync_programs_run_at_once() -> None:
    configure(lm=GatedLM({"answer": "a"}, expected=50))
    assert len(Evaluate(devset=devset(50), metric=exact_match, num_threads=50)(Program()).results) == 50


def test_a_failing_example_gets_the_failure_score_and_is_listed() -> None:
    result = Evaluate(devset=devset(6), metric=exact_match, failure_score=-1.0)(Picky())
    assert [score for _, _, score in result.results] == [-1.0, True, False, -1.0, False, True]
    assert result.results[0][1] == Prediction()
    assert [(failure.index, str(failure.error)) for failure in result.failures] == [(0, "0 is bad"), (3, "3 is bad")]
    assert result.failures[1].example.question == 3
    assert "2 failed" in repr(result)


def test_a_failing_metric_is_the_examples_failure() -> None:
    def metric(example: Any, prediction: Any) -> float:
        return 1 / example.question

    result = Evaluate(devset=devset(3), metric=metric)(Program())
    assert [type(failure.error) for failure in result.failures] == [ZeroDivisionError]
    assert result.score == 50.0


def test_too_many_failures_stop_it_with_what_was_found() -> None:
    evaluate = Evaluate(devset=devset(100), metric=exact_match, max_errors=2, num_threads=1)
    with pytest.raises(EvaluationInterrupted, match=r"example 0: ValueError: 0 is bad; example 3") as caught:
        evaluate(Picky())
    partial = caught.value.partial
    assert [example.question for example, _, _ in partial.results] == [0, 1, 2, 3]
    assert partial.score == 25.0
    assert evaluate.partial is not None
    assert evaluate.partial.results == partial.results


def test_an_interrupted_evaluation_leaves_what_it_had_in_the_files_asked_for(tmp_path: Path) -> None:
    paths = {"save_as_csv": str(tmp_path / "r.csv"), "save_as_json": str(tmp_path / "r.json")}
    with pytest.raises(EvaluationInterrupted):
        Evaluate(devset=devset(100), metric=exact_match, max_errors=2, num_threads=1, **paths)(Picky())
    assert [row["question"] for row in json.loads((tmp_path / "r.json").read_text())] == [0, 1, 2, 3]
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 5


def test_malformed_answers_of_the_model_end_nothing() -> None:
    class Babbling(AnsweringLM):
        def respond(self, messages: Any, kwargs: Any) -> dict[str, Any]:
            response = super().respond(messages, kwargs)
            if field(messages[-1]["content"], "question") != "1":
                response["choices"][0]["message"]["content"] = "I would rather not say."
            return response

    lm = Babbling(lambda prompt: {"answer": field(prompt, "question")})
    with context(lm=lm):
        result = Evaluate(devset=devset(40), metric=exact_match, max_errors=1)(Program())
    assert len(result.results) == 40
    assert result.score == 2.5
    assert {type(failure.error) for failure in result.failures} == {AdapterParseError}
    assert [failure.index for failure in result.failures] == [0, *range(2, 40)]


def test_a_storm_is_waited_out_and_does_not_change_the_score() -> None:
    lm = FailingLM(lambda prompt: {"answer": field(prompt, "question")}, *[LMRateLimitError("slow")] * 40)
    evaluate = Evaluate(devset=devset(20), metric=exact_match, max_errors=1, patience=RetryPolicy(base=0))
    with context(lm=lm):
        result = evaluate(Program())
    assert (result.score, result.failures, lm.errors) == (50.0, [], [])


def test_a_wrong_key_ends_it_at_once_and_keeps_the_rest() -> None:
    lm = AnsweringLM({"answer": "1"})
    evaluate = Evaluate(devset=devset(10), metric=exact_match, num_threads=1)

    class Revoked(Program):
        def forward(self, question: int) -> Prediction:
            if question == 4:
                raise LMAuthError("revoked")
            return super().forward(question)

    with context(lm=lm), pytest.raises(LMAuthError) as caught:
        evaluate(Revoked())
    assert evaluate.partial is not None
    assert len(evaluate.partial.results) == 4
    assert "25.0 after 4 of 10 examples" in caught.value.__notes__[0]


async def test_a_cancelled_evaluation_keeps_what_it_had() -> None:
    started = asyncio.Event()

    class Hanging(Module):
        async def aforward(self, question: int) -> Prediction:
            if question >= 3:
                started.set()
                await asyncio.Event().wait()
            return Prediction(answer="1")

    evaluate = Evaluate(devset=devset(10), metric=exact_match, num_threads=1)
    task = asyncio.create_task(evaluate.acall(Hanging()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert evaluate.partial is not None
    assert len(evaluate.partial.results) == 3


def test_ctrl_c_keeps_what_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    import dspex.evaluate.evaluate as module

    real = module.wait_for

    def interrupted(coroutine: Any) -> Any:
        real(coroutine)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "wait_for", interrupted)
    evaluate = Evaluate(devset=devset(4), metric=exact_match)
    with pytest.raises(KeyboardInterrupt) as caught:
        evaluate(Program())
    assert evaluate.partial is not None
    assert len(evaluate.partial.results) == 4
    assert caught.value.partial is evaluate.partial  # type: ignore[attr-defined]


async def test_a_program_that_raises_ctrl_c_interrupts_its_evaluation_and_nothing_else() -> None:
    class Impatient(Program):
        def forward(self, question: int) -> Prediction:
            if question == 2:
                raise KeyboardInterrupt
            return super().forward(question)

    evaluate = Evaluate(devset=devset(4), metric=exact_match, num_threads=1)
    with pytest.raises(KeyboardInterrupt):
        await asyncio.to_thread(evaluate, Impatient())
    assert evaluate.partial is not None
    assert len(evaluate.partial.results) == 2
    assert (await asyncio.to_thread(evaluate, Program())).score == 50.0


def test_a_straggler_holds_up_no_other_example() -> None:
    others = asyncio.Event()
    left = 20

    class Slow(Module):
        async def aforward(self, question: int) -> Prediction:
            nonlocal left
            if question == 0:
                await others.wait()
            elif (left := left - 1) == 0:
                others.set()
            return Prediction(answer=str(question))

    result = Evaluate(devset=devset(21), metric=exact_match, num_threads=2)(Slow())
    assert [example.question for example, _, _ in result.results] == list(range(21))


def test_programs_and_metrics_may_be_functions_async_modules_or_stand_ins() -> None:
    async def program(question: int) -> Prediction:
        return Prediction(answer=str(question))

    async def metric(example: Any, prediction: Any) -> bool:
        await asyncio.sleep(0)
        return bool(example.answer == prediction.answer)

    class Judge(Module):
        async def aforward(self, example: Any, pred: Any, trace: Any = None) -> Prediction:
            return Prediction(score=float(example.answer == pred.answer), feedback="because")

    stand_in = MagicMock(return_value=Prediction(answer="1"))
    assert Evaluate(devset=devset(4), metric=metric)(program).score == 50.0
    assert Evaluate(devset=devset(4), metric=Judge())(program).score == 50.0
    assert Evaluate(devset=devset(4), metric=MagicMock(return_value=0.5))(stand_in).score == 50.0
    assert stand_in.call_count == 4


def test_a_program_that_overrides_its_call_is_called_by_it() -> None:
    class Wrapped(Program):
        def __call__(self, **inputs: Any) -> Any:
            return Prediction(answer="no") if inputs["question"] == 0 else super().__call__(**inputs)

    assert Evaluate(devset=devset(4), metric=exact_match)(Wrapped()).score == 75.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"devset": []}, "at least one example"),
        ({"devset": [Example(question=1)]}, "Example 0 .*with_inputs"),
        ({"devset": [{"question": 1}]}, "Example 0 .* dict"),
        ({"metric": None}, "needs a metric"),
        ({"metric": "exact"}, "exact_match"),
        ({"return_outputs": True}, "results"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(arguments: dict[str, Any], message: str) -> None:
    lm = AnsweringLM({"answer": "a"})
    with context(lm=lm), pytest.raises(UsageError, match=message):
        Evaluate(**{"devset": devset(2), "metric": exact_match, **arguments})(Program())
    assert lm.requests == []


def test_an_unknown_option_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    Evaluate(devset=devset(1), metric=exact_match, return_all_scores=True)
    assert "return_all_scores" in caplog.text


def test_an_evaluation_inside_a_run_counts_in_the_run() -> None:
    with call_scope(CallScope(path="run/0")) as scope:
        Evaluate(devset=devset(3), metric=exact_match)(Program())
    assert scope.usage.calls == 3


def test_results_are_saved_as_csv_and_json(tmp_path: Path) -> None:
    paths = {"save_as_csv": str(tmp_path / "r.csv"), "save_as_json": str(tmp_path / "r.json")}
    Evaluate(devset=devset(2), metric=exact_match, **paths)(Program())
    expected = [
        {"question": 0, "example_answer": "no", "pred_answer": "0", "exact_match": False},
        {"question": 1, "example_answer": "1", "pred_answer": "1", "exact_match": True},
    ]
    assert json.loads((tmp_path / "r.json").read_text()) == expected
    with (tmp_path / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{key: str(value) for key, value in row.items()} for row in expected]


def test_scores_that_are_predictions_are_saved_as_numbers(tmp_path: Path) -> None:
    def metric(example: Any, prediction: Any) -> Prediction:
        return Prediction(score=0.5, feedback="so so")

    Evaluate(devset=devset(1), metric=metric, save_as_json=str(tmp_path / "r.json"))(Program())
    assert json.loads((tmp_path / "r.json").read_text())[0]["metric"] == 0.5


def test_failed_examples_have_their_row_too(tmp_path: Path) -> None:
    Evaluate(devset=devset(2), metric=exact_match, save_as_csv=str(tmp_path / "r.csv"))(Picky())
    header, *rows = (tmp_path / "r.csv").read_text().splitlines()
    assert header == "question,answer,example_answer,pred_answer,exact_match"
    assert rows == ["0,no,,,0.0", "1,,1,1,True"]


@pytest.mark.parametrize("pandas", [True, False])
def test_a_table_shows_the_rows_asked_for(
    pandas: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not pandas:
        monkeypatch.setattr("dspex.evaluate.evaluate.find_spec", lambda name: None)
    long = [Example(question="[bold] " + "word " * 40, answer="no").with_inputs("question") for _ in range(3)]
    Evaluate(devset=long, metric=exact_match, display_table=2)(Program())
    printed = capsys.readouterr().out
    assert "1 more rows not displayed" in printed
    assert "[bold]" in printed
    assert pandas or "word..." in printed
    assert pandas or "False" in printed


class Listener(BaseCallback):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.heard.append((instance, inputs))

    def on_evaluate_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self.heard.append((outputs, exception))


async def test_callbacks_hear_of_the_evaluation() -> None:
    listener, program = Listener(), Program()
    evaluate = Evaluate(devset=devset(2), metric=exact_match)
    with context(callbacks=[listener]):
        result = await asyncio.to_thread(evaluate, program, num_threads=2, callback_metadata={"why": "test"})
        again = await evaluate.acall(program, None, devset(1))
    (instance, inputs), end, (_, inputs_again), end_again = listener.heard
    assert instance is evaluate
    assert inputs["program"] is program
    assert (inputs["num_threads"], inputs["callback_metadata"], inputs["devset"]) == (2, {"why": "test"}, None)
    assert end == (result, None)
    assert len(inputs_again["devset"]) == 1
    assert end_again == (again, None)


def test_callbacks_hear_how_an_evaluation_failed() -> None:
    listener = Listener()
    with context(callbacks=[listener]), pytest.raises(UsageError) as caught:
        Evaluate(devset=[], metric=exact_match)(Program())
    assert listener.heard[1] == (None, caught.value)


def test_piped_progress_is_about_ten_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Evaluate(devset=devset(200), metric=exact_match, display_progress=True)(Program())
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "Evaluating: 200/200  50.0 after 200 of 200 examples"


def test_progress_on_a_terminal_is_a_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with progress("Evaluating", 3, stream=out) as bar:
        for _ in range(3):
            bar.advance("fine")
    assert "3/3" in out.getvalue()
    assert "fine" in out.getvalue()


def test_rich_is_loaded_only_when_something_is_shown() -> None:
    import subprocess

    code = "import dspex.evaluate.evaluate, sys; sys.exit('rich' in sys.modules or 'sqlalchemy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_empty_result_is_still_a_result() -> None:
    assert EvaluationResult().results == []
