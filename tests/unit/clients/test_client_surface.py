"""What DSPy's users do with an LM besides asking it."""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from client_fakes import FakeTransport, completion, response

import dspex
from dspex.clients import LM, BaseLM
from dspex.clients.provider import Provider, ReinforceJob, TrainingJob
from dspex.clients.utils_finetune import TrainDataFormat, infer_data_format, save_data, validate_data_format
from dspex.clients.wires.openai.responses import as_responses_request
from dspex.errors import LMConfigurationError, LMUnsupportedFeatureError
from dspex.streaming.channel import Channel

Make = Callable[..., LM]


@pytest.mark.parametrize("model", ["", "openai/", 5])
def test_model_that_is_no_name_is_a_value_error(model: Any) -> None:
    with pytest.raises(ValueError, match="model"):
        LM(model)


async def test_number_of_answers_is_a_positive_integer(make_lm: Make) -> None:
    for n in (0, -1, True, "2"):
        with pytest.raises(ValueError, match="n must be a positive integer"):
            await make_lm().acall("hi", n=n)


async def test_vain_rollout_is_warned_of_once(make_lm: Make) -> None:
    lm = make_lm(temperature=0)
    with pytest.warns(UserWarning, match="rollout_id has no effect"):
        await lm.acall("hi", rollout_id=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await lm.acall("hi", rollout_id=2)
    with pytest.warns(UserWarning, match="rollout_id has no effect"):
        await lm.copy(rollout_id=3).acall("hi")


async def test_answer_that_was_cut_off_is_warned_of(make_lm: Make, caplog: pytest.LogCaptureFixture) -> None:
    cut = completion("Par")
    cut["choices"][0]["finish_reason"] = "length"
    lm = make_lm(FakeTransport(response(body=cut)), max_tokens=3)
    with caplog.at_level(logging.WARNING, "dspex"):
        await lm.acall("hi")
    assert "LM response was truncated due to exceeding max_tokens=3" in caplog.text


async def test_citations_are_part_of_the_output(make_lm: Make) -> None:
    cited = completion("Paris", provider_specific_fields={"citations": [[{"cited_text": "a"}], [{"cited_text": "b"}]]})
    (output,) = await make_lm(FakeTransport(response(body=cited))).acall("hi")
    assert output == {"text": "Paris", "citations": [{"cited_text": "a"}, {"cited_text": "b"}]}


async def test_responses_api_is_asked_in_its_own_form(make_lm: Make) -> None:
    answer = {
        "model": "served",
        "output": [
            {"type": "reasoning", "summary": [{"text": "hm"}]},
            {"type": "message", "content": [{"type": "output_text", "text": "Paris"}]},
            {"type": "function_call", "name": "find", "arguments": '{"x": 1}', "call_id": "c1"},
        ],
        "usage": {"input_tokens": 7, "output_tokens": 5},
    }
    transport = FakeTransport(response(body=answer))
    lm = make_lm(transport, model_type="responses", use_developer_role=True, max_tokens=20)
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    (output,) = await lm.acall(messages=messages)
    (url, _, _), (body,) = transport.sent[0], transport.bodies()
    assert url.endswith("/v1/responses")
    assert [(item["role"], item["content"][0]["text"]) for item in body["input"]] == [
        ("developer", "be brief"),
        ("user", "hi"),
    ]
    assert body["max_output_tokens"] == 20
    assert (output["text"], output["reasoning_content"]) == ("Paris", "hm")
    assert output["tool_calls"] == [
        {"type": "function", "function": {"name": "find", "arguments": '{"x": 1}'}, "id": "c1"}
    ]
    assert await lm.acall(messages=messages) == [output]  # from the ledger


def test_chat_requests_become_responses_requests() -> None:
    call = {"name": "f", "arguments": "{}"}
    request = {
        "model": "m",
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "low"}}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "function": call}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "done"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": None, "parameters": {}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "S", "schema": {}}},
    }
    asked = as_responses_request(request)
    assert asked["input"] == [
        {"role": "user", "content": [{"type": "input_image", "image_url": "u", "detail": "low"}]},
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
        {"type": "function_call_output", "output": "done", "call_id": "c"},
    ]
    assert asked["tools"] == [{"type": "function", "name": "f", "parameters": {}}]
    assert asked["tool_choice"] == {"type": "function", "name": "f"}
    assert asked["reasoning"] == {"effort": "low", "summary": "auto"}
    assert asked["text"]["format"] == {"type": "json_schema", "name": "S", "schema": {}}


