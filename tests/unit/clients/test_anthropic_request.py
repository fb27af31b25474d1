"""What is sent to Anthropic: what its own SDK would send, and nothing that its types do not know."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdk_server import serving

from dspex.clients.canonical.prompt import Prefix, Prompt
from dspex.clients.wires.anthropic.messages import ANTHROPIC
from dspex.errors import LMUnsupportedFeatureError, UsageError

anthropic = pytest.importorskip("anthropic")

REQUEST = pydantic.TypeAdapter(anthropic.types.message_create_params.MessageCreateParamsNonStreaming)
URL = "https://api.anthropic.com/v1/messages"
ASK = [{"role": "user", "content": "hi"}]
TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": {"properties": {"at": {"type": "string"}}}},
}
PNG = base64.b64encode(b"png").decode()


class Answer(pydantic.BaseModel):
    reasoning: str
    answer: int = pydantic.Field(ge=0)


def body(messages: list[dict[str, Any]] = ASK, model: str = "claude-sonnet-4-5", **params: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ANTHROPIC.encode(model, messages, params).body)
    return found


def turns(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body(list(messages))["messages"]
    return found


def said_by_the_sdk(sent: dict[str, Any]) -> dict[str, Any]:
    """The body that Anthropic's SDK posts for the same arguments."""
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
    answer = json.dumps({**message, "usage": {"input_tokens": 1, "output_tokens": 1}})
    with serving(answer.encode()) as listening:
        anthropic.Anthropic(api_key="k", base_url=listening.url).messages.create(**sent, timeout=10)
    ((path, _, posted),) = listening.asked
    assert path == "/v1/messages"
    return posted


def check_types(sent: dict[str, Any]) -> None:
    """Validate against the SDK's types, whose iterables are only checked when they are read."""
    walk(REQUEST.validate_python(sent))


def walk(value: Any) -> None:
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        for one in value:
            walk(one)


FULL = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "text", "text": ""}]},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a.jpg"}}]},
    {"role": "user", "content": [{"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PNG}"}}]},
    {"role": "user", "content": [{"type": "file", "file": {"file_data": f"data:text/plain;base64,{PNG}"}}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call:1", "type": "function", "function": {"name": "look", "arguments": '{"at": "a"}'}},
            {"id": "call_2", "type": "function", "function": {"name": "look", "arguments": ""}},
        ],
    },
    {"role": "tool", "tool_call_id": "call:1", "name": "look", "content": "a cat"},
    {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "nothing"}]},
    {"role": "user", "content": "So?"},
]


@pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")
def test_sdk_sends_the_same_and_its_types_know_all_of_it() -> None:
    sent = body(
        FULL, tools=[TOOL], tool_choice="required", parallel_tool_calls=False, stop="END", user="u1", max_tokens=50
    )
    check_types(sent)
    assert said_by_the_sdk(sent) == sent
    assert sent["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert (sent["stop_sequences"], sent["metadata"], sent["max_tokens"]) == (["END"], {"user_id": "u1"}, 50)


def test_conversation_is_turned_by_turns() -> None:
    sent = body(FULL)
    assert sent["system"] == "Be brief."
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]
    kinds = [block["type"] for block in sent["messages"][0]["content"]]
    assert kinds == ["text", "image", "image", "document", "document"]
    assert sent["messages"][0]["content"][1]["source"] == {"type": "base64", "media_type": "image/png", "data": PNG}
    assert sent["messages"][0]["content"][2]["source"] == {"type": "url", "url": "https://x.test/a.jpg"}
    results = sent["messages"][2]["content"]
    assert [block["type"] for block in results] == ["tool_result", "tool_result", "text"]
    assert results[0] == {"type": "tool_result", "tool_use_id": "call_1", "content": "a cat"}


def test_tools_called_before_are_declared_and_not_offered() -> None:
    sent = body(FULL)
    assert [tool["name"] for tool in sent["tools"]] == ["look"]
    assert sent["tool_choice"] == {"type": "none"}
    check_types(sent)


texts = st.text(st.characters(codec="utf-8"), max_size=12)
calls = st.lists(
    st.fixed_dictionaries(
        {"id": texts, "function": st.fixed_dictionaries({"name": st.sampled_from(["a", "b"]), "arguments": texts})}
    ),
    max_size=2,
)
messages = st.lists(
    st.one_of(
        st.fixed_dictionaries({"role": st.sampled_from(["system", "developer", "user"]), "content": texts}),
        st.fixed_dictionaries({"role": st.just("assistant"), "content": st.none() | texts, "tool_calls": calls}),
        st.fixed_dictionaries({"role": st.just("tool"), "tool_call_id": texts, "content": texts}),
    ),
    max_size=6,
)


