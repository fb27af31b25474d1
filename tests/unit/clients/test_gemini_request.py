"""What is sent to Gemini: what its own SDK would send, and nothing that its types do not know."""

from __future__ import annotations

import base64
import itertools
import json
import re
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdk_server import serving

from dspex.clients.canonical.prompt import Prefix, Prompt
from dspex.clients.wires.gemini.generate_content import GEMINI
from dspex.errors import LMUnsupportedFeatureError, UsageError

genai = pytest.importorskip("google.genai")
types = genai.types

URL = "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent"
ASK = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": SCHEMA}}
PNG = base64.b64encode(b"png").decode()


class Answer(pydantic.BaseModel):
    reasoning: str
    answer: int


def body(messages: list[dict[str, Any]] = ASK, model: str = "models/gemini-2.5-flash", **params: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(GEMINI.encode(model, messages, params).body)
    return found


def config(**params: Any) -> dict[str, Any]:
    found: dict[str, Any] = body(**params)["generationConfig"]
    return found


def camel(value: Any) -> Any:
    """The SDK's own keys in one spelling; it writes some in the other, and the API takes both."""
    if isinstance(value, dict):
        spelt = {re.sub(r"_(\w)", lambda found: found[1].upper(), name): camel(one) for name, one in value.items()}
        return {name: one for name, one in spelt.items() if not (name == "role" and "parts" not in value)}
    return [camel(one) for one in value] if isinstance(value, list) else value


def said_by_the_sdk(sent: dict[str, Any]) -> dict[str, Any]:
    """The body that Google's SDK posts for the same contents and configuration, which it also validates."""
    answer = json.dumps({"candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}}]}).encode()
    contents = [types.Content.model_validate(one) for one in sent["contents"]]
    more = {name: sent[name] for name in ("tools", "toolConfig", "systemInstruction", "safetySettings") if name in sent}
    asked = types.GenerateContentConfig.model_validate({**sent.get("generationConfig", {}), **more})
    with serving(answer) as listening:
        client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=listening.url, api_version="v1beta"))
        client.models.generate_content(model="gemini-2.5-flash", contents=contents, config=asked)
    ((path, headers, posted),) = listening.asked
    assert path == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert headers["x-goog-api-key"] == GEMINI.headers("k")["x-goog-api-key"]
    found: dict[str, Any] = camel(posted)
    found.get("systemInstruction", {}).pop("role", None)
    return found


FULL = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "text", "text": ""}]},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a.jpg"}}]},
    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}]},
    {"role": "user", "content": [{"type": "file", "file": {"file_id": "https://x.test/f/1", "filename": "a.pdf"}}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "a"}'}},
            {"id": "c2", "type": "function", "function": {"name": "look", "arguments": '{"at": "b"}'}},
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
    {"role": "tool", "tool_call_id": "c2", "content": '{"seen": 0}'},
    {"role": "user", "content": "So?"},
]


def test_sdk_sends_the_same() -> None:
    sent = body(
        FULL,
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "look"}},
        temperature=0.5,
        max_tokens=9,
        top_p=0.5,
        stop=["END"],
        n=2,
        seed=3,
        presence_penalty=0.5,
        frequency_penalty=0.25,
        logprobs=True,
        top_logprobs=2,
        response_format=Answer,
        reasoning_effort="low",
        safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    )
    assert said_by_the_sdk(sent) == sent


