"""Calls sent through litellm, whose functions a test replaces: what they are given, and what becomes of the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

import pytest
from client_fakes import MemoryLedger

import dspex
from dspex.clients import LM
from dspex.errors import (
    ContextWindowExceededError,
    LMAuthError,
    LMConfigurationError,
    LMError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    LMUnexpectedError,
    LMUnsupportedFeatureError,
    LMUnsupportedModelError,
)
from dspex.streaming.channel import Channel

KEY = "sk-litellm-0123456789"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    return pytest.importorskip("litellm")


def reply(text: str = "Paris") -> Any:
    from litellm import Choices, Message, ModelResponse

    choices = [Choices(message=Message(content=text), finish_reason="stop")]
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return ModelResponse(choices=choices, usage=usage, model="served")


def lm_through(**options: Any) -> LM:
    return LM("odd/model", engine="litellm", api_key=KEY, **{"num_retries": 0, "cache": False, **options})


async def test_asynchronous_call_is_acompletion() -> None:
    lm = lm_through(temperature=0.5, top_k=3)
    with mock.patch("litellm.acompletion", new_callable=mock.AsyncMock, return_value=reply()) as call:
        assert await lm.acall("hi", stop=["x"]) == ["Paris"]
    given = call.call_args.kwargs
    assert given["model"] == "odd/model"
    assert given["messages"] == [{"role": "user", "content": "hi"}]
    assert (given["temperature"], given["top_k"], given["stop"], given["api_key"]) == (0.5, 3, ["x"], KEY)
    assert given["num_retries"] == 0
    assert given["cache"] == {"no-cache": True, "no-store": True}
    entry = lm.history[-1]
    assert type(entry["response"]).__name__ == "ModelResponse"
    assert entry["usage"]["total_tokens"] == 5
    assert KEY not in str({name: value for name, value in entry.items() if name != "response"})


def test_synchronous_call_is_completion() -> None:
    with mock.patch("litellm.completion", return_value=reply()) as call:
        assert lm_through()("hi") == ["Paris"]
    call.assert_called_once()


def test_predictor_called_synchronously_is_completion() -> None:
    answer = reply("[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]")
    with mock.patch("litellm.completion", return_value=answer), dspex.context(lm=lm_through()):
        assert dspex.Predict("question -> answer")(question="?").answer == "Paris"


async def test_answer_is_recorded_and_found_again(ledger: MemoryLedger) -> None:
    lm = lm_through(cache=True)
    with mock.patch("litellm.acompletion", new_callable=mock.AsyncMock, return_value=reply()) as call:
        assert await lm.acall("hi") == await lm.acall("hi") == ["Paris"]
        assert await lm.acall("hi", rollout_id=1, temperature=1.0) == ["Paris"]
    assert call.await_count == 2
    assert "rollout_id" not in call.call_args.kwargs
    assert KEY not in "".join([*ledger.entries, *(entry.response.decode() for entry in ledger.entries.values())])


async def test_key_is_no_part_of_what_the_ledger_knows(ledger: MemoryLedger) -> None:
    with mock.patch("litellm.acompletion", new_callable=mock.AsyncMock, return_value=reply()):
        await lm_through(cache=True).acall("hi")
        await LM("odd/model", engine="litellm", api_key="sk-another-0123456789").acall("hi", organization="us")
    assert len(ledger.entries) == 1


async def test_key_comes_from_the_variable_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    lm = LM("odd/model", engine="litellm", api_key_env="MY_KEY", cache=False, timeout=7, api_base="http://x.test")
    with mock.patch("litellm.acompletion", new_callable=mock.AsyncMock, return_value=reply()) as call:
        await lm.acall("hi")
    given = call.call_args.kwargs
    assert (given["api_key"], given["timeout"], given["api_base"]) == (KEY, 7, "http://x.test")
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(LMConfigurationError, match="MY_KEY"):
        await lm.acall("hi")


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("RateLimitError", LMRateLimitError),
        ("AuthenticationError", LMAuthError),
        ("ContextWindowExceededError", ContextWindowExceededError),
        ("NotFoundError", LMUnsupportedModelError),
        ("BadRequestError", LMInvalidRequestError),
        ("Timeout", LMTimeoutError),
        ("APIConnectionError", LMTransportError),
        ("ServiceUnavailableError", LMServerError),
        ("UnsupportedParamsError", LMUnsupportedFeatureError),
    ],
)
async def test_errors_are_ours(offline: Any, name: str, meaning: type[LMError]) -> None:
    kind = getattr(offline, name)
    more = {} if name == "UnsupportedParamsError" else {"model": "m", "llm_provider": "odd"}
    error = kind(message=f"no: {KEY}", **more)
    with (
        mock.patch("litellm.acompletion", new_callable=mock.AsyncMock, side_effect=error),
        pytest.raises(meaning) as raised,
    ):
        await lm_through().acall("hi")
    assert raised.value.model == "odd/model"
    assert KEY not in str(raised.value)


async def test_what_litellm_does_not_know_is_not_tried_again() -> None:
    with (
        mock.patch("litellm.acompletion", new_callable=mock.AsyncMock, side_effect=ZeroDivisionError("x")) as call,
        pytest.raises(LMUnexpectedError),
    ):
        await lm_through(num_retries=3).acall("hi")
    assert call.await_count == 1


async def test_retries_are_ours(offline: Any, naps: list[float]) -> None:
    refused = offline.RateLimitError(message="slow down", model="m", llm_provider="odd")
    answers = [refused, refused, reply()]
    with mock.patch("litellm.acompletion", new_callable=mock.AsyncMock, side_effect=answers):
        assert await lm_through(num_retries=3).acall("hi") == ["Paris"]
    assert len(naps) == 2


def chunks(*texts: str) -> AsyncIterator[Any]:
    from litellm.types.utils import Delta, ModelResponseStream, StreamingChoices

    async def given() -> AsyncIterator[Any]:
        for text in texts:
            yield ModelResponseStream(model="m", choices=[StreamingChoices(delta=Delta(content=text))])

    return given()


async def test_stream_is_acompletion_whose_chunks_are_passed_on() -> None:
    channel = Channel()
    with (
        mock.patch("litellm.acompletion", new_callable=mock.AsyncMock, return_value=chunks("Par", "is")) as call,
        dspex.context(send_stream=channel),
    ):
        assert await lm_through().acall("hi") == ["Paris"]
    channel.end()
    sent = [item async for item in channel]
    assert [type(item).__name__ for item in sent[:-1]] == ["ModelResponseStream"] * 2
    assert call.call_args.kwargs["stream"] is True


async def test_prefix_that_is_not_ours_goes_to_litellm_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = LM("cohere/command-r", cache=False)
    with mock.patch("litellm.acompletion", new_callable=mock.AsyncMock, return_value=reply()):
        assert await lm.acall("hi") == ["Paris"]
    with pytest.raises(LMConfigurationError, match="to litellm too"):
        await LM("nobodys/model").acall("hi")
    monkeypatch.setattr("dspex.clients.engines.litellm.is_installed", lambda: False)
    with pytest.raises(LMConfigurationError, match="api_base="):
        await LM("cohere/command-r").acall("hi")


async def test_litellm_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from dspex.clients.engines import litellm as litellm_engine

    litellm_engine.load_litellm.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "litellm", None)
    with pytest.raises(LMConfigurationError, match="pip install"):
        await lm_through().acall("hi")


@pytest.mark.parametrize("options", [{"engine": "lm16"}, {"engine": "auto", "async_engine": object()}])
def test_other_engines_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="engine"):
        LM("openai/x", **options)


def test_text_completions_have_their_own_function() -> None:
    with mock.patch("litellm.text_completion", return_value=reply()) as call:
        lm_through(model_type="text")("hi")
    assert call.call_args.kwargs["prompt"] == "hi\n\nBEGIN RESPONSE:"
    assert call.call_args.kwargs["model"] == "text-completion-openai/model"


async def test_responses_have_their_own_function() -> None:
    output = [{"type": "message", "content": [{"type": "output_text", "text": "Paris"}]}]
    answer = {"model": "m", "output": output, "usage": {"input_tokens": 3, "output_tokens": 2}}
    with mock.patch("litellm.aresponses", new_callable=mock.AsyncMock, return_value=answer) as call:
        assert await lm_through(model_type="responses", max_tokens=9).acall("hi") == [{"text": "Paris"}]
    given = call.call_args.kwargs
    assert given["input"] == [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
    assert given["max_output_tokens"] == 9


def test_threads_of_synchronous_calls_keep_their_settings() -> None:
    seen: list[Any] = []

    def look(**_: Any) -> Any:
        seen.append(dspex.settings.max_errors)
        return reply()

    with mock.patch("litellm.completion", side_effect=look), dspex.context(max_errors=77):
        lm_through()("hi")
    assert seen == [77]
