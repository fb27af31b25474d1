"""A call through an adapter: what the LM is asked, what comes back, and what users may override."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from fake_lm import FakeLM

from dspex.adapters import Adapter, ChatAdapter, History, JSONAdapter, Type
from dspex.callback import BaseCallback
from dspex.errors import AdapterParseError, UsageError
from dspex.settings import context
from dspex.signatures import InputField, OutputField, Signature, make_signature

QA = Signature("question -> answer", "Answer.")
GOOD = "[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]"


async def ask(adapter: Adapter, lm: FakeLM, signature: Any = QA, kwargs: dict[str, Any] | None = None) -> Any:
    return await adapter.acall(lm, {} if kwargs is None else kwargs, signature, [], {"question": "Capital?"})


async def test_a_call_formats_asks_and_parses() -> None:
    lm = FakeLM(GOOD)
    assert await ask(ChatAdapter(), lm, kwargs={"temperature": 0.5}) == [{"answer": "Paris"}]
    assert lm.asked[0]["temperature"] == 0.5
    assert [message["role"] for message in lm.asked[0]["messages"]] == ["system", "user"]


def test_a_synchronous_call_is_the_same() -> None:
    assert ChatAdapter()(FakeLM(GOOD), {}, QA, [], {"question": "q"}) == [{"answer": "Paris"}]


async def test_each_answer_is_parsed_and_logprobs_are_kept() -> None:
    answers = [GOOD, {"text": GOOD.replace("Paris", "Rome"), "logprobs": [1]}, {"text": GOOD}]
    assert await ask(ChatAdapter(), FakeLM(answers)) == [
        {"answer": "Paris"},
        {"answer": "Rome", "logprobs": [1]},
        {"answer": "Paris"},
    ]


async def test_an_answer_that_cannot_be_parsed_is_asked_for_as_json() -> None:
    lm = FakeLM("nonsense", '{"answer": "Paris"}')
    assert await ask(ChatAdapter(), lm) == [{"answer": "Paris"}]
    assert lm.asked[1]["response_format"] == {"type": "json_object"}
    assert "Respond with a JSON object" in lm.asked[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    "import_line", ["from dspex import ChatAdapter", "from dspex.adapters.chat_adapter import ChatAdapter"]
)
def test_the_fallback_is_there_in_a_fresh_process(import_line: str) -> None:
    code = f"{import_line}; assert ChatAdapter()._json_fallback().__class__.__name__ == 'JSONAdapter'"
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_when_the_fallback_fails_too_its_error_is_raised() -> None:
    with pytest.raises(AdapterParseError) as caught:
        await ask(ChatAdapter(), FakeLM("nonsense", "more nonsense"))
    assert caught.value.adapter_name == "JSONAdapter"
    assert caught.value.lm_response == "more nonsense"


async def test_the_fallback_can_be_turned_off() -> None:
    lm = FakeLM("nonsense", "unused")
    with pytest.raises(AdapterParseError) as caught:
        await ask(ChatAdapter(use_json_adapter_fallback=False), lm)
    assert caught.value.adapter_name == "ChatAdapter"
    assert len(lm.asked) == 1


async def test_an_error_of_the_lm_is_not_asked_again() -> None:
    class Broken(FakeLM):
        async def acall(self, **kwargs: Any) -> list[Any]:
            self.asked.append(kwargs)
            raise RuntimeError("down")

    lm = Broken()
    with pytest.raises(RuntimeError, match="down"):
        await ask(ChatAdapter(), lm)
    assert len(lm.asked) == 1


@pytest.mark.parametrize("empty", ["", None, {"text": None}, {"text": ""}])
async def test_an_empty_answer_is_a_parse_error(empty: Any) -> None:
    with pytest.raises(AdapterParseError, match="empty"):
        await ask(ChatAdapter(use_json_adapter_fallback=False), FakeLM([empty]))


@pytest.mark.parametrize(
    ("spelled", "schemas", "expected"),
    [
        ("question -> answer", True, "json_schema"),
        ("question -> answer: Optional[int]", True, "json_schema"),
        ("question -> answer", False, "json_object"),
        ("question -> answer: dict[str, int]", True, "json_object"),
        ("question -> answer: list[dict[str, int]]", True, "json_object"),
        ("question -> answer: Any", True, "json_object"),
    ],
)
async def test_structured_outputs_are_asked_for_where_they_can_be(spelled: str, schemas: bool, expected: str) -> None:
    lm = FakeLM('{"answer": null}', schemas=schemas)
    asked = Signature(spelled)
    if expected == "json_schema" and "Optional" not in spelled:
        lm.answers = ['{"answer": "x"}']
    if "dict" in spelled:
        lm.answers = ['{"answer": {}}'] if "list" not in spelled else ['{"answer": []}']
    await ask(JSONAdapter(), lm, asked)
    asked_for = lm.asked[0]["response_format"]
    assert isinstance(asked_for, type) if expected == "json_schema" else asked_for == {"type": expected}


async def test_a_strict_schema_closes_every_object() -> None:
    lm = FakeLM('{"answer": "x"}', schemas=True)
    await ask(JSONAdapter(), lm)
    model = lm.asked[0]["response_format"]
    assert model.__name__ == "DSPyProgramOutputs"
    assert model.model_json_schema()["required"] == ["answer"]
    assert model.model_json_schema()["additionalProperties"] is False


async def test_an_lm_that_takes_no_response_format_gets_none_and_the_callers_own_is_kept() -> None:
    lm = FakeLM('{"answer": "x"}', '{"answer": "x"}', params=())
    await ask(JSONAdapter(), lm)
    assert "response_format" not in lm.asked[0]
    lm.supported_params = {"response_format"}
    await ask(JSONAdapter(), lm, kwargs={"response_format": {"type": "text"}})
    assert lm.asked[1]["response_format"] == {"type": "text"}


async def test_the_callers_arguments_are_left_alone() -> None:
    kwargs: dict[str, Any] = {"tools": [1]}
    lm = FakeLM("x", '{"answer": "x"}')
    await ask(ChatAdapter(), lm, kwargs=kwargs)
    assert kwargs == {"tools": [1]}
    assert "tools" not in lm.asked[0]


async def test_an_output_type_that_nothing_can_be_read_as_is_refused_before_a_call() -> None:
    class Plain:
        pass

    lm = FakeLM(GOOD)
    with pytest.raises(UsageError, match=r"'answer'.*Plain"):
        await ask(
            ChatAdapter(), lm, make_signature({"question": (str, InputField()), "answer": (Plain, OutputField())})
        )
    assert lm.asked == []


async def test_missing_optional_outputs_get_their_defaults() -> None:
    signature = Signature("question -> answer, extra: Optional[int]").append("more", OutputField(default="d"))
    assert await ask(ChatAdapter(), FakeLM(GOOD), signature) == [{"answer": "Paris", "extra": None, "more": "d"}]


def test_the_error_says_what_was_missing() -> None:
    with pytest.raises(AdapterParseError) as caught:
        ChatAdapter().parse(Signature("q -> a, b"), "[[ ## a ## ]]\nx")
    assert caught.value.parsed_result == {"a": "x"}
    with pytest.raises(AdapterParseError, match="Failed to parse field a with value many"):
        ChatAdapter().parse(Signature("q -> a: int"), "[[ ## a ## ]]\nmany")


# What users override


class Shouting(ChatAdapter):
    """Changes what the base formats and parses, in place, as DSPy's users do."""

    def format(self, signature: Any, demos: Any, inputs: Any) -> Any:
        messages = super().format(signature, demos, inputs)
        messages[0]["content"] += "\nSHOUT."
        return messages

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        return {name: value.upper() for name, value in super().parse(signature, completion).items()}


