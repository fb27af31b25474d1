"""Who is called, where, and how often: LMs with a `__call__` of their own, adapters that wait, streams, callbacks."""

from __future__ import annotations

import threading
from typing import Any
from unittest import mock

import pydantic
import pytest
from fake_lm import FakeLM, InstantLM

import dspex
from dspex.adapters import Adapter, ChatAdapter, JSONAdapter, Tool, ToolCalls, Type
from dspex.adapters.types.tool import ToolCallResults
from dspex.callback import BaseCallback
from dspex.clients.call_context import stream_emitted
from dspex.errors import AdapterParseError, ContextWindowExceededError, UsageError
from dspex.signatures import InputField, OutputField, Signature, make_signature

QA = Signature("question -> answer", "Answer.")
GOOD = "[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]"


# The LM's own call


class Noting(InstantLM):
    """Overrides the synchronous call, as suffices for DSPy's synchronous programs."""

    def __call__(self, *args: Any, **kwargs: Any) -> list[Any]:
        self.thread = threading.current_thread()
        return super().__call__(*args, **kwargs)


def test_an_lm_with_a_call_of_its_own_is_called_in_the_callers_thread() -> None:
    lm = Noting(GOOD)
    assert ChatAdapter()(lm, {}, QA, [], {"question": "q"}) == [{"answer": "Paris"}]
    assert lm.thread is threading.current_thread()


def test_its_fallback_is_asked_for_in_the_same_way() -> None:
    lm = mock.MagicMock(spec=dspex.LM)
    lm.side_effect = [["nonsense"], ['{"answer": "Paris"}']]
    assert ChatAdapter()(lm, {}, QA, [], {"question": "q"}) == [{"answer": "Paris"}]
    assert lm.call_count == 2


async def test_asynchronous_code_awaits_the_lm() -> None:
    lm = mock.MagicMock(spec=dspex.LM)
    lm.acall.return_value = [GOOD]
    assert await ChatAdapter().acall(lm, {}, QA, [], {"question": "q"}) == [{"answer": "Paris"}]


class Doubting(ChatAdapter):
    """Asks an LM while it parses, in synchronous code, as DSPy's TwoStepAdapter does."""

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        sure = dspex.Predict("claim -> answer")(claim=completion, lm=InstantLM(GOOD))
        return {"answer": f"{completion}, or {sure.answer}"}


@pytest.mark.parametrize("lm", [InstantLM("Rome"), Noting("Rome"), FakeLM("Rome")])
def test_a_users_adapter_may_ask_while_it_parses(lm: Any) -> None:
    assert Doubting()(lm, {}, QA, [], {"question": "q"}) == [{"answer": "Rome, or Paris"}]


async def test_also_on_an_event_loop() -> None:
    assert await Doubting().acall(InstantLM("Rome"), {}, QA, [], {"question": "q"}) == [{"answer": "Rome, or Paris"}]


class Partial(Adapter):
    def format(self, signature: Any, demos: Any, inputs: Any) -> Any:
        return [{"role": "user", "content": "x"}]

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        return {"unknown": 1}


def test_what_a_users_parse_leaves_out_is_filled_in() -> None:
    signature = Signature("q -> a").append("b", OutputField(default="d"))
    assert Partial()(FakeLM("x"), {}, signature, [], {}) == [{"a": None, "b": "d"}]


# The fallback


@pytest.mark.parametrize("error", [ContextWindowExceededError("too long"), RuntimeError("bug"), ValueError("bad")])
async def test_only_answers_that_cannot_be_read_are_asked_for_again(error: Exception) -> None:
    class Failing(FakeLM):
        async def acall(self, **kwargs: Any) -> list[Any]:
            self.asked.append(kwargs)
            raise error

    lm = Failing()
    with pytest.raises(type(error)):
        await ChatAdapter().acall(lm, {}, QA, [], {"question": "q"})
    assert len(lm.asked) == 1


async def test_an_answer_that_was_shown_already_is_not_asked_for_again() -> None:
    class Streaming(FakeLM):
        async def acall(self, **kwargs: Any) -> list[Any]:
            stream_emitted()
            return await super().acall(**kwargs)

    lm = Streaming("nonsense", "unused")
    with pytest.raises(AdapterParseError):
        await ChatAdapter().acall(lm, {}, QA, [], {"question": "q"})
    assert len(lm.asked) == 1


# Tools


def find(place: str) -> str:
    return place


class Caller(FakeLM):
    supports_function_calling = True


WITH_TOOLS = make_signature(
    {"question": (str, InputField()), "tools": (list[Tool], InputField()), "calls": (ToolCalls, OutputField())}
)
CALL = {"id": "1", "function": {"name": "find", "arguments": '{"place": "x"}'}}


def call_tools(lm: Any, **inputs: Any) -> Any:
    adapter = ChatAdapter(use_native_function_calling=True, use_json_adapter_fallback=False)
    return adapter(lm, {}, WITH_TOOLS, [], {"question": "q", **inputs})


