"""The practice model's OpenAI formats, read by OpenAI's own client."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from practice_clients import COLOUR, LONG, TOOLS, openai_at
from pydantic import BaseModel

from dspex_practice import PracticeServer

CHAT_TOOLS: Any = [
    {"type": "function", "function": {"name": name, "description": said, "parameters": schema}}
    for name, said, schema in TOOLS
]
FLAT_TOOLS: Any = [{"type": "function", **tool["function"], "strict": False} for tool in CHAT_TOOLS]
ASKED: Any = [{"role": "user", "content": "What is the weather in Paris?"}]


class Paint(BaseModel):
    colour: str
    count: int


@pytest.fixture(scope="module")
def server() -> Iterator[PracticeServer]:
    with PracticeServer() as running:
        yield running


@pytest.fixture
def client(server: PracticeServer) -> openai.OpenAI:
    return openai_at(server)


def chat(client: openai.OpenAI, messages: Any = LONG, **more: Any) -> Any:
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return client.chat.completions.create(**{"model": "gpt-any", "messages": messages, **more})


def test_a_tool_is_called_with_arguments_from_the_question(client: openai.OpenAI) -> None:
    [choice] = chat(client, ASKED, tools=CHAT_TOOLS).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    [call] = choice.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})


def test_two_questions_make_two_calls_unless_one_is_demanded(client: openai.OpenAI) -> None:
    both = "What is the weather in Rome? Then add the numbers 3 and 4."
    calls = chat(client, both, tools=CHAT_TOOLS).choices[0].message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        ("get_weather", {"city": "Rome"}),
        ("add_numbers", {"a": 3, "b": 4}),
    ]
    assert len({call.id for call in calls}) == 2
    alone = chat(client, both, tools=CHAT_TOOLS, parallel_tool_calls=False)
    assert len(alone.choices[0].message.tool_calls) == 1


@pytest.mark.parametrize(
    ("question", "choice", "called"),
    [
        ("Tell me a story of old.", "auto", []),
        ("What is the weather in Paris?", "none", []),
        ("Tell me a story of old.", "required", ["get_weather"]),
        (
            "What is the weather in 3 cities?",
            {"type": "function", "function": {"name": "add_numbers"}},
            ["add_numbers"],
        ),
    ],
)
def test_the_choice_of_tools_is_obeyed(client: openai.OpenAI, question: str, choice: Any, called: list[str]) -> None:
    message = chat(client, question, tools=CHAT_TOOLS, tool_choice=choice).choices[0].message
    assert [call.function.name for call in message.tool_calls or []] == called
    assert bool(message.content) == (not called)


def test_results_of_tools_lead_to_an_answer(client: openai.OpenAI) -> None:
    called = chat(client, ASKED, tools=CHAT_TOOLS).choices[0].message
    result = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "It is sunny in Paris, 22 degrees."}
    final = chat(client, [*ASKED, called.model_dump(exclude_none=True), result], tools=CHAT_TOOLS).choices[0]
    assert (final.finish_reason, final.message.content) == ("stop", "It is sunny in Paris, 22 degrees.")


def test_a_result_without_a_call_and_a_call_without_a_result_are_refused(client: openai.OpenAI) -> None:
    called = chat(client, ASKED, tools=CHAT_TOOLS).choices[0].message.model_dump(exclude_none=True)
    for more in ([{"role": "tool", "tool_call_id": "none", "content": "x"}], [called, *ASKED]):
        with pytest.raises(openai.BadRequestError):
            chat(client, [*ASKED, *more], tools=CHAT_TOOLS)


def test_a_streamed_call_is_the_same_call(client: openai.OpenAI) -> None:
    whole = chat(client, ASKED, tools=CHAT_TOOLS, stream=False).choices[0].message.tool_calls[0].function
    with client.chat.completions.stream(model="gpt-any", messages=ASKED, tools=CHAT_TOOLS) as stream:
        final = stream.get_final_completion().choices[0]
    [call] = final.message.tool_calls or []
    assert (call.function.name, call.function.arguments) == (whole.name, whole.arguments)
    assert final.finish_reason == "tool_calls"


def test_an_answer_stops_before_a_text(client: openai.OpenAI) -> None:
    [choice] = chat(client, "What is blue? The sky is blue today.", stop=["blue"]).choices
    assert (choice.message.content, choice.finish_reason) == ("The sky is ", "stop")


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_spell_the_answer_and_the_chosen_token_is_the_likeliest(client: openai.OpenAI, stream: bool) -> None:
    given = chat(client, logprobs=True, top_logprobs=3, stream=stream)
    choices = [chunk.choices[0] for chunk in given] if stream else given.choices
    text = "".join((choice.delta if stream else choice.message).content or "" for choice in choices)
    places = [place for choice in choices if choice.logprobs for place in choice.logprobs.content]
    assert "".join(place.token for place in places) == text
    for place in places:
        assert [place.token, place.logprob] == [place.top_logprobs[0].token, place.top_logprobs[0].logprob]
        assert place.logprob == max(top.logprob for top in place.top_logprobs)
        assert len({top.token for top in place.top_logprobs}) == 3
        assert sum(math.exp(top.logprob) for top in place.top_logprobs) < 1
        assert bytes(place.bytes).decode() == place.token


def test_sampled_answers_differ_among_the_plausible_ones_and_repeat(client: openai.OpenAI) -> None:
    one, again = (chat(client, n=8, temperature=1.5, seed=1) for _ in range(2))
    texts = [choice.message.content for choice in one.choices]
    assert texts == [choice.message.content for choice in again.choices]
    assert len(set(texts)) > 1
    assert all(text in LONG for text in texts)
    seeds = {chat(client, temperature=1.5, seed=seed).choices[0].message.content for seed in range(8)}
    assert len(seeds) > 1
    cold = {chat(client, temperature=0, seed=seed).choices[0].message.content for seed in range(3)}
    assert len(cold) == 1


def test_a_parsed_answer_is_of_its_class(client: openai.OpenAI) -> None:
    parsed = client.chat.completions.parse(
        model="gpt-any", messages=[{"role": "user", "content": "3 red buses"}], response_format=Paint
    )
    assert parsed.choices[0].message.parsed == Paint(colour="3 red buses", count=3)


def test_json_is_json(client: openai.OpenAI) -> None:
    text = chat(client, "In JSON: a red bus", response_format={"type": "json_object"}).choices[0].message.content
    assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_reasons_shows_and_counts_its_thoughts(client: openai.OpenAI, stream: bool) -> None:
    options: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    given = chat(client, model="practice-reasoner", **options)
    if stream:
        chunks = list(given)
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        thoughts = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
        usage = chunks[-1].usage
    else:
        thoughts, usage = given.choices[0].message.reasoning_content, given.usage
    assert thoughts.startswith("The question is about bus, red")
    assert 0 < usage.completion_tokens_details.reasoning_tokens < usage.completion_tokens


def test_thinking_comes_out_of_the_tokens_that_are_allowed(client: openai.OpenAI) -> None:
    [choice] = chat(client, model="practice-reasoner", max_completion_tokens=5).choices
    assert (choice.message.content, choice.finish_reason) == ("", "length")


def test_a_text_completion_answers_each_prompt(client: openai.OpenAI) -> None:
    prompts = ["What is red? The bus is red.", "What is green? The tram is green."]
    found = client.completions.create(model="gpt-any", prompt=prompts, logprobs=2, max_tokens=50)
    assert [choice.text for choice in found.choices] == ["The bus is red.", "The tram is green."]
    scores = found.choices[0].logprobs
    assert scores is not None
    assert "".join(scores.tokens or []) == "The bus is red."
    assert scores.text_offset == [0, 4, 8, 12]
    assert found.usage is not None
    assert found.usage.completion_tokens == 4 + 5


def test_a_text_completion_echoes_stops_and_is_cut_at_sixteen_tokens(client: openai.OpenAI) -> None:
    prompt = (
        "What is red? The bus is red, and so is the engine that stands in the old hall of the fire men of the town."
    )
    [choice] = client.completions.create(model="gpt-any", prompt=prompt, echo=True).choices
    assert choice.text.startswith(prompt)
    assert (len(choice.text) - len(prompt), choice.finish_reason) == (64, "length")
    [stopped] = client.completions.create(model="gpt-any", prompt=prompt, stop=",").choices
    assert (stopped.text, stopped.finish_reason) == ("The bus is red", "stop")


def test_a_streamed_text_completion_is_the_same_text(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="gpt-any", prompt=LONG, max_tokens=50).choices[0].text
    pieces = list(client.completions.create(model="gpt-any", prompt=LONG, max_tokens=50, stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == whole
    assert pieces[-1].choices[0].finish_reason == "stop"


def test_a_response_has_text_usage_and_what_was_asked(client: openai.OpenAI) -> None:
    found = client.responses.create(model="gpt-any", input="What is red? The bus is red.", instructions="Be brief.")
    assert (found.output_text, found.status, found.instructions) == ("The bus is red.", "completed", "Be brief.")
    assert found.usage is not None
    assert found.usage.total_tokens == found.usage.input_tokens + found.usage.output_tokens


def test_a_response_that_reasons_has_an_item_for_it(client: openai.OpenAI) -> None:
    found = client.responses.create(model="reasoner", input=LONG, reasoning={"summary": "auto"})
    assert [item.type for item in found.output] == ["reasoning", "message"]
    assert found.output[0].summary[0].text.startswith("The question is about")  # type: ignore[union-attr, index]
    assert found.usage is not None
    assert found.usage.output_tokens_details.reasoning_tokens > 0


def test_a_streamed_response_is_the_same_response(client: openai.OpenAI) -> None:
    options: Any = {"model": "reasoner", "input": LONG, "reasoning": {"summary": "auto"}}
    whole = client.responses.create(**options)
    with client.responses.stream(**options) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == whole.output_text
    assert [item.type for item in final.output] == ["reasoning", "message"]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.reasoning_summary_text.delta" in kinds


def test_a_response_calls_functions_and_goes_on_from_their_results(client: openai.OpenAI) -> None:
    first = client.responses.create(model="gpt-any", input=ASKED[0]["content"], tools=FLAT_TOOLS)
    [call] = first.output
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "It is sunny in Paris."}
    carried = client.responses.create(model="gpt-any", previous_response_id=first.id, input=[result], tools=FLAT_TOOLS)
    repeated = client.responses.create(
        model="gpt-any", input=[*ASKED, call.model_dump(exclude_none=True), result], tools=FLAT_TOOLS
    )
    assert carried.output_text == repeated.output_text == "It is sunny in Paris."


def test_a_streamed_response_calls_functions(client: openai.OpenAI) -> None:
    with client.responses.stream(model="gpt-any", input=ASKED[0]["content"], tools=FLAT_TOOLS) as stream:
        kinds = [event.type for event in stream]
        [call] = stream.get_final_response().output
    assert "response.function_call_arguments.done" in kinds
    assert json.loads(call.arguments) == {"city": "Paris"}  # type: ignore[union-attr]


def test_a_response_keeps_to_a_schema(client: openai.OpenAI) -> None:
    form: Any = {"format": {"type": "json_schema", "name": "paint", "schema": COLOUR, "strict": True}}
    found = client.responses.create(model="gpt-any", input="a green tram", text=form)
    assert json.loads(found.output_text) == {"colour": "green", "count": 0}
    parsed = client.responses.parse(model="gpt-any", input="3 red buses", text_format=Paint).output_parsed
    assert parsed == Paint(colour="3 red buses", count=3)


def test_a_response_that_is_cut_is_incomplete(client: openai.OpenAI) -> None:
    found = client.responses.create(model="gpt-any", input="word " * 40, max_output_tokens=16)
    assert found.status == "incomplete"
    assert found.incomplete_details is not None
    assert found.incomplete_details.reason == "max_output_tokens"


def test_an_unknown_response_is_not_gone_on_from(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="gpt-any", previous_response_id="resp_none", input="hi")
    assert caught.value.param == "previous_response_id"


def test_near_texts_have_near_vectors(client: openai.OpenAI) -> None:
    texts = ["refund my card", "a card refund please", "the weather in Paris"]
    found = [each.embedding for each in client.embeddings.create(model="any", input=texts, dimensions=64).data]
    assert sum(a * b for a, b in zip(found[0], found[1], strict=True)) > sum(
        a * b for a, b in zip(found[0], found[2], strict=True)
    )


def test_a_file_comes_back_as_it_was(client: openai.OpenAI) -> None:
    data = b"one\r\n\r\n--two--\x00\xff\n"
    file = client.files.create(file=("data.bin", data), purpose="user_data")
    assert (file.bytes, file.filename, file.purpose) == (len(data), "data.bin", "user_data")
    assert client.files.content(file.id).read() == data
    assert file.id in [each.id for each in client.files.list(purpose="user_data")]
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