async def test_a_subclass_may_change_messages_and_values_without_reaching_others() -> None:
    lm = FakeLM(GOOD, GOOD)
    assert await ask(Shouting(), lm) == [{"answer": "PARIS"}]
    assert lm.asked[0]["messages"][0]["content"].endswith("SHOUT.")
    assert await ask(ChatAdapter(), lm) == [{"answer": "Paris"}]
    assert "SHOUT" not in lm.asked[1]["messages"][0]["content"]


class Counting(ChatAdapter):
    """Renders something else each time; nothing of it may be kept."""

    count = 0

    def format_task_description(self, signature: Any) -> str:
        self.count += 1
        return f"Number {self.count}."


def test_what_a_users_method_renders_is_not_kept() -> None:
    adapter = Counting()
    said = [adapter.format(QA, [], {"question": "q"})[0]["content"][-9:] for _ in range(2)]
    assert said == ["Number 1.", "Number 2."]


class OnlyCall(ChatAdapter):
    """Overrides the synchronous call alone, as suffices in DSPy's synchronous programs."""

    def __call__(self, lm: Any, lm_kwargs: Any, signature: Any, demos: Any, inputs: Any) -> Any:
        return [
            {"answer": f"<{found['answer']}>"} for found in super().__call__(lm, lm_kwargs, signature, demos, inputs)
        ]


