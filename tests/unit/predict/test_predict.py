import logging
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from support.answering import AnsweringLM, FailingLM, GatedLM, field

from dspex.bridge import run_sync
from dspex.clients.calls.scope import CallScope, call_scope
from dspex.errors import LMNotConfiguredError, UsageError
from dspex.predict import ChainOfThought, Predict
from dspex.primitives import Example, Prediction
from dspex.settings import configure, context, reset
from dspex.signatures import InputField, OutputField, Signature


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    yield
    reset()


@pytest.fixture
def lm() -> AnsweringLM:
    answering = AnsweringLM({"answer": "Paris"})
    configure(lm=answering)
    return answering


def shown(lm: AnsweringLM) -> str:
    return str(lm.requests[-1]["messages"][-1]["content"])


def test_inputs_go_into_the_prompt_and_outputs_come_back(lm: AnsweringLM) -> None:
    prediction = Predict("question -> answer")(question="Which capital?")
    assert isinstance(prediction, Prediction)
    assert prediction.answer == "Paris"
    assert field(shown(lm), "question").startswith("Which capital?")


async def test_sync_async_and_greenlet_calls_are_the_same(lm: AnsweringLM) -> None:
    predictor = Predict("question -> answer")
    predictions = [
        predictor(question="q"),
        await predictor.acall(question="q"),
        await run_sync(predictor, question="q"),
    ]
    assert predictions == [Prediction(answer="Paris")] * 3
    assert lm.requests[0] == lm.requests[1] == lm.requests[2]


def test_an_lm_in_memory_needs_no_event_loop() -> None:
    class InMemory(AnsweringLM):
        in_memory = True

    with context(lm=InMemory({"answer": "a"})):
        assert Predict("question -> answer")(question="q").answer == "a"
        with call_scope(CallScope(path="x")) as scope:
            assert Predict("question -> answer")(question="q").answer == "a"
    assert scope.usage.calls == 1


def test_the_lm_of_the_call_wins_over_the_predictors_over_the_configured(lm: AnsweringLM) -> None:
    predictor = Predict("question -> answer")
    predictor.lm = AnsweringLM({"answer": "predictor's"})
    assert predictor(question="q").answer == "predictor's"
    assert predictor(question="q", lm=AnsweringLM({"answer": "call's"})).answer == "call's"
    predictor.reset()
    assert predictor(question="q").answer == "Paris"


def test_call_time_signature_demos_and_config_hold_for_one_call(lm: AnsweringLM) -> None:
    predictor = Predict("question -> answer", temperature=0.1)
    demo = Example(text="a demo", answer="b")
    predictor(text="t", signature="text -> answer", demos=[demo], config={"temperature": 0.9, "rollout_id": 3})
    request = lm.requests[-1]
    assert (request["temperature"], request["rollout_id"]) == (0.9, 3)
    assert "a demo" in str(request["messages"])
    predictor(question="q")
    request = lm.requests[-1]
    assert request["temperature"] == 0.1
    assert "a demo" not in str(request["messages"])
    assert predictor.config == {"temperature": 0.1}


def test_update_config_holds_for_all_further_calls(lm: AnsweringLM) -> None:
    predictor = Predict("question -> answer")
    predictor.update_config(max_tokens=5)
    predictor(question="q")
    assert lm.requests[-1]["max_tokens"] == 5
    assert predictor.get_config() == {"max_tokens": 5}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"n": 2}, 0.7),
        ({"n": 2, "temperature": 0.1}, 0.7),
        ({"n": 2, "temperature": 0.9}, 0.9),
        ({"n": 1, "temperature": 0.1}, 0.1),
        ({}, None),
    ],
)
def test_several_completions_are_sampled_apart(lm: AnsweringLM, config: dict[str, Any], expected: float | None) -> None:
    prediction = Predict("question -> answer", **config)(question="q")
    assert lm.requests[-1]["temperature"] == expected
    assert prediction.completions is not None
    assert len(prediction.completions) == config.get("n", 1)


def test_predicted_output_is_a_request_parameter(lm: AnsweringLM) -> None:
    predicted = {"type": "content", "content": "code"}
    Predict("question -> answer")(question="q", prediction=predicted)
    assert lm.requests[-1]["prediction"] == predicted


def test_calls_are_traced_with_predictor_inputs_and_prediction(lm: AnsweringLM) -> None:
    chain = ChainOfThought("question -> answer")
    lm.answer = lambda prompt: {"reasoning": "r", "answer": "a"}
    with context(trace=[]) as _:
        from dspex.settings import settings

        prediction = chain(question="q")
        chain(question="untraced", _trace=False)
        trace = settings.trace
    assert trace == [(chain.predict, {"question": "q"}, prediction)]
    assert trace[0][0] is chain.predict