@given(messages)
def test_any_messages_become_turns_of_user_and_assistant_by_turns(said: list[dict[str, Any]]) -> None:
    sent = body(said)
    roles = [turn["role"] for turn in sent["messages"]]
    assert roles == ["user" if index % 2 == 0 else "assistant" for index in range(len(roles))]
    assert roles
    check_types(sent)


@given(messages, messages)
def test_prompt_and_plain_list_are_the_same_request(stable: list[dict[str, Any]], rest: list[dict[str, Any]]) -> None:
    as_prompt = ANTHROPIC.encode("m", Prompt(Prefix(stable), rest), {"temperature": 0.5})
    as_list = ANTHROPIC.encode("m", [*stable, *rest], {"temperature": 0.5})
    assert json.loads(as_prompt.body) == json.loads(as_list.body)
    assert as_prompt.key(URL) == as_list.key(URL)


# Parameters


def test_schema_keeps_its_order_and_is_told_what_cannot_be_enforced() -> None:
    sent = body(response_format=Answer)
    schema = sent["output_config"]["format"]["schema"]
    assert list(schema["properties"]) == ["reasoning", "answer"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["answer"]["description"] == "{minimum: 0}"
    assert schema == anthropic.transform_schema(Answer)
    check_types(sent)


def test_json_object_and_hints_are_left_out() -> None:
    sent = body(response_format={"type": "json_object"}, seed=1, presence_penalty=0.1, frequency_penalty=0.1, n=1)
    assert sorted(sent) == ["max_tokens", "messages", "model"]


@pytest.mark.parametrize(
    "params",
    [{"logprobs": True}, {"top_logprobs": 2}, {"logit_bias": {"1": 1}}, {"modalities": ["audio"]}, {"functions": [1]}],
)
def test_what_it_cannot_do_is_refused_by_name(params: dict[str, Any]) -> None:
    with pytest.raises(LMUnsupportedFeatureError, match=next(iter(params))) as caught:
        body(**params)
    assert caught.value.features == [next(iter(params))]
    assert sorted(body(**params, drop_params=True)) == ["max_tokens", "messages", "model"]


def test_schema_and_thinking_are_refused_where_the_model_has_none() -> None:
    with pytest.raises(LMUnsupportedFeatureError, match="response_format"):
        body(model="claude-3-5-haiku-20241022", response_format=Answer)
    with pytest.raises(LMUnsupportedFeatureError, match="reasoning_effort"):
        body(model="claude-3-haiku-20240307", reasoning_effort="low")


def test_sound_is_refused() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}
    with pytest.raises(LMUnsupportedFeatureError, match="input_audio"):
        body([{"role": "user", "content": [sound]}])


def test_other_roles_are_refused() -> None:
    with pytest.raises(UsageError, match="function"):
        body([{"role": "function", "content": "x"}])


def test_effort_is_a_budget_or_a_word_by_the_model() -> None:
    old = body(reasoning_effort="low", max_tokens=100, temperature=0.2)
    assert old["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert old["max_tokens"] == 2148
    assert "temperature" not in old
    new = body(model="claude-opus-4-6", reasoning_effort="minimal", max_tokens=100)
    assert (new["thinking"]["type"], new["output_config"], new["max_tokens"]) == ("adaptive", {"effort": "low"}, 100)
    assert body(reasoning_effort="none")["thinking"] == {"type": "disabled"}
    check_types(new)
    with pytest.raises(UsageError, match="reasoning_effort"):
        body(reasoning_effort="very")


def test_effort_and_schema_go_together() -> None:
    sent = body(model="claude-opus-5", reasoning_effort="high", response_format=Answer)
    assert sorted(sent["output_config"]) == ["effort", "format"]
    assert said_by_the_sdk(sent) == sent


@pytest.mark.parametrize(
    ("model", "given", "sent"),
    [("claude-sonnet-4-5", 0.3, 0.3), ("claude-sonnet-4-5", 1.4, 1.0), ("claude-opus-4-8", 0.3, None), ("any", 0, 0)],
)
def test_temperature_is_what_the_model_takes(model: str, given: float, sent: float | None) -> None:
    assert body(model=model, temperature=given).get("temperature") == sent


@pytest.mark.parametrize(
    ("model", "room"), [("claude-3-haiku-20240307", 4096), ("claude-3-5-sonnet-latest", 8192), ("claude-opus-5", 16000)]
)
def test_limit_is_always_there(model: str, room: int) -> None:
    assert body(model=model)["max_tokens"] == room
    assert body(model=model, max_completion_tokens=9)["max_tokens"] == 9


def test_anthropics_own_goes_as_it_is() -> None:
    own = {"type": "web_search_20250305", "name": "web_search"}
    sent = body(tools=[own], top_k=3, thinking={"type": "enabled", "budget_tokens": 1024}, extra_body={"speed": "fast"})
    assert (sent["tools"], sent["speed"]) == ([own], "fast")
    assert sent["max_tokens"] == 16000 + 1024
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}
    assert turns({"role": "user", "content": [document]})[0]["content"] == [document]