def test_conversation_is_turned_by_turns() -> None:
    sent = body(FULL)
    assert sent["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert [turn["role"] for turn in sent["contents"]] == ["user", "model", "user", "user"]
    assert sent["contents"][0]["parts"][1:] == [
        {"inlineData": {"mimeType": "image/png", "data": PNG}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.test/a.jpg"}},
        {"inlineData": {"mimeType": "audio/wav", "data": PNG}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.test/f/1"}},
    ]
    assert sent["contents"][2]["parts"] == [
        {"functionResponse": {"id": "c1", "name": "look", "response": {"output": "a cat"}}},
        {"functionResponse": {"id": "c2", "name": "look", "response": {"seen": 0}}},
    ]
    assert sent["contents"][3]["parts"] == [{"text": "So?"}]


def test_signature_of_a_call_goes_back_and_newer_models_are_told_where_there_is_none() -> None:
    signed = {
        "id": "c",
        "function": {"name": "f", "arguments": ""},
        "provider_specific_fields": {"thought_signature": "s"},
    }
    said = [*ASK, {"role": "assistant", "tool_calls": [signed, {"id": "d", "function": {"name": "f"}}]}]
    first, second = body(said, model="models/gemini-3-pro-preview")["contents"][1]["parts"]
    assert first["thoughtSignature"] == "s"
    assert base64.b64decode(second["thoughtSignature"]) == b"skip_thought_signature_validator"
    assert "thoughtSignature" not in body(said)["contents"][1]["parts"][1]


def test_answer_of_a_tool_that_was_not_called_is_refused() -> None:
    with pytest.raises(UsageError, match="tool_call_id='x'"):
        body([*ASK, {"role": "tool", "tool_call_id": "x", "content": "?"}])


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
        st.fixed_dictionaries({"role": st.just("tool"), "name": st.just("a"), "tool_call_id": texts, "content": texts}),
    ),
    max_size=6,
)


@given(messages)
def test_any_messages_become_turns_of_user_and_model_by_turns(said: list[dict[str, Any]]) -> None:
    contents = body(said)["contents"]
    kinds = [(turn["role"], "functionResponse" in turn["parts"][0]) for turn in contents]
    assert kinds[0][0] == "user"
    assert all(one != other for one, other in itertools.pairwise(kinds))
    for turn in contents:
        types.Content.model_validate(turn)


@given(messages, messages)
def test_prompt_and_plain_list_are_the_same_request(stable: list[dict[str, Any]], rest: list[dict[str, Any]]) -> None:
    as_prompt = GEMINI.encode("models/gemini-3-x", Prompt(Prefix(stable), rest), {"temperature": 0.5})
    as_list = GEMINI.encode("models/gemini-3-x", [*stable, *rest], {"temperature": 0.5})
    assert json.loads(as_prompt.body) == json.loads(as_list.body)
    assert as_prompt.key(URL) == as_list.key(URL)


# Parameters


def test_schema_keeps_its_order() -> None:
    found = config(response_format=Answer)
    assert found["responseMimeType"] == "application/json"
    assert list(found["responseJsonSchema"]["properties"]) == ["reasoning", "answer"]
    assert config(response_format={"type": "json_object"}) == {"responseMimeType": "application/json"}


@pytest.mark.parametrize(
    ("model", "effort", "told"),
    [
        ("gemini-2.5-flash", "low", {"thinkingBudget": 2048, "includeThoughts": True}),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-3-pro-preview", "high", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-flash-latest", "xhigh", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-3-flash", "none", {"thinkingLevel": "minimal", "includeThoughts": False}),
    ],
)
def test_effort_is_a_budget_or_a_level_by_the_model(model: str, effort: str, told: dict[str, Any]) -> None:
    assert config(model=f"models/{model}", reasoning_effort=effort)["thinkingConfig"] == told


def test_anthropics_word_for_thinking_is_understood() -> None:
    found = config(thinking={"type": "enabled", "budget_tokens": 1024})["thinkingConfig"]
    assert found == {"includeThoughts": True, "thinkingBudget": 1024}


@pytest.mark.parametrize(
    ("choice", "told"),
    [("auto", {"mode": "AUTO"}), ("required", {"mode": "ANY"}), ("none", {"mode": "NONE"})],
)
def test_choice_of_tools(choice: str, told: dict[str, Any]) -> None:
    assert body(tools=[TOOL], tool_choice=choice)["toolConfig"] == {"functionCallingConfig": told}


def test_what_it_cannot_do_is_refused_by_name() -> None:
    two = [TOOL, TOOL]
    for name, params in {
        "logit_bias": {"logit_bias": {"1": 1}},
        "functions": {"functions": [TOOL]},
        "parallel_tool_calls": {"parallel_tool_calls": False, "tools": two},
    }.items():
        with pytest.raises(LMUnsupportedFeatureError, match=name):
            body(**params)
        body(**params, drop_params=True)
    with pytest.raises(LMUnsupportedFeatureError, match="reasoning_effort"):
        body(model="models/gemini-2.0-flash", reasoning_effort="low")
    assert "toolConfig" not in body(parallel_tool_calls=False, tools=[TOOL])


def test_geminis_own_goes_as_it_is() -> None:
    sent = body(
        tools=[{"googleSearch": {}}],
        cached_content="cachedContents/1",
        mediaResolution="MEDIA_RESOLUTION_LOW",
        user="u",
        extra_body={"labels": {"a": "b"}},
    )
    assert (sent["tools"], sent["cachedContent"]) == ([{"googleSearch": {}}], "cachedContents/1")
    assert sent["generationConfig"] == {"mediaResolution": "MEDIA_RESOLUTION_LOW"}
    assert sent["labels"] == {"a": "b"}


def test_documents_to_be_cited_are_texts_and_files() -> None:
    text = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}
    pdf = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PNG}}
    (turn,) = body([{"role": "user", "content": [text, pdf]}])["contents"]
    assert turn["parts"] == [{"text": "d"}, {"inlineData": {"mimeType": "application/pdf", "data": PNG}}]