def test_a_trace_is_bounded(lm: AnsweringLM) -> None:
    predictor, trace = Predict("question -> answer"), []
    with context(trace=trace, max_trace_size=2):
        for number in range(4):
            predictor(question=number)
    assert [inputs["question"] for _, inputs, _ in trace] == [2, 3]
    with context(trace=trace, max_trace_size=0):
        predictor(question=9)
    assert len(trace) == 2


def test_a_missing_input_is_a_warning_that_names_it_once(lm: AnsweringLM, caplog: pytest.LogCaptureFixture) -> None:
    predictor = Predict("question, context -> answer")
    for _ in range(3):
        assert predictor(question="q").answer == "Paris"
    assert len(caplog.records) == 1
    assert "Missing: ['context']" in caplog.text


def test_an_extra_input_is_a_warning_that_names_it_once(lm: AnsweringLM, caplog: pytest.LogCaptureFixture) -> None:
    predictor = Predict("question -> answer")
    for _ in range(3):
        predictor(question="q", hint="h")
    assert len(caplog.records) == 1
    assert "['hint']" in caplog.text


class Person(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("hint", "fits", "misfits"),
    [
        (int, 3, "3"),
        (str, ["a", "b"], [1]),
        (list[int], [1, 2], [1, "2"]),
        (dict[str, int], {"a": 1}, {"a": "b"}),
        (tuple[int, ...], (1, 2), (1, "2")),
        (tuple[int, str], (1, "a"), (1,)),
        (set[int], {1}, [1]),
        (Literal["a", "b"], "a", "c"),
        (int | None, None, "x"),
        (Person, Person(name="x"), {"name": "x"}),
        (list[Any], ["a", 1], "a"),
    ],
)
def test_a_value_of_another_type_is_a_warning(
    lm: AnsweringLM, caplog: pytest.LogCaptureFixture, hint: Any, fits: Any, misfits: Any
) -> None:
    predictor = Predict(Signature({"given": (hint, InputField()), "answer": (str, OutputField())}))
    predictor(given=fits)
    assert caplog.records == []
    with context(warn_on_type_mismatch=False):
        predictor(given=misfits)
    assert caplog.records == []
    predictor(given=misfits)
    assert "'given'" in caplog.text


def test_defaults_fill_in_for_missing_inputs(lm: AnsweringLM, caplog: pytest.LogCaptureFixture) -> None:
    class Asked(Signature):
        question: str = InputField()
        tone: str = InputField(default="friendly")
        note: str | None = InputField()
        answer: str = OutputField()

    with caplog.at_level(logging.WARNING):
        Predict(Asked)(question="q")
    assert field(shown(lm), "tone").startswith("friendly")
    assert caplog.records == []


def test_positional_arguments_are_refused_with_an_example(lm: AnsweringLM) -> None:
    with pytest.raises(UsageError, match=r"predict\(question=\.\.\., context=\.\.\.\)"):
        Predict("question, context -> answer")("q")


@pytest.mark.parametrize(
    ("wrong", "message"), [(None, "No LM is loaded"), ("openai/x", "not a string"), (3, "not <class .int")]
)
def test_without_a_usable_lm_the_error_says_what_to_do(wrong: Any, message: str) -> None:
    with pytest.raises(LMNotConfiguredError, match=message):
        Predict("question -> answer")(question="q", lm=wrong)


def test_an_error_of_the_lm_comes_through(lm: AnsweringLM) -> None:
    with pytest.raises(LookupError, match="gone"):
        Predict("question -> answer")(question="q", lm=FailingLM({}, LookupError("gone")))


def test_chain_of_thought_reasons_first(lm: AnsweringLM) -> None:
    chain = ChainOfThought("question -> answer", temperature=0.4)
    assert list(chain.predict.signature.output_fields) == ["reasoning", "answer"]
    assert chain.predict.config == {"temperature": 0.4}
    lm.answer = lambda prompt: {"reasoning": "because", "answer": "a"}
    assert chain(question="q").toDict() == {"reasoning": "because", "answer": "a"}
    typed = ChainOfThought("question -> answer", rationale_field=OutputField(desc="why"), rationale_field_type=str)
    assert "reasoning" in typed.predict.signature.fields


async def test_many_sync_predictions_wait_at_once_and_keep_to_themselves() -> None:
    import asyncio

    count = 1000
    lm = GatedLM(lambda prompt: {"answer": field(prompt, "question")}, expected=count)
    predictor = Predict("question -> answer")

    def program(number: int) -> tuple[str, int]:
        trace: list[Any] = []
        with context(lm=lm, trace=trace):
            return predictor(question=f"number {number}").answer, len(trace)

    answers = await asyncio.gather(*(asyncio.create_task(run_sync(program, number)) for number in range(count)))
    assert answers == [(f"number {number}", 1) for number in range(count)]
