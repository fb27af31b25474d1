"""Our wire formats and the practice model's, each written by somebody else from the providers' documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pydantic
import pytest

import dspex
from dspex import errors
from dspex_practice import PracticeOptions, PracticeServer

KEY = "practice-key-0123456789"
FACES = ["openai", "responses", "anthropic", "gemini"]


@pytest.fixture(scope="module")
def server() -> Iterator[PracticeServer]:
    with PracticeServer(PracticeOptions(api_key=KEY)) as running:
        yield running


def lm_of(face: str, server: PracticeServer, model: str = "practice", **options: Any) -> dspex.LM:
    if face == "responses":
        face, options = "openai", {**options, "model_type": "responses"}
    base = server.url if face == "openai" else server.url.removesuffix("/v1")
    return dspex.LM(f"{face}/{model}", api_base=base, cache=False, num_retries=0, **{"api_key": KEY, **options})


class Place(pydantic.BaseModel):
    country: str
    city: str


class Ask(dspex.Signature):
    """Where is it?"""

    question: str = dspex.InputField()
    place: Place = dspex.OutputField()


def look(at: str) -> str:
    """Look at something."""
    return at


@pytest.mark.parametrize("adapter", [dspex.ChatAdapter(), dspex.JSONAdapter()], ids=["chat", "json"])
def test_programs_answer_the_same_in_every_format(server: PracticeServer, adapter: Any) -> None:
    program = dspex.Predict("question -> answer")
    program.demos = [dspex.Example(question="A word for a small river?", answer="brook").with_inputs("question")]
    found = {}
    for face in FACES:
        with dspex.context(lm=lm_of(face, server, temperature=0.0), adapter=adapter):
            found[face] = program(question="A word for the capital of France?").answer
    assert found["openai"]
    assert set(found.values()) == {found["openai"]}


@pytest.mark.parametrize("face", FACES)
def test_tokens_are_reported(server: PracticeServer, face: str) -> None:
    lm = lm_of(face, server)
    lm("hi")
    usage = lm.history[-1]["usage"]
    assert usage["total_tokens"] > 0


@pytest.mark.parametrize("face", FACES)
def test_schema_is_kept_to(server: PracticeServer, face: str) -> None:
    model = {"anthropic": "claude-opus-5", "gemini": "gemini-2.5-flash"}.get(face, "gpt-4o-mini")
    with dspex.context(lm=lm_of(face, server, model), adapter=dspex.JSONAdapter()):
        place = dspex.Predict(Ask)(question="Where is the Louvre?").place
    assert isinstance(place, Place)


@pytest.mark.parametrize("face", FACES)
def test_tools_are_called_and_their_answers_taken(server: PracticeServer, face: str) -> None:
    model = {"anthropic": "claude-opus-5", "gemini": "gemini-3-flash"}.get(face, "gpt-4o-mini")
    lm = lm_of(face, server, model)
    tool = dspex.Tool(look).format_as_litellm_function_call()
    said: list[dict[str, Any]] = [{"role": "user", "content": "Look at the map."}]
    (first,) = lm(messages=said, tools=[tool], tool_choice="required")
    (call,) = first["tool_calls"]
    call = {**call, "type": "function"}
    assert call["function"]["name"] == "look"
    result = {"role": "tool", "tool_call_id": call["id"], "name": "look", "content": "a map"}
    answered = lm(messages=[*said, {"role": "assistant", "content": None, "tool_calls": [call]}, result], tools=[tool])
    assert answered


@pytest.mark.parametrize("face", FACES)
def test_several_answers_are_given(server: PracticeServer, face: str) -> None:
    assert len(lm_of(face, server, temperature=1.0)("hi", n=3)) == 3


@pytest.mark.parametrize("face", FACES)
def test_key_that_is_wrong_is_an_error_by_name_without_the_key(server: PracticeServer, face: str) -> None:
    with pytest.raises(errors.LMAuthError) as caught:
        lm_of(face, server, api_key="sk-wrong-9876543210")("hi")
    assert "9876543210" not in str(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("face", FACES)
async def test_stream_is_the_whole_answer_in_pieces(server: PracticeServer, face: str) -> None:
    program = dspex.Predict("question -> answer")
    with dspex.context(lm=lm_of(face, server, temperature=0.0), adapter=dspex.ChatAdapter()):
        whole = (await program.acall(question="A word for the capital of France?")).answer
        listener = dspex.streaming.StreamListener(signature_field_name="answer")
        pieces: list[str] = []
        stream = dspex.streamify(program, stream_listeners=[listener])
        async for one in stream(question="A word for the capital of France?"):
            if isinstance(one, dspex.streaming.StreamResponse):
                pieces.append(one.chunk)
            elif isinstance(one, dspex.Prediction):
                assert one.answer == whole
    assert "".join(pieces).strip() == whole