def test_signed_thoughts_go_back() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    said = {"role": "assistant", "content": "so", "thinking_blocks": [thought]}
    found = turns(*ASK, said, {"role": "user", "content": "and?"})
    assert found[1]["content"] == [thought, {"type": "text", "text": "so"}]


def test_answer_to_be_continued_ends_without_white_space() -> None:
    assert turns(*ASK, {"role": "assistant", "content": "So: "})[1]["content"][0]["text"] == "So:"


# Marks for the provider's cache

LONG = {"role": "system", "content": "word " * 1000}
DEMO = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
MARK = {"type": "ephemeral"}


def marked(messages: list[dict[str, Any]], **params: Any) -> list[Any]:
    """What is marked, as its text and its mark."""
    sent = body(messages, **params)
    check_types(sent)
    system = sent.get("system", "")
    blocks = [] if isinstance(system, str) else list(system)
    for turn in sent["messages"]:
        blocks += [] if isinstance(turn["content"], str) else turn["content"]
    return [(block["text"].strip()[-4:], block["cache_control"]) for block in blocks if "cache_control" in block]


def test_end_of_what_is_stable_is_marked_where_it_pays() -> None:
    assert marked(Prompt(Prefix([LONG, *DEMO]), ASK)) == [("a", MARK)]
    assert marked(Prompt(Prefix([LONG]), ASK)) == [("word", MARK)]
    assert marked(Prompt(Prefix([{"role": "system", "content": "short"}, *DEMO]), ASK)) == []
    assert marked([LONG, *ASK]) == []


def test_caller_says_what_is_marked() -> None:
    short = Prompt(Prefix([{"role": "system", "content": "short"}]), ASK)
    assert marked(short, prompt_cache=True) == [("hort", MARK)]
    assert marked(short, prompt_cache="1h") == [("hort", {**MARK, "ttl": "1h"})]
    assert marked(Prompt(Prefix([LONG]), ASK), prompt_cache=False) == []
    assert marked([LONG, *ASK], prompt_cache=True) == [("word", MARK)]
    with pytest.raises(UsageError, match="prompt_cache"):
        marked(ASK, prompt_cache="2h")


def test_dspys_cache_configuration_says_the_same() -> None:
    dspy = pytest.importorskip("dspy")
    config = dspy.lm15.CacheConfig
    prompt = [LONG, *ASK]
    assert marked(prompt, prompt_cache=config()) == [("word", MARK)]
    assert marked(prompt, prompt_cache=config(mode="off")) == []
    assert marked(prompt, prompt_cache=config(retention="long", prefix="history")) == [
        ("word", {**MARK, "ttl": "1h"}),
        ("hi", {**MARK, "ttl": "1h"}),
    ]
    with pytest.raises(LMUnsupportedFeatureError, match="key"):
        marked(prompt, prompt_cache=config(key="k"))


def test_marks_of_the_user_are_kept_and_litellms_points_are_set() -> None:
    own = {
        "role": "user",
        "content": [{"type": "text", "text": "read", "cache_control": MARK}, {"type": "text", "text": "x"}],
    }
    assert marked([own]) == [("read", MARK)]
    assert marked([{**ASK[0], "cache_control": MARK}]) == [("hi", MARK)]
    points = [{"location": "message", "role": "system"}, {"location": "message", "index": -1}]
    assert marked(Prompt(Prefix([LONG]), ASK), cache_control_injection_points=points) == [("word", MARK), ("hi", MARK)]


def test_marks_make_no_other_request_of_it() -> None:
    prompt = Prompt(Prefix([LONG]), ASK)
    keys = {ANTHROPIC.encode("m", prompt, {"prompt_cache": wanted}).key(URL) for wanted in (None, True, False, "1h")}
    assert len(keys) == 1
    assert ANTHROPIC.encode("m", prompt, {"temperature": 0.1}).key(URL) not in keys


def test_key_has_a_header_of_its_own() -> None:
    headers = ANTHROPIC.headers("sk")
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("sk", "2023-06-01")
    assert "Authorization" not in headers
