"""The practice model's Anthropic format, read by Anthropic's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import anthropic
import pytest
from practice_clients import COLOUR, KEY, LONG, TOOLS, anthropic_at, root

from dspex_practice import PracticeOptions, PracticeServer

OFFERED: Any = [{"name": name, "description": said, "input_schema": schema} for name, said, schema in TOOLS]
ASKED: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
MARK = {"type": "ephemeral"}


@pytest.fixture(scope="module")
def server() -> Iterator[PracticeServer]:
    with PracticeServer(PracticeOptions(api_key=KEY)) as running:
        yield running


@pytest.fixture
def client(server: PracticeServer) -> anthropic.Anthropic:
    return anthropic_at(server)


def ask(client: anthropic.Anthropic, messages: Any = LONG, **more: Any) -> Any:
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return client.messages.create(**{"model": "claude-any", "max_tokens": 200, "messages": messages, **more})


def test_a_message_has_every_part(client: anthropic.Anthropic) -> None:
    message = ask(client, "What is red? The bus is red.", system="Be brief.")
    assert (message.role, message.model, message.stop_reason) == ("assistant", "claude-any", "end_turn")
    assert [block.text for block in message.content] == ["The bus is red."]
    assert (message.usage.output_tokens, message.usage.service_tier) == (4, "standard")
    assert message.usage.input_tokens > 0
    assert message._request_id.startswith("req_practice_")


def test_a_streamed_message_is_the_same_message(client: anthropic.Anthropic) -> None:
    whole = ask(client, model="claude-reasoner")
    with client.messages.stream(
        model="claude-reasoner", max_tokens=200, messages=[{"role": "user", "content": LONG}]
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert final.content[0].thinking == whole.content[0].thinking  # type: ignore[union-attr]
    assert final.content[1].text == whole.content[1].text  # type: ignore[union-attr]
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_called_and_their_results_lead_to_an_answer(client: anthropic.Anthropic, stream: bool) -> None:
    options: Any = {"model": "claude-any", "max_tokens": 200, "messages": ASKED, "tools": OFFERED}
    if stream:
        with client.messages.stream(**options) as events:
            called: Any = events.get_final_message()
    else:
        called = client.messages.create(**options)
    assert called.stop_reason == "tool_use"
    [use] = called.content
    assert (use.name, use.input) == ("get_weather", {"city": "Paris"})
    result = {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "Sunny in Paris."}]}
    messages = [*ASKED, {"role": "assistant", "content": [use.to_dict()]}, {"role": "user", "content": [result]}]
    assert ask(client, messages, tools=OFFERED).content[0].text == "Sunny in Paris."


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({"type": "none"}, []),
        ({"type": "any"}, ["get_weather"]),
        ({"type": "tool", "name": "add_numbers"}, ["add_numbers"]),
        ({"type": "auto"}, ["get_weather"]),
    ],
)
def test_the_choice_of_tools_is_obeyed(client: anthropic.Anthropic, choice: Any, called: list[str]) -> None:
    message = ask(client, ASKED, tools=OFFERED, tool_choice=choice)
    assert [block.name for block in message.content if block.type == "tool_use"] == called


def test_a_result_that_answers_no_call_is_refused(client: anthropic.Anthropic) -> None:
    stray = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "none", "content": "x"}]}
    with pytest.raises(anthropic.BadRequestError, match="unexpected `tool_use_id`"):
        ask(client, [*ASKED, stray], tools=OFFERED)


def test_thinking_is_shown_hidden_and_counted(client: anthropic.Anthropic) -> None:
    shown = ask(client, max_tokens=2000, thinking={"type": "enabled", "budget_tokens": 1024})
    assert [block.type for block in shown.content] == ["thinking", "text"]
    assert shown.content[0].signature
    assert 0 < shown.usage.output_tokens_details.thinking_tokens < shown.usage.output_tokens
    hidden = ask(client, max_tokens=2000, thinking={"type": "adaptive", "display": "omitted"})
    assert hidden.content[0].thinking == ""
    assert [block.type for block in ask(client, model="reasoner", thinking={"type": "disabled"}).content] == ["text"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "max_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "budget_tokens"),
        ({"extra_body": {"temperature": 2}}, "temperature"),
        ({"messages": []}, "messages"),
        ({"system": 5}, "system"),
        ({"tools": [{"name": "x", "input_schema": {"type": "array"}}]}, "input_schema"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config"),
    ],
)
def test_a_wrong_part_is_named(client: anthropic.Anthropic, wrong: Any, said: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=said) as caught:
        ask(client, **{"messages": ASKED, **wrong})
    assert caught.value.body["error"]["type"] == "invalid_request_error"  # type: ignore[index]


def test_an_answer_stops_and_is_cut(client: anthropic.Anthropic) -> None:
    stopped = ask(client, "What is blue? The sky is blue today.", stop_sequences=["blue"])
    assert (stopped.content[0].text, stopped.stop_reason, stopped.stop_sequence) == (
        "The sky is ",
        "stop_sequence",
        "blue",
    )
    cut = ask(client, max_tokens=2)
    assert (len(cut.content[0].text), cut.stop_reason) == (8, "max_tokens")


def test_an_answer_keeps_to_a_schema(client: anthropic.Anthropic) -> None:
    wanted = {"format": {"type": "json_schema", "schema": COLOUR}}
    message = ask(client, "a green tram", output_config=wanted)
    assert json.loads(message.content[0].text) == {"colour": "green", "count": 0}


def test_a_prompt_is_written_to_the_cache_once_and_read_from_then_on(client: anthropic.Anthropic) -> None:
    system = [{"type": "text", "text": f"{test_a_message_has_every_part.__name__} " * 200, "cache_control": MARK}]
    first, second = (ask(client, f"question {i}", system=system).usage for i in range(2))
    whole = client.messages.count_tokens(
        model="claude-any",
        system=system,  # type: ignore[arg-type]
        messages=[{"role": "user", "content": "question 0"}],
    ).input_tokens
    assert (first.cache_read_input_tokens, second.cache_creation_input_tokens) == (0, 0)
    assert first.cache_creation_input_tokens == second.cache_read_input_tokens > 1024
    assert first.input_tokens + first.cache_creation_input_tokens == whole
    assert first.cache_creation.ephemeral_5m_input_tokens == first.cache_creation_input_tokens


def test_a_conversation_reads_what_the_turn_before_wrote(client: anthropic.Anthropic) -> None:
    long = [{"type": "text", "text": "the tale of the bus " * 300, "cache_control": {**MARK, "ttl": "1h"}}]
    turn = {"role": "user", "content": long}
    wrote = ask(client, [turn]).usage
    assert wrote.cache_creation.ephemeral_1h_input_tokens == wrote.cache_creation_input_tokens > 1024
    unmarked = {"role": "user", "content": [{"type": "text", "text": long[0]["text"]}]}
    more = {"role": "user", "content": [{"type": "text", "text": "and " * 1000, "cache_control": MARK}]}
    read = ask(client, [unmarked, {"role": "assistant", "content": "Well."}, more]).usage
    assert read.cache_read_input_tokens == wrote.cache_creation_input_tokens
    assert read.cache_creation_input_tokens >= 1000


def test_a_short_prompt_is_not_cached_and_five_marks_are_too_many(client: anthropic.Anthropic) -> None:
    short = [{"type": "text", "text": "Be brief.", "cache_control": MARK}]
    for _ in range(2):
        usage = ask(client, system=short).usage
        assert (usage.cache_creation_input_tokens, usage.cache_read_input_tokens) == (0, 0)
    with pytest.raises(anthropic.BadRequestError, match="maximum of 4 blocks"):
        ask(client, system=short * 5)


def test_tokens_are_counted_without_an_answer(client: anthropic.Anthropic, server: PracticeServer) -> None:
    server.reset_stats()
    counted = client.messages.count_tokens(model="claude-any", messages=ASKED, tools=OFFERED, system="Be brief.")
    paid = ask(client, ASKED, tools=OFFERED, system="Be brief.")
    assert counted.input_tokens == paid.usage.input_tokens
    stats = server.stats()
    assert (stats["calls"], stats["prompt_tokens"]) == (1, counted.input_tokens)
    assert stats["endpoints"]["messages/count_tokens"]["answered"] == 1


def test_models_are_listed_in_anthropics_way(client: anthropic.Anthropic) -> None:
    assert [model.id for model in client.models.list()] == ["practice"]
    assert client.models.retrieve("any").display_name == "any (dspex practice model)"


def test_a_wrong_key_is_refused(server: PracticeServer) -> None:
    with pytest.raises(anthropic.AuthenticationError) as caught:
        ask(anthropic_at(server, key="sk-ant-wrong"))
    assert caught.value.body["error"]["type"] == "authentication_error"  # type: ignore[index]
    assert "sk-ant-wrong" not in str(caught.value)


def test_the_key_may_come_in_either_header_and_the_version_must(server: PracticeServer) -> None:
    body = json.dumps({"model": "m", "max_tokens": 5, "messages": ASKED}).encode()
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01", "Content-Type": "application/json"}
    with urlopen(Request(f"{root(server)}/v1/messages", body, headers)) as response:
        assert json.load(response)["type"] == "message"
    with pytest.raises(OSError) as caught:
        urlopen(Request(f"{root(server)}/v1/messages", body, {"x-api-key": KEY}))
    assert "anthropic-version" in json.load(caught.value)["error"]["message"]  # type: ignore[call-overload]


def test_injected_errors_are_anthropics() -> None:
    seen: dict[int, anthropic.APIStatusError] = {}
    with PracticeServer(PracticeOptions(error_rate=1, retry_after=2.5)) as failing:
        client = anthropic_at(failing)
        for i in range(20):
            with pytest.raises(anthropic.APIStatusError) as caught:
                ask(client, f"hi {i}")
            seen[caught.value.status_code] = caught.value
        assert failing.stats()["refused"] == 20
    kinds = {status: error.body["error"]["type"] for status, error in seen.items()}  # type: ignore[index]
    assert kinds == {429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
    assert seen[429].response.headers["retry-after"] == "3"


def test_limits_are_told_in_anthropics_headers() -> None:
    with PracticeServer(PracticeOptions(rpm=1, tpm=60_000)) as limited:
        client = anthropic_at(limited)
        first = client.messages.with_raw_response.create(model="m", max_tokens=50, messages=ASKED)
        with pytest.raises(anthropic.RateLimitError) as caught:
            ask(client)
    headers = first.headers
    assert headers["anthropic-ratelimit-requests-limit"] == "1"
    assert headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    assert headers["anthropic-ratelimit-tokens-limit"] == "60000"
    assert 0 < int(headers["anthropic-ratelimit-input-tokens-remaining"]) < 1000
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 60


def test_an_unknown_model_and_a_prompt_too_long_are_said_so() -> None:
    with PracticeServer(PracticeOptions(models=("claude-known",), context=100)) as narrow:
        client = anthropic_at(narrow)
        assert ask(client, "hi", model="claude-known").content
        with pytest.raises(anthropic.NotFoundError) as unknown:
            ask(client, "hi", model="claude-other")
        with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
            ask(client, "word " * 100, model="claude-known")
    assert unknown.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]