def reply(text: str) -> Any:
    message = SimpleNamespace(content=text, tool_calls=None)
    return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage={}, model="own")


class Own(BaseLM):
    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        return reply("forward")

    async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        return reply("aforward")


class OwnLM(LM):
    forward = Own.forward
    aforward = Own.aforward


@pytest.mark.parametrize("lm", [Own("own"), OwnLM("openai/own")])
async def test_subclass_is_asked_by_the_method_of_its_callers_kind(lm: BaseLM) -> None:
    assert await lm.acall("hi") == ["aforward"]
    assert await asyncio.to_thread(lm, "hi") == ["forward"]


async def test_forward_of_an_instance_counts_too() -> None:
    lm = LM("openai/own")
    lm.forward = lambda prompt=None, messages=None, **_: reply("mine")  # type: ignore[method-assign]
    assert await lm.acall("hi") == ["mine"]


class Trainer(Provider):
    launched: list[Any] = []

    def __init__(self) -> None:
        super().__init__()
        self.finetunable = self.reinforceable = True
        self.ReinforceJob = Ready

    @staticmethod
    def launch(lm: Any, launch_kwargs: Any = None) -> None:
        Trainer.launched.append((lm.model, launch_kwargs))

    @staticmethod
    def finetune(job: Any, model: str, train_data: Any, train_data_format: Any, train_kwargs: Any = None) -> str:
        if not train_data:
            raise KeyError("no data")
        return f"{model}-trained"


class Ready(ReinforceJob):
    ready = False

    def initialize(self) -> None:
        self.ready = True


def test_provider_trains_and_launches() -> None:
    lm = LM("openai/base", provider=Trainer(), finetuning_model="openai/tunable")
    job = lm.finetune([{"messages": []}], TrainDataFormat.CHAT)
    assert isinstance(job, TrainingJob)
    assert job.result(10).model == "openai/tunable-trained"
    assert isinstance(lm.finetune([], TrainDataFormat.CHAT).result(10), KeyError)
    assert lm.reinforce({}).ready  # type: ignore[attr-defined]
    lm.launch({"gpus": 1})
    lm.kill()
    assert Trainer.launched == [("openai/base", {"gpus": 1})]


def test_provider_that_cannot_train_says_so() -> None:
    lm = LM("hosted_vllm/base", api_base="http://127.0.0.1:9/v1")
    assert type(lm.provider) is Provider
    with pytest.raises(LMUnsupportedFeatureError, match="does not support fine-tuning"):
        lm.finetune([], None)
    with pytest.raises(LMUnsupportedFeatureError, match="reinforcement"):
        lm.reinforce({})


def test_training_data_is_checked_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSPY_FINETUNEDIR", str(tmp_path))
    good = [{"messages": [{"role": "user", "content": "hi"}]}]
    validate_data_format(good, TrainDataFormat.CHAT)
    assert [json.loads(line) for line in Path(save_data(good)).read_text().splitlines()] == good
    for bad in ([5], [{}], [{"messages": 5}], [{"messages": [{"role": "x", "content": ""}]}]):
        with pytest.raises(ValueError, match="Data format errors found"):
            validate_data_format(bad, TrainDataFormat.CHAT)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Expected"):
        validate_data_format([{"prompt": 5, "completion": ""}], TrainDataFormat.COMPLETION)
    assert infer_data_format(dspex.ChatAdapter()) == "chat"


