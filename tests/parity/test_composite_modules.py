"""Agents, repeated tries and comparisons ask the LM for the very same, byte for byte, and answer the same."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest

import dspex

dspy = pytest.importorskip("dspy")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

Answer = str | Exception


def completion(**fields: Any) -> str:
    sections = [
        f"[[ ## {name} ## ]]\n{value if isinstance(value, str) else json.dumps(value)}"
        for name, value in fields.items()
    ]
    return "\n\n".join([*sections, "[[ ## completed ## ]]"])


class Asked:
    """An LM of `library` that gives the answers in order, and what it was asked."""

    def __init__(self, library: Any, answers: Sequence[Answer] | Callable[[str, int], str]) -> None:
        asked = self
        self.messages: list[Any] = []
        self.sampling: list[Any] = []

        class Scripted(library.BaseLM):  # type: ignore[misc]
            blocking = False

            def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
                settings = {**self.kwargs, **kwargs}
                asked.messages.append([dict(message) for message in messages])
                asked.sampling.append((settings.get("rollout_id"), settings.get("temperature")))
                number = len(asked.messages) - 1
                answer = answers(messages[-1]["content"], number) if callable(answers) else answers[number]
                if isinstance(answer, Exception):
                    raise answer
                choice = SimpleNamespace(message=SimpleNamespace(content=answer), finish_reason="stop")
                return SimpleNamespace(choices=[choice], usage={"total_tokens": 1}, model="m")

        self.lm = Scripted("scripted")


def without_frames(value: Any) -> str:
    """A traceback names files: what is left of it is the error."""
    return re.sub(r"Traceback.*?(?=(?<!\w)\w+Error: )", "Traceback ", str(value), flags=re.DOTALL)


def called(module: Any, use_async: bool, **inputs: Any) -> Any:
    return asyncio.run(module.acall(**inputs)) if use_async else module(**inputs)


# ReAct


class City(pydantic.BaseModel):
    name: str
    people: int = 3


def search(query: str, k: int = 3) -> list[str]:
    """Find pages.

    In a corpus."""
    return [query] * k


def describe(city: City, tags: list[str] | None = None) -> str:
    return f"{city.name}: {city.people}"


def fail(reason: str) -> None:
    raise LookupError(f"nothing: {reason}")


def step(thought: str, tool: str, args: dict[str, Any]) -> str:
    return completion(next_thought=thought, next_tool_name=tool, next_tool_args=args)


FINAL = completion(reasoning="because", answer="Paris")


def react(library: Any, answers: list[Answer], use_async: bool, *, adapter: str = "ChatAdapter", **call: Any) -> Any:
    class Task(library.Signature):  # type: ignore[misc]
        """Be brief."""

        question: str = library.InputField(desc="what to find out")
        hops: int = library.InputField()
        answer: str = library.OutputField(desc="a name")

    asked = Asked(library, answers)
    agent = library.ReAct(Task, tools=[search, describe, library.Tool(fail, name="risk", desc="may\nfail")])
    with library.context(lm=asked.lm, adapter=getattr(library, adapter)(), trace=[]):
        prediction = called(agent, use_async, question="wö?", hops=2, **call)
        steps = [(list(given), list(outputs)) for _, given, outputs in library.settings.trace]
    return without_frames(asked.messages), without_frames(dict(prediction)), steps, agent.dump_state()


@pytest.mark.parametrize("use_async", [False, True])
def test_react_asks_the_same_through_tools_errors_and_truncation(use_async: bool) -> None:
    def ran(library: Any, use_async: bool) -> Any:
        too_long = library.ContextWindowExceededError(message="too long")
        answers = [
            step("one", "search", {"query": "é", "k": 2}),
            step("two", "describe", {"city": {"name": "Rome"}}),
            step("three", "risk", {"reason": "x"}),
            too_long,
            step("four", "finish", {}),
            too_long,
            FINAL,
        ]
        return react(library, answers, use_async)

    assert ran(dspex, use_async) == ran(dspy, False)


@pytest.mark.parametrize("turns", [0, 1])
def test_react_stops_after_max_iters_of_the_call(turns: int) -> None:
    answers: list[Answer] = [step("one", "search", {"query": "a"})] * turns + [FINAL]
    assert react(dspex, answers, False, max_iters=turns) == react(dspy, answers, False, max_iters=turns)


def test_react_ends_where_the_trajectory_cannot_be_shortened() -> None:
    def ran(library: Any) -> Any:
        too_long = library.ContextWindowExceededError(message="too long")
        return react(library, [step("one", "search", {"query": "a"}), too_long, FINAL], False)

    assert ran(dspex) == ran(dspy)


def test_react_asks_the_same_in_json() -> None:
    answers: list[Answer] = [
        json.dumps({"next_thought": "a", "next_tool_name": "search", "next_tool_args": {"query": "b"}}),
        json.dumps({"next_thought": "c", "next_tool_name": "finish", "next_tool_args": {}}),
        json.dumps({"reasoning": "r", "answer": "Paris"}),
    ]
    ours, theirs = (react(library, answers, False, adapter="JSONAdapter") for library in (dspex, dspy))
    assert ours == theirs


# ReActV2


def calls(thought: str, *wanted: tuple[str, dict[str, Any]]) -> str:
    listed = [{"name": name, "args": args} for name, args in wanted]
    return completion(next_thought=thought, tool_calls={"tool_calls": listed})


@pytest.mark.parametrize("use_async", [False, True])
@pytest.mark.parametrize("history", [None, {"messages": [{"question": "before", "answer": "x", "hops": 1}]}])
def test_react_v2_holds_the_same_conversation(use_async: bool, history: Any) -> None:
    def ran(library: Any, use_async: bool) -> Any:
        answers = [
            calls("a", ("search", {"query": "x"}), ("unknown", {}), ("fail", {"reason": "y"})),
            calls("b", ("submit", {"answer": "only one"})),
            calls("c", ("submit", {"answer": "Paris", "hops": 4})),
        ]
        asked = Asked(library, answers)
        agent = library.ReActV2("question -> answer, hops: int", tools=[search, fail], max_iters=2)
        given = {} if history is None else {"history": history}
        with library.context(lm=asked.lm, trace=[]):
            prediction = called(agent, use_async, question="q", **given)
        return without_frames(asked.messages), without_frames(dict(prediction)), agent.dump_state()

    assert ran(dspex, use_async) == ran(dspy, False)


# BestOfN and Refine


def two_steps(library: Any) -> Any:
    class Program(library.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.gist = library.Predict("question -> gist")
            self.solve = library.ChainOfThought("question, gist -> answer: int")

        def forward(self, question: str) -> Any:
            return self.solve(question=question, gist=self.gist(question=question).gist)

    return Program()


def reward(inputs: dict[str, Any], prediction: Any) -> float:
    return float(prediction.answer) / 100


def improving(prompt: str, number: int) -> str:
    if "`[[ ## advice ## ]]`" in prompt:
        return completion(discussion="bad", advice={"gist": f"say {number}", "solve.predict": "N/A"})
    if "`[[ ## gist ## ]]`" in prompt:
        return completion(gist=f"gist {number}")
    return completion(reasoning="r", answer=number)


@pytest.mark.parametrize("use_async", [False, True])
@pytest.mark.parametrize("name", ["BestOfN", "Refine"])
@pytest.mark.parametrize("threshold", [0.9, 0.03])
def test_repeated_tries_are_the_same_calls_under_the_same_rollouts(
    name: str, threshold: float, use_async: bool
) -> None:
    def ran(library: Any, use_async: bool) -> Any:
        asked = Asked(library, improving)
        module = getattr(library, name)(two_steps(library), N=3, reward_fn=reward, threshold=threshold)
        with library.context(lm=asked.lm, trace=[]):
            prediction = called(module, use_async, question="why?")
            steps = [(given, dict(outputs)) for _, given, outputs in library.settings.trace]
        return asked.messages, asked.sampling, dict(prediction), steps

    assert ran(dspex, use_async) == ran(dspy, False)


def test_tries_start_at_the_rollout_of_the_lm() -> None:
    def ran(library: Any) -> Any:
        asked = Asked(library, improving)
        module = library.BestOfN(two_steps(library), N=2, reward_fn=reward, threshold=1.0)
        with library.context(lm=asked.lm.copy(rollout_id=7, temperature=0.5), trace=[]):
            module(question="why?")
        return asked.sampling

    assert ran(dspex) == ran(dspy)


# MultiChainComparison, majority, KNN


@pytest.mark.parametrize("as_predictions", [True, False])
def test_comparison_asks_the_same(as_predictions: bool) -> None:
    def ran(library: Any) -> Any:
        attempts: list[Any] = [
            {"rationale": "think\nmore", "answer": " blue \nnot green"},
            {"reasoning": " recall", "answer": "green"},
            {"rationale": "guess", "reasoning": "not this", "answer": "7"},
        ]
        if as_predictions:
            attempts = [library.Prediction(**attempt) for attempt in attempts]
        asked = Asked(library, [completion(rationale="so", answer="blue")])
        compare = library.MultiChainComparison("question -> answer", M=3, temperature=0.3)
        with library.context(lm=asked.lm):
            prediction = compare(completions=attempts, question="which?")
        return asked.messages, asked.sampling, dict(prediction), compare.dump_state()

    assert ran(dspex) == ran(dspy)


@pytest.mark.parametrize(
    "values",
    [["a", "b", "b"], ["a", "b"], ["The cat", "cat!", "dog"], ["", "the", "x"], ["", "a"], ["x"], ["B", "b", "A", "a"]],
)
@pytest.mark.parametrize("normalize", ["default", None, str.lower])
def test_majority_chooses_the_same(values: list[str], normalize: Any) -> None:
    def ran(library: Any) -> Any:
        rows = [{"why": str(number), "answer": value} for number, value in enumerate(values)]
        options = {} if normalize == "default" else {"normalize": normalize}
        as_list = library.majority(rows, **options)
        signature = library.Signature("question -> why, answer")
        prediction = library.Prediction.from_completions(rows, signature=signature)
        of_prediction = library.majority(prediction, **options)
        of_field = library.majority(prediction.completions, field="why", **options)
        return [dict(found) for found in (as_list, of_prediction, of_field)]

    assert ran(dspex) == ran(dspy)


def test_neighbours_are_the_same() -> None:
    def ran(library: Any) -> Any:
        texts = ["red apple", "green apple", "fast car", "slow car", "apple pie"]
        train = [library.Example(text=text, note=str(n)).with_inputs("text") for n, text in enumerate(texts)]
        knn = library.KNN(k=3, trainset=train, vectorizer=library.Embedder(library.utils.DummyVectorizer()))
        return [example.note for example in knn(text="an apple")]

    assert ran(dspex) == ran(dspy)
