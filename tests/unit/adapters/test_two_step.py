"""Two steps: a first LM answers freely, a second one reads the outputs from the answer."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from fake_lm import FakeLM, InstantLM

import dspex
from dspex.adapters import History, TwoStepAdapter, Type
from dspex.errors import AdapterParseError, LMRateLimitError
from dspex.signatures import InputField, OutputField, Signature, make_signature

QA = Signature("question -> answer: int", "Count.")
FOUND = "[[ ## answer ## ]]\n42\n\n[[ ## completed ## ]]"


def test_the_second_lm_reads_the_answer_of_the_first() -> None:
    second = InstantLM(FOUND)
    with dspex.context(lm=InstantLM("It is forty-two."), adapter=TwoStepAdapter(second)):
        assert dspex.Predict(QA)(question="How many?").answer == 42
    asked = second.history[-1]["messages"]
    assert "It is forty-two." in asked[-1]["content"]
    assert "`answer` (int)" in asked[0]["content"]


async def test_asynchronously_too() -> None:
    with dspex.context(lm=InstantLM("It is forty-two."), adapter=TwoStepAdapter(InstantLM(FOUND))):
        assert (await dspex.Predict(QA).acall(question="How many?")).answer == 42


def test_mocked_lms_are_called_as_they_were_asked_to_be() -> None:
    first, second = mock.MagicMock(spec=dspex.LM), mock.MagicMock(spec=dspex.LM)
    first.kwargs, second.kwargs = {}, {}
    first.return_value, second.return_value = ["forty-two"], [FOUND]
    with dspex.context(lm=first, adapter=TwoStepAdapter(second)):
        assert dspex.Predict(QA)(question="How many?").answer == 42
    assert first.call_args.kwargs["messages"][-1] == {"role": "user", "content": "question: How many?"}
    assert "forty-two" in second.call_args.kwargs["messages"][-1]["content"]


async def test_mocked_lms_are_awaited_in_asynchronous_code() -> None:
    first, second = mock.MagicMock(spec=dspex.LM), mock.MagicMock(spec=dspex.LM)
    first.kwargs, second.kwargs = {}, {}
    first.acall.return_value = ["forty-two"]
    second.acall.return_value = [FOUND]
    with dspex.context(lm=first, adapter=TwoStepAdapter(second)):
        assert (await dspex.Predict(QA).acall(question="How many?")).answer == 42
    first.assert_not_called()


async def test_each_choice_is_read() -> None:
    lm = FakeLM(["one", {"text": "two", "logprobs": [1]}])
    found = await TwoStepAdapter(InstantLM(FOUND)).acall(lm, {}, QA, [], {"question": "q"})
    assert found == [{"answer": 42}, {"answer": 42, "logprobs": [1]}]


def test_what_the_second_lm_cannot_read_is_a_parse_error_of_this_adapter() -> None:
    with pytest.raises(AdapterParseError, match="Failed to parse response from the original completion") as caught:
        TwoStepAdapter(InstantLM("nothing")).parse(QA, "It is forty-two.")
    assert caught.value.adapter_name == "TwoStepAdapter"
    assert caught.value.lm_response == "It is forty-two."


def test_a_provider_that_fails_is_no_parse_error() -> None:
    class Refusing(InstantLM):
        def forward(self, *_: Any, **__: Any) -> Any:
            raise LMRateLimitError("slow down")

    with pytest.raises(LMRateLimitError):
        TwoStepAdapter(Refusing("")).parse(QA, "x")


@pytest.mark.parametrize("wrong", [None, "openai/gpt-4o-mini", object()])
def test_the_second_lm_must_be_one(wrong: Any) -> None:
    with pytest.raises(ValueError, match="extraction_model must be an instance of"):
        TwoStepAdapter(wrong)


class Picture(Type):
    url: str

    def format(self) -> list[dict[str, Any]]:
        return [{"type": "image_url", "image_url": {"url": self.url}}]


def test_histories_become_turns_and_pictures_parts() -> None:
    signature = make_signature(
        {
            "history": (History, InputField()),
            "picture": (Picture, InputField()),
            "answer": (str, OutputField()),
        }
    )
    history = History(messages=[{"picture": Picture(url="1"), "answer": "a"}])
    inputs = {"history": history, "picture": Picture(url="2")}
    messages = TwoStepAdapter(InstantLM("")).format(signature, [], inputs)
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[1]["content"][1] == {"type": "image_url", "image_url": {"url": "1"}}
    assert messages[3]["content"][1] == {"type": "image_url", "image_url": {"url": "2"}}