class Engine:
    """An engine of the user's, which keeps its own connection."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def complete(self, request: Any) -> Any:
        import lm15

        message = lm15.Message(role="assistant", parts=(lm15.TextPart(text=self.answer),))
        return lm15.Response(id="r", model=request.model, message=message, finish_reason="stop", usage=lm15.Usage())

    def dump_state(self) -> dict[str, Any]:
        return {"answer": self.answer}

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> Engine:
        return cls(**state)


async def test_engine_of_the_users_own_takes_the_networks_place(store: Any) -> None:
    pytest.importorskip("lm15")
    lm = LM("odd/model", engine=Engine("Paris"))
    assert await lm.acall("hi") == ["Paris"]
    assert await lm.copy(temperature=1.0).acall("hi") == ["Paris"]
    with pytest.raises(TypeError, match="complete"):
        LM("odd/model", engine=object())


def test_request_in_lm15s_types_is_answered_in_them(store: Any) -> None:
    lm15 = pytest.importorskip("lm15")
    asked: list[Any] = []

    class Asked(Engine):
        def complete(self, request: Any) -> Any:
            asked.append(request)
            return super().complete(request)

    lm = LM("odd/model", engine=Asked("Paris"), temperature=0.5)
    request = lm15.Request(model="odd/model", messages=(lm15.Message.user("hi"),), system="Be brief.")
    response = lm(request)
    assert isinstance(response, lm15.Response)
    assert response.text == "Paris"
    assert asked == [request]
    assert lm.history[-1]["outputs"] == ["Paris"]
    for wrong in ({"messages": []}, {"temperature": 1.0}):
        with pytest.raises(ValueError, match="Request"):
            lm(request, **wrong)
    with pytest.raises(ValueError, match="must match"):
        lm(lm15.Request(model="other", messages=(lm15.Message.user("hi"),)))


class StreamingEngine(Engine):
    def stream(self, request: Any) -> Any:
        import lm15

        yield lm15.StreamStartEvent(id="r", model=request.model)
        for text in ("Par", "is"):
            yield lm15.StreamDeltaEvent(delta=lm15.TextDelta(text=text))
        yield lm15.StreamDeltaEvent(delta=lm15.ToolCallDelta(input="{}", part_index=1, id="c", name="find"))
        yield lm15.StreamEndEvent(finish_reason="tool_call", usage=lm15.Usage(input_tokens=3, output_tokens=2))


@pytest.mark.parametrize("engine", [StreamingEngine("Paris"), Engine("Paris")])
async def test_engines_answer_is_streamed(engine: Engine) -> None:
    pytest.importorskip("lm15")
    channel = Channel()
    lm = LM("odd/model", engine=engine, cache=False)
    with dspex.context(send_stream=channel):
        (output,) = await lm.acall("hi")
    channel.end()
    sent = [item.choices[0].delta.content for item in [one async for one in channel][:-1]]
    if isinstance(engine, StreamingEngine):
        assert sent == ["Par", "is", None, None]
        assert output["tool_calls"] == [
            {"type": "function", "function": {"name": "find", "arguments": "{}"}, "id": "c"}
        ]
        assert lm.history[-1]["usage"]["prompt_tokens"] == 3
    else:
        assert (sent, output) == (["Paris", None], "Paris")


def test_engine_is_saved_with_its_lm_and_loaded_if_allowed() -> None:
    state = LM("odd/model", engine=Engine("Paris")).dump_state()
    assert state["engine"]["state"] == {"answer": "Paris"}
    with pytest.raises(ValueError, match="allow_unsafe_lm_state"):
        BaseLM.load_state(state)
    loaded = BaseLM.load_state(state, allow_custom_lm_class=True)
    assert loaded.engine.answer == "Paris"  # type: ignore[attr-defined]
    through = LM("odd/model", engine="litellm")
    assert BaseLM.load_state(through.dump_state()).engine == "litellm"  # type: ignore[attr-defined]


def test_reasoning_models_are_held_to_their_rules() -> None:
    with pytest.raises(LMConfigurationError, match="reasoning models"):
        LM("openai/gpt-5", temperature=0.5)
    assert LM("openai/gpt-5", max_tokens=16000).kwargs["max_completion_tokens"] == 16000