async def test_an_override_of_the_synchronous_call_alone_is_used() -> None:
    assert await ask(OnlyCall(), FakeLM("x", '{"answer": "y"}')) == [{"answer": "<y>"}]


class OnlyAcall(ChatAdapter):
    async def acall(self, lm: Any, lm_kwargs: Any, signature: Any, demos: Any, inputs: Any) -> Any:
        return [*await super().acall(lm, lm_kwargs, signature, demos, inputs), {"answer": "mine"}]


def test_an_override_of_the_asynchronous_call_alone_is_used() -> None:
    assert OnlyAcall()(FakeLM(GOOD), {}, QA, [], {})[-1] == {"answer": "mine"}


class FromScratch(Adapter):
    def format(self, signature: Any, demos: Any, inputs: Any) -> Any:
        return [{"role": "user", "content": inputs["question"]}]

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        return {"answer": completion}


async def test_an_adapter_from_scratch_needs_format_and_parse_only() -> None:
    lm = FakeLM("Paris")
    assert await ask(FromScratch(), lm) == [{"answer": "Paris"}]
    assert lm.asked[0]["messages"] == [{"role": "user", "content": "Capital?"}]


class Listener(BaseCallback):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_adapter_format_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.heard.append(f"format {sorted(inputs)}")

    def on_adapter_parse_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self.heard.append(f"parsed {outputs} {type(exception).__name__}")


async def test_callbacks_hear_of_format_and_parse() -> None:
    own, everywhere = Listener(), Listener()
    with context(callbacks=[everywhere]):
        await ask(ChatAdapter(callbacks=[own]), FakeLM("nonsense", '{"answer": "x"}'))
    formatted = "format ['demos', 'inputs', 'signature']"
    assert own.heard == [formatted, "parsed None AdapterParseError", formatted, "parsed {'answer': 'x'} NoneType"]
    assert everywhere.heard == own.heard


async def test_a_type_may_be_delivered_beside_the_text() -> None:
    class Thoughts(Type):
        text: str = ""

        @classmethod
        def adapt_to_native_lm_feature(cls, signature: Any, field_name: str, lm: Any, lm_kwargs: dict[str, Any]) -> Any:
            lm_kwargs["think"] = True
            return signature.delete(field_name)

        @classmethod
        def parse_lm_response(cls, response: Any) -> Any:
            return cls(text=response["thoughts"]) if "thoughts" in response else None

    signature = QA.append("thoughts", OutputField(), Thoughts)
    lm = FakeLM([{"text": GOOD, "thoughts": "hm"}, {"text": GOOD}])
    first, second = await ask(ChatAdapter(native_response_types=[Thoughts]), lm, signature)
    assert first == {"answer": "Paris", "thoughts": Thoughts(text="hm")}
    assert second == {"answer": "Paris", "thoughts": None}
    assert lm.asked[0]["think"] is True
    assert "thoughts" not in lm.asked[0]["messages"][0]["content"]


def test_a_history_becomes_turns_and_is_left_as_it_was() -> None:
    signature = make_signature(
        {"question": (str, InputField()), "history": (History, InputField()), "answer": (str, OutputField())}
    )
    inputs = {"question": "And now?", "history": History(messages=[{"question": "First?", "answer": "One."}])}
    messages = ChatAdapter().format(signature, [], inputs)
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert "history" in inputs
