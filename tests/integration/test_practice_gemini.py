"""The practice model's Gemini format, read by Google's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest
from google import genai
from google.genai import errors, types
from practice_clients import COLOUR, KEY, LONG, TOOLS, gemini_at, root
from pydantic import BaseModel

from dspex_practice import PracticeOptions, PracticeServer

DECLARED: Any = [{"name": name, "description": said, "parameters_json_schema": schema} for name, said, schema in TOOLS]
OFFERED: Any = [{"function_declarations": DECLARED}]


class Paint(BaseModel):
    colour: str
    count: int


@pytest.fixture(scope="module")
def server() -> Iterator[PracticeServer]:
    with PracticeServer(PracticeOptions(api_key=KEY)) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: PracticeServer) -> genai.Client:
    return gemini_at(server)


def ask(client: genai.Client, contents: Any = LONG, model: str = "gemini-any", **config: Any) -> Any:
    config = {"automatic_function_calling": {"disable": True}, **config}
    return client.models.generate_content(model=model, contents=contents, config=config)  # type: ignore[arg-type]


def test_an_answer_has_every_part(client: genai.Client) -> None:
    answer = ask(client, "What is red? The bus is red.", system_instruction="Be brief.")
    assert answer.text == "The bus is red."
    [candidate] = answer.candidates
    assert (candidate.finish_reason, candidate.content.role) == (types.FinishReason.STOP, "model")
    counts = answer.usage_metadata
    assert counts.total_token_count == counts.prompt_token_count + counts.candidates_token_count
    assert counts.thoughts_token_count is None
    assert answer.model_version == "gemini-any"


def test_a_streamed_answer_is_the_same_text(client: genai.Client) -> None:
    pieces = list(client.models.generate_content_stream(model="gemini-any", contents=LONG))
    assert "".join(piece.text or "" for piece in pieces) == ask(client).text
    last = pieces[-1]
    assert last.candidates is not None
    assert last.candidates[0].finish_reason is types.FinishReason.STOP
    assert last.usage_metadata is not None
    assert last.usage_metadata.candidates_token_count


def test_a_stream_without_events_is_an_array(server: PracticeServer) -> None:
    body = json.dumps({"contents": [{"parts": [{"text": LONG}]}]}).encode()
    url = f"{root(server)}/v1beta/models/any:streamGenerateContent"
    with urlopen(Request(url, body, {"x-goog-api-key": KEY})) as response:
        pieces = json.load(response)
    assert pieces[-1]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize("stream", [False, True])
def test_functions_are_called_and_their_results_lead_to_an_answer(client: genai.Client, stream: bool) -> None:
    config: Any = {"tools": OFFERED, "automatic_function_calling": {"disable": True}}
    question = "What is the weather in Paris?"
    if stream:
        found = list(client.models.generate_content_stream(model="any", contents=question, config=config))[-1]
    else:
        found = ask(client, question, tools=OFFERED)
    [call] = found.function_calls or []
    assert (call.name, call.args) == ("get_weather", {"city": "Paris"})
    history = [
        types.UserContent(question),
        found.candidates[0].content,  # type: ignore[index]
        types.Content(
            role="user",
            parts=[types.Part.from_function_response(name="get_weather", response={"result": "Sunny in Paris."})],
        ),
    ]
    assert ask(client, history, tools=OFFERED).text == "Sunny in Paris."


def test_a_python_function_is_called_by_googles_client(client: genai.Client) -> None:
    asked = []

    def get_weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return f"It is sunny in {city}."

    answer = client.models.generate_content(
        model="any", contents="What is the weather in Paris?", config=types.GenerateContentConfig(tools=[get_weather])
    )
    assert asked == ["Paris"]
    assert answer.text == "It is sunny in Paris."


@pytest.mark.parametrize(
    ("calling", "called"),
    [
        ({"mode": "NONE"}, []),
        ({"mode": "ANY"}, ["get_weather"]),
        ({"mode": "ANY", "allowed_function_names": ["add_numbers"]}, ["add_numbers"]),
    ],
)
def test_the_mode_of_calling_is_obeyed(client: genai.Client, calling: Any, called: list[str]) -> None:
    config = {"function_calling_config": calling}
    answer = ask(client, "What is the weather in Paris?", tools=OFFERED, tool_config=config)
    assert [call.name for call in answer.function_calls or []] == called


def test_schemas_are_kept_to_in_both_dialects(client: genai.Client) -> None:
    paint = ask(client, "3 red buses", response_mime_type="application/json", response_schema=Paint)
    assert paint.parsed == Paint(colour="3 red buses", count=3)
    plain = ask(client, "a green tram", response_mime_type="application/json", response_json_schema=COLOUR)
    assert json.loads(plain.text) == {"colour": "green", "count": 0}
    several = ask(client, "3 red buses", response_mime_type="application/json", response_schema=list[Paint])
    assert all(isinstance(each, Paint) for each in several.parsed)
    assert several.parsed


def test_an_enum_is_one_of_its_labels(client: genai.Client) -> None:
    schema = {"type": "STRING", "enum": ["bus", "tram"]}
    assert ask(client, "the green tram", response_mime_type="text/x.enum", response_schema=schema).text == "tram"


def test_thoughts_are_counted_and_shown_if_asked_for(client: genai.Client) -> None:
    shown = ask(client, model="gemini-reasoner", thinking_config={"include_thoughts": True})
    thoughts = [part.text for part in shown.candidates[0].content.parts if part.thought]
    assert thoughts[0].startswith("The question is about")
    assert shown.text not in thoughts
    hidden = ask(client, model="gemini-reasoner")
    assert len(hidden.candidates[0].content.parts) == 1
    assert hidden.usage_metadata.thoughts_token_count == shown.usage_metadata.thoughts_token_count > 0
    off = ask(client, model="gemini-reasoner", thinking_config={"thinking_budget": 0})
    assert off.usage_metadata.thoughts_token_count is None
    assert ask(client, thinking_config={"thinking_budget": 512}).usage_metadata.thoughts_token_count > 0


def test_candidates_limits_stops_and_scores(client: genai.Client) -> None:
    several = ask(client, candidate_count=8, temperature=2.0, response_logprobs=True, logprobs=2)
    texts = [candidate.content.parts[0].text for candidate in several.candidates]
    assert len(texts) == 8
    assert len(set(texts)) > 1
    scores = several.candidates[0].logprobs_result
    assert "".join(each.token for each in scores.chosen_candidates) == texts[0]
    assert [len(each.candidates) for each in scores.top_candidates] == [2] * len(scores.chosen_candidates)
    assert several.candidates[0].avg_logprobs < 0
    cut = ask(client, max_output_tokens=2).candidates[0]
    assert (len(cut.content.parts[0].text), cut.finish_reason) == (8, types.FinishReason.MAX_TOKENS)
    assert ask(client, "What is blue? The sky is blue today.", stop_sequences=["blue"]).text == "The sky is "


def test_tokens_are_counted_without_an_answer(client: genai.Client, server: PracticeServer) -> None:
    server.reset_stats()
    counted = client.models.count_tokens(model="any", contents=LONG).total_tokens
    assert counted == ask(client).usage_metadata.prompt_token_count
    assert server.stats()["calls"] == 1


def test_near_texts_have_near_vectors(client: genai.Client) -> None:
    texts = ["refund my card", "a card refund please", "the weather in Paris"]
    found = client.models.embed_content(model="any", contents=texts, config={"output_dimensionality": 64})  # type: ignore[arg-type]
    one, near, far = (each.values or [] for each in found.embeddings or [])
    assert len(one) == 64
    assert sum(a * b for a, b in zip(one, near, strict=True)) > sum(a * b for a, b in zip(one, far, strict=True))


def test_one_content_has_one_vector(server: PracticeServer) -> None:
    body = json.dumps({"content": {"parts": [{"text": "hi"}]}, "output_dimensionality": 8}).encode()
    with urlopen(Request(f"{root(server)}/v1beta/models/any:embedContent?key={KEY}", body)) as response:
        assert len(json.load(response)["embedding"]["values"]) == 8


def test_models_are_listed_in_googles_way(client: genai.Client) -> None:
    assert [model.name for model in client.models.list()] == ["models/practice"]
    assert client.models.get(model="any").display_name == "any (dspex practice model)"


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"temperature": 3}, "temperature"),
        ({"candidate_count": 99}, "candidateCount"),
        ({"response_mime_type": "text/html"}, "responseMimeType"),
        ({"tools": [{"google_search": {}}]}, "googleSearch"),
    ],
)
def test_a_wrong_part_is_named(client: genai.Client, config: Any, field: str) -> None:
    with pytest.raises(errors.ClientError) as caught:
        ask(client, **config)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    assert field in str(caught.value.details)


def test_a_wrong_key_is_googles_400_and_a_missing_one_its_403(server: PracticeServer) -> None:
    with pytest.raises(errors.ClientError) as wrong:
        ask(gemini_at(server, key="AIza-wrong"))
    assert (wrong.value.code, wrong.value.status) == (400, "INVALID_ARGUMENT")
    assert wrong.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    assert "AIza-wrong" not in str(wrong.value)
    with pytest.raises(OSError) as missing:
        urlopen(Request(f"{root(server)}/v1beta/models/any:generateContent", b"{}"))
    assert json.load(missing.value)["error"]["status"] == "PERMISSION_DENIED"  # type: ignore[call-overload]


def test_injected_errors_are_googles() -> None:
    seen: dict[int, errors.APIError] = {}
    with PracticeServer(PracticeOptions(error_rate=1, retry_after=2.5)) as failing:
        client = gemini_at(failing)
        for i in range(20):
            with pytest.raises(errors.APIError) as caught:
                ask(client, f"hi {i}")
            seen[caught.value.code] = caught.value
    assert {code: error.status for code, error in seen.items()} == {
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        503: "UNAVAILABLE",
    }
    assert seen[429].details["error"]["details"][0]["retryDelay"] == "2.500s"
    assert seen[429].response.headers["retry-after"] == "3"  # type: ignore[union-attr]


def test_an_unknown_model_and_a_prompt_too_long_are_said_so() -> None:
    with PracticeServer(PracticeOptions(models=("gemini-known",), context=100)) as narrow:
        client = gemini_at(narrow)
        assert ask(client, "hi", model="gemini-known").text
        with pytest.raises(errors.ClientError) as unknown:
            ask(client, "hi", model="gemini-other")
        with pytest.raises(errors.ClientError, match="maximum context length"):
            ask(client, "word " * 100, model="gemini-known")
    assert (unknown.value.code, unknown.value.status) == (404, "NOT_FOUND")