def test_functions_are_tools_and_one_of_them_is_a_list() -> None:
    lm = Caller({"text": None, "tool_calls": [CALL]})
    (found,) = call_tools(lm, tools=find)
    assert [tool["function"]["name"] for tool in lm.asked[0]["tools"]] == ["find"]
    assert found["calls"].tool_calls[0].args == {"place": "x"}


def test_tools_that_are_missing_are_named() -> None:
    with pytest.raises(UsageError, match=r"'tools'.*'calls'"):
        call_tools(Caller())


@pytest.mark.parametrize("arguments", ["nonsense", '"x"', "[" * 5_000])
def test_malformed_calls_are_a_parse_error(arguments: str) -> None:
    call = {"function": {"name": "find", "arguments": arguments}}
    with pytest.raises(AdapterParseError, match="malformed tool calls"):
        call_tools(Caller({"text": None, "tool_calls": [call]}), tools=[find])


@pytest.mark.parametrize("call", [{}, {"function": None}, {"function": {"name": None, "arguments": "{}"}}, "x", 1])
def test_calls_without_a_name_are_a_parse_error(call: Any) -> None:
    with pytest.raises(AdapterParseError):
        call_tools(Caller({"text": None, "tool_calls": [call]}), tools=[find])


def test_the_responses_api_tells_the_item_from_the_call() -> None:
    call = {"id": "fc_1", "call_id": "call_1", "name": "find", "arguments": '{"place": "x"}', "type": "function_call"}
    (found,) = call_tools(Caller({"text": None, "tool_calls": [call]}), tools=[find])
    assert found["calls"].tool_calls[0].id == "call_1"


def test_a_plain_answer_to_a_signature_of_tool_calls_alone_calls_nothing() -> None:
    adapter = JSONAdapter()
    assert adapter(Caller("No need."), {}, WITH_TOOLS, [], {"question": "q", "tools": [find]}) == [{"calls": None}]


def test_prompts_without_the_native_fields_are_kept_too() -> None:
    lm = Caller(*[{"text": None, "tool_calls": [CALL]}] * 2)
    call_tools(lm, tools=[find]), call_tools(lm, tools=[find])
    first, second = (asked["messages"] for asked in lm.asked)
    assert first.stable is second.stable
    assert "find" not in str([*first])


def test_results_of_tools_are_shown_to_lms_without_native_calls_as_a_turn() -> None:
    calls = ToolCalls.from_dict_list([{"name": "find", "args": {}}])
    results = ToolCallResults.from_tool_calls_and_values(calls, ["there"])
    turn = {"question": "one", "calls": calls.model_copy(update={"tool_call_results": results})}
    signature = WITH_TOOLS.append("history", InputField(), dspex.History)
    inputs = {"question": "two", "tools": [Tool(find)], "history": dspex.History(messages=[turn])}
    messages = ChatAdapter().format(signature, [], inputs)
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user", "user"]
    assert "there" in messages[3]["content"]
    assert "there" not in messages[2]["content"]


class Loud(Type):
    """Delivered beside the text, and malformed there."""

    text: str

    @classmethod
    def parse_lm_response(cls, response: Any) -> Any:
        return cls.model_validate({"text": 1})


def test_what_a_type_cannot_read_beside_the_text_is_a_parse_error() -> None:
    signature = QA.append("loud", OutputField(default=None), Loud)
    adapter = ChatAdapter(native_response_types=[Loud], use_json_adapter_fallback=False)
    with pytest.raises(AdapterParseError, match="text"):
        adapter(FakeLM(GOOD), {}, signature, [], {"question": "q"})


# Callbacks


class Listener(BaseCallback):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def on_adapter_format_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.heard.append(("format", type(instance).__name__, sorted(inputs)))

    def on_adapter_parse_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.heard.append(("parse", type(instance).__name__, sorted(inputs)))


class Polite(JSONAdapter):
    def format(self, signature: Any, demos: Any, inputs: Any) -> Any:
        return [*super().format(signature, demos, inputs), {"role": "user", "content": "Please."}]

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        return super().parse(signature, completion)


@pytest.mark.parametrize("kind", [ChatAdapter, JSONAdapter, Polite])
def test_callbacks_hear_of_direct_calls_and_of_each_once(kind: Any) -> None:
    listener = Listener()
    adapter = kind(callbacks=[listener])
    adapter.format(QA, demos=[], inputs={"question": "q"})
    with pytest.raises(AdapterParseError):
        adapter.parse(QA, "nonsense")
    name = kind.__name__
    expected = [("format", name, ["demos", "inputs", "signature"]), ("parse", name, ["completion", "signature"])]
    assert listener.heard == expected


# Structured outputs


class Answer(pydantic.BaseModel):
    text: str


def test_the_class_for_structured_outputs_is_made_once() -> None:
    lm = FakeLM(*['{"answer": {"text": "x"}}'] * 2, schemas=True)
    signature = make_signature({"question": (str, InputField()), "answer": (Answer, OutputField())})
    for _ in range(2):
        assert JSONAdapter()(lm, {}, signature, [], {"question": "q"}) == [{"answer": Answer(text="x")}]
    first, second = (asked["response_format"] for asked in lm.asked)
    assert first is second
    first.model_json_schema()["properties"].clear()
    assert "answer" in first.model_json_schema()["properties"]
