"""`dspex.testing.ScriptedModel`: what users' tests may rely on."""

from __future__ import annotations

import httpx
import pytest

import dspex
from dspex.errors import LMInvalidRequestError, LMTimeoutError, LMTransportError
from dspex.testing import DummyLM, Reply, ScriptedModel
from dspex.testing.scripted_model import Answer


def lm_at(model: ScriptedModel, **options: object) -> dspex.LM:
    return dspex.LM("openai/scripted", api_base=model.url, api_key="none", cache=False, **{"num_retries": 0, **options})


def test_answers_come_in_order_and_the_last_one_again() -> None:
    with ScriptedModel(["one", "two"]) as model:
        lm = lm_at(model)
        assert [lm("hi")[0] for _ in range(3)] == ["one", "two", "two"]
    assert [request["messages"][-1]["content"] for request in model.requests] == ["hi"] * 3


def test_fields_are_written_as_the_chat_adapter_reads_them() -> None:
    with ScriptedModel([{"answer": "Oslo"}]) as model, dspex.context(lm=lm_at(model)):
        assert dspex.Predict("question -> answer")(question="The capital of Norway?").answer == "Oslo"


def test_a_dict_answers_by_what_the_last_message_contains() -> None:
    with ScriptedModel({"Norway": "Oslo", "Peru": "Lima"}) as model:
        lm = lm_at(model)
        assert (lm("of Peru?")[0], lm("of Norway?")[0]) == ("Lima", "Oslo")
        with pytest.raises(LMInvalidRequestError, match="The script has no answer"):
            lm("of Mars?")


def test_a_function_sees_the_whole_request() -> None:
    def echo(request: dict[str, object]) -> Answer:
        return str(request["temperature"])

    with ScriptedModel(echo) as model:
        assert lm_at(model, temperature=0.5)("hi") == ["0.5"]


def test_the_error_of_a_script_reaches_the_caller() -> None:
    def script(request: dict[str, object]) -> Answer:
        raise LookupError("no such city")

    with ScriptedModel(script) as model, pytest.raises(LMInvalidRequestError, match="LookupError: no such city"):
        lm_at(model)("hi")


def test_a_refusal_is_retried_as_a_providers_is() -> None:
    with ScriptedModel([Reply(status=429, headers={"Retry-After": "0"}), "there"]) as model:
        assert lm_at(model, num_retries=2)("hi") == ["there"]
    assert len(model.requests) == 2


def test_a_cut_answer_is_a_broken_connection() -> None:
    with ScriptedModel([Reply("a long answer", cut=True)]) as model, pytest.raises(LMTransportError):
        lm_at(model)("hi")


def test_a_delay_longer_than_the_timeout_is_a_timeout() -> None:
    with ScriptedModel([Reply("late", delay_s=1.0)]) as model, pytest.raises(LMTimeoutError):
        lm_at(model, timeout=0.1)("hi")


async def test_it_streams() -> None:
    with ScriptedModel([{"answer": "a fine day"}]) as model, dspex.context(lm=lm_at(model)):
        listener = dspex.streaming.StreamListener("answer")
        program = dspex.streamify(dspex.Predict("question -> answer"), stream_listeners=[listener])
        pieces = [piece async for piece in program(question="How is it?")]
    assert "".join(piece.chunk for piece in pieces[:-1]) == "a fine day"
    assert pieces[-1].answer == "a fine day"


def test_a_stream_gives_its_usage_when_asked() -> None:
    with ScriptedModel(["a fine day"]) as model, httpx.Client() as client:
        body = {"model": "m", "stream": True, "messages": [], "stream_options": {"include_usage": True}}
        asked = client.post(f"{model.url}/chat/completions", json=body).text
        unasked = client.post(f"{model.url}/chat/completions", json={**body, "stream_options": None}).text
    assert '"total_tokens": ' in asked
    assert "usage" not in unasked


def test_it_embeds_by_the_function_it_is_given() -> None:
    with ScriptedModel(["fine"], embed=lambda text: [len(text), 1.0]) as model:
        embed = dspex.Embedder("openai/scripted", api_base=model.url, api_key="none", caching=False)
        assert embed(["ab", "abc"]).tolist() == [[2.0, 1.0], [3.0, 1.0]]
    assert model.requests == []


@pytest.mark.parametrize("path", ["embeddings", "responses"])
def test_what_it_has_no_answer_for_is_not_found(path: str) -> None:
    with ScriptedModel(["fine"]) as model, httpx.Client() as client:
        found = client.post(f"{model.url}/{path}", json={"model": "m", "input": "ab"})
    assert found.status_code == 404
    assert found.json()["error"]["message"] == f"A ScriptedModel without an answer for /v1/{path}."


def test_a_script_without_answers_is_refused() -> None:
    for script in ([], {}, "text"):
        with pytest.raises(ValueError, match="A script is"):
            ScriptedModel(script)  # type: ignore[arg-type]


def test_the_dummy_lm_is_dspys() -> None:
    with dspex.context(lm=DummyLM([{"answer": "42"}])):
        assert dspex.Predict("question -> answer")(question="6 x 7").answer == "42"
