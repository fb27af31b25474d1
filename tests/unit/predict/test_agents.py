"""ReAct and ReActV2: tools of every kind, errors that become observations, and what is refused before any LM call."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.answering import AnsweringLM, FailingLM

import dspex
from dspex.bridge import run_sync
from dspex.errors import ContextWindowExceededError, LMAuthError, LMNotConfiguredError, UsageError
from dspex.predict import ReAct, ReActV2


def steps(*answers: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    """The answers in order."""
    waiting: Iterator[dict[str, Any]] = iter(answers)
    return lambda prompt: next(waiting)


def use(tool: str, **args: Any) -> dict[str, Any]:
    return {"next_thought": "t", "next_tool_name": tool, "next_tool_args": json.dumps(args)}


DONE = {"reasoning": "r", "answer": "Paris"}


def double(n: int) -> int:
    return 2 * n


async def later(n: int) -> int:
    await asyncio.sleep(0)
    return 3 * n


def test_a_trajectory_holds_each_thought_tool_arguments_and_observation() -> None:
    agent = ReAct("question -> answer", tools=[double])
    with dspex.context(lm=AnsweringLM(steps(use("double", n=4), use("finish"), DONE))):
        prediction = agent(question="q")
    assert prediction.answer == "Paris"
    assert prediction.trajectory == {
        "thought_0": "t", "tool_name_0": "double", "tool_args_0": {"n": 4}, "observation_0": 8,
        "thought_1": "t", "tool_name_1": "finish", "tool_args_1": {}, "observation_1": "Completed.",
    }  # fmt: skip


async def test_tools_may_be_async_however_the_agent_is_called() -> None:
    agent = ReAct("question -> answer", tools=[later, double])
    answers = (use("later", n=1), use("double", n=1), use("finish"), DONE)
    with dspex.context(lm=AnsweringLM(steps(*answers, *answers)), allow_tool_async_sync_conversion=True):
        for prediction in (await agent.acall(question="q"), await run_sync(agent, question="q")):
            assert [prediction.trajectory[f"observation_{n}"] for n in (0, 1)] == [3, 2]


def test_a_tools_error_is_told_with_the_tools_own_frames_first() -> None:
    def deep(n: int) -> None:
        raise LookupError(f"no {n}")

    agent = ReAct("question -> answer", tools=[deep])
    with dspex.context(lm=AnsweringLM(steps(use("deep", n=7), use("finish"), DONE))):
        told = agent(question="q").trajectory["observation_0"]
    assert told.startswith("Execution error in deep: \nTraceback (most recent call last):")
    assert told.endswith("LookupError: no 7")
    assert "in deep" in told
    assert "/dspex/" not in told


def test_wrong_arguments_are_an_observation_too() -> None:
    agent = ReAct("question -> answer", tools=[double])
    with dspex.context(lm=AnsweringLM(steps(use("double", m=1), use("finish"), DONE))):
        told = agent(question="q").trajectory["observation_0"]
    assert "Execution error in double" in told
    assert "Arg m is not in the tool's args" in told


def test_another_way_to_truncate_is_used_both_ways() -> None:
    class Forgetful(ReAct):
        def truncate_trajectory(self, trajectory: dict[str, Any]) -> dict[str, Any]:
            return {"thought_0": "all forgotten"}

    for call in (lambda agent: agent(question="q"), lambda agent: asyncio.run(agent.acall(question="q"))):
        lm = FailingLM(steps(use("finish"), DONE), ContextWindowExceededError("too long"))
        with dspex.context(lm=lm):
            assert call(Forgetful("question -> answer", tools=[double])).answer == "Paris"
        assert "all forgotten" in lm.requests[1]["messages"][-1]["content"]


def test_three_truncations_are_the_most() -> None:
    class Stubborn(ReAct):
        def truncate_trajectory(self, trajectory: dict[str, Any]) -> dict[str, Any]:
            return trajectory

    lm = FailingLM(steps(DONE), *[ContextWindowExceededError("too long") for _ in range(6)])
    with dspex.context(lm=lm), pytest.raises(ContextWindowExceededError, match="3 attempts"):
        Stubborn("question -> answer", tools=[double])(question="q")
    assert len(lm.requests) == 6


def test_set_up_errors_are_raised_and_not_taken_for_a_wrong_choice() -> None:
    agent = ReAct("question -> answer", tools=[double])
    with dspex.context(lm=None), pytest.raises(LMNotConfiguredError):
        agent(question="q")
    with dspex.context(lm=FailingLM(steps(DONE), LMAuthError("no"))), pytest.raises(LMAuthError):
        agent(question="q")


def test_an_agents_predictors_are_react_and_extract() -> None:
    agent = ReAct("question -> answer", tools=[double])
    assert [name for name, _ in agent.named_predictors()] == ["react", "extract.predict"]
    assert list(agent.tools) == ["double", "finish"]


def test_replacing_finish_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ReAct("question -> answer", tools=[dspex.Tool(double, name="finish")])
    assert "`finish`" in caplog.text


@pytest.mark.parametrize(
    ("signature", "tools", "options", "told"),
    [
        ("question -> answer", double, {}, "tools="),
        ("question -> answer", "double", {}, "tools='double'"),
        ("question -> answer", [double, 3], {}, r"tools\[1\]=3"),
        ("question -> answer", [double, double], {}, "two tools are called 'double'"),
        ("question -> answer", [double], {"max_iters": -1}, "max_iters=-1"),
        ("trajectory -> answer", [double], {}, "`trajectory`"),
        ("question -> next_thought", [double], {}, "`next_thought`"),
    ],
)
def test_bad_agents_are_refused(signature: str, tools: Any, options: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        ReAct(signature, tools, **options)


# ReActV2


def say(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    listed = [{"name": name, "args": args} for name, args in calls]
    return {"next_thought": "t", "tool_calls": json.dumps({"tool_calls": listed})}


def test_a_conversation_ends_with_submit_and_leaves_the_callers_history_alone() -> None:
    agent = ReActV2("question -> answer", tools=[double])
    before = dspex.History(messages=[{"question": "old", "answer": "x"}])
    answers = steps(say(("double", {"n": 2}), ("double", {"n": 3})), say(("submit", {"answer": "Paris"})))
    with dspex.context(lm=AnsweringLM(answers)):
        prediction = agent(question="q", history=before)
    assert (prediction.answer, prediction.termination_reason) == ("Paris", "submit")
    results = prediction.history.messages[1]["tool_calls"].tool_call_results.tool_call_results
    assert [result.value for result in results] == [4, 6]
    assert len(before.messages) == 1


async def test_async_tools_and_a_forced_submit() -> None:
    agent = ReActV2("question -> answer", tools=[later], max_iters=1)
    with dspex.context(lm=AnsweringLM(steps(say(("later", {"n": 2})), say(("submit", {"answer": "late"}))))):
        prediction = await agent.acall(question="q")
    assert (prediction.answer, prediction.termination_reason) == ("late", "forced_submit")


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        ([("double", {"n": 1})], "after max_iters: no submit call"),
        ([("submit", {})], "(?s)submit failed.*Missing required final output field"),
    ],
)
def test_no_final_outputs_are_an_error(calls: Any, told: str) -> None:
    agent = ReActV2("question -> answer", tools=[double], max_iters=1)
    lm = AnsweringLM(steps(say(("double", {"n": 2})), say(*calls)))
    with dspex.context(lm=lm), pytest.raises(ValueError, match=told):
        agent(question="q")


@pytest.mark.parametrize(
    ("signature", "tools", "told"),
    [
        ("question -> history", [], "`history`"),
        ("tools -> answer", [], "`tools`"),
        ("question -> answer", [dspex.Tool(double, name="submit")], "`submit`"),
    ],
)
def test_names_that_the_agent_needs_itself_are_refused(signature: str, tools: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        ReActV2(signature, tools)
