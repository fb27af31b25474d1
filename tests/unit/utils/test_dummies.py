"""Users' own tests can script a language model and a retriever."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import dspex
from dspex.utils import DummyLM, DummyVectorizer, dummy_rm


def test_answers_of_a_list_come_in_order_and_then_no_more() -> None:
    lm = DummyLM([{"answer": "red"}, {"answer": "blue"}])
    with dspex.context(lm=lm):
        predict = dspex.Predict("question -> answer")
        assert [predict(question="Which colour?").answer for _ in range(3)] == ["red", "blue", "No more responses"]


def test_answer_is_that_of_the_text_the_question_contains() -> None:
    lm = DummyLM({"sky": {"answer": "blue"}, "grass": {"answer": "green"}})
    assert lm("the grass is") == ["[[ ## answer ## ]]\ngreen"]
    assert lm("the sea is") == ["No more responses"]


def test_answer_follows_the_demo_with_the_same_input() -> None:
    with dspex.context(lm=DummyLM([{"answer": "red"}], follow_examples=True)):
        predict = dspex.Predict("question -> answer")
        predict.demos = [
            dspex.Example(question="sky?", answer="blue"),
            dspex.Example(question="grass?", answer="green"),
        ]
        assert predict(question="sky?").answer == "blue"


def test_answers_with_reasoning_are_dicts() -> None:
    lm = DummyLM([{"answer": "a"}], reasoning=True)
    assert lm("?") == [{"text": "[[ ## answer ## ]]\na", "reasoning_content": "Some reasoning"}]


def test_answers_are_written_in_the_format_of_the_adapter() -> None:
    lm = DummyLM([{"answer": "a", "count": 3}], adapter=dspex.JSONAdapter())
    with dspex.context(lm=lm, adapter=dspex.JSONAdapter()):
        assert dspex.Predict("question -> answer, count: int")(question="?").count == 3


def test_several_answers_are_as_many_turns_of_the_script() -> None:
    assert DummyLM([{"a": "1"}, {"a": "2"}])("?", n=2) == ["[[ ## a ## ]]\n1", "[[ ## a ## ]]\n2"]


def test_conversation_can_be_looked_at() -> None:
    lm = DummyLM([{"answer": "a"}])
    lm(messages=[{"role": "user", "content": "hello"}])
    assert lm.get_convo(0) == ([{"role": "user", "content": "hello"}], ["[[ ## answer ## ]]\na"])


async def test_script_goes_on_from_synchronous_to_asynchronous_calls() -> None:
    lm = DummyLM([{"answer": "a"}, {"answer": "b"}])
    with dspex.context(lm=lm):
        predict = dspex.Predict("question -> answer")
        assert predict(question="?").answer == "a"
        assert (await predict.acall(question="?")).answer == "b"


def test_copy_shares_the_script_and_not_the_history() -> None:
    lm = DummyLM([{"answer": "a"}, {"answer": "b"}])
    other = lm.copy(rollout_id=1, temperature=1.0)
    lm("?")
    assert other("?") == ["[[ ## answer ## ]]\nb"]
    assert len(lm.history) == len(other.history) == 1


def test_subclass_may_block_or_wait() -> None:
    class Slow(DummyLM):
        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            time.sleep(0)
            return super().forward(prompt, messages, **kwargs)

    class Waiting(DummyLM):
        async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            import asyncio

            await asyncio.sleep(0)
            return await super().aforward(prompt, messages, **kwargs)

    assert (Slow.blocking, Slow.in_memory) == (True, False)
    assert Waiting.in_memory is False
    for kind in (Slow, Waiting):
        with dspex.context(lm=kind([{"answer": "a"}])):
            assert dspex.Predict("question -> answer")(question="?").answer == "a"


def test_retriever_finds_what_is_most_alike() -> None:
    retrieve = dummy_rm(["the sky is blue", "grass is green", "the sea is deep"])
    found = retrieve("grass green", k=1)
    assert [passage.long_text for passage in found] == ["grass is green"]


def test_retriever_without_passages_says_so() -> None:
    with pytest.raises(ValueError, match="No passages"):
        dummy_rm()("q", k=1)


def test_vectors_have_unit_length() -> None:
    vectors = DummyVectorizer()(["some text", "x"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1.0, 0.0], abs=1e-6)
