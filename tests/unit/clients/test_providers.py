"""Where each provider's models are asked, with whose key, in which dialect, and how often for several answers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from client_fakes import FakeTransport, completion, response

import dspex
from dspex import errors
from dspex.clients import LM
from dspex.clients.capabilities import capabilities
from dspex.clients.wires.endpoints import AZURES_VERSION, parse_model, resolve, wire_for
from dspex.clients.wires.provider_table import PROVIDERS
from dspex.clients.wires.wire import ForeignStream

ASK = [{"role": "user", "content": "hi"}]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_API_BASE", "_BASE_URL", "_TOKEN", "_ENDPOINT", "_API_VERSION")):
            monkeypatch.delenv(name)


def found(model: str, base: str | None = None, model_type: str = "chat", version: str | None = None) -> Any:
    return resolve(parse_model(model), model_type, base, None, True, version)


# Addresses


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("anthropic/claude-opus-5", "https://api.anthropic.com/v1/messages"),
        (
            "gemini/gemini-2.5-flash",
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
        ),
        (
            "gemini/tunedModels/mine",
            "https://generativelanguage.googleapis.com/v1beta/tunedModels/mine:generateContent",
        ),
        ("groq/llama-3.3-70b-versatile", "https://api.groq.com/openai/v1/chat/completions"),
        ("deepseek/deepseek-chat", "https://api.deepseek.com/v1/chat/completions"),
        ("mistral/mistral-large-latest", "https://api.mistral.ai/v1/chat/completions"),
        ("openrouter/anthropic/claude-sonnet-4.5", "https://openrouter.ai/api/v1/chat/completions"),
        ("together_ai/meta-llama/Llama-3.3-70B", "https://api.together.xyz/v1/chat/completions"),
        ("fireworks_ai/llama-v3p1-8b", "https://api.fireworks.ai/inference/v1/chat/completions"),
        ("xai/grok-4", "https://api.x.ai/v1/chat/completions"),
        ("deepinfra/meta-llama/Llama-3.3-70B", "https://api.deepinfra.com/v1/openai/chat/completions"),
        ("cerebras/llama3.1-8b", "https://api.cerebras.ai/v1/chat/completions"),
        ("perplexity/sonar", "https://api.perplexity.ai/chat/completions"),
        ("ollama_chat/llama3.2", "http://localhost:11434/v1/chat/completions"),
        ("ollama/llama3.2", "http://localhost:11434/v1/chat/completions"),
        ("hosted_vllm/meta-llama/Llama-3", "http://localhost:8000/v1/chat/completions"),
        ("lm_studio/qwen", "http://localhost:1234/v1/chat/completions"),
        ("litellm_proxy/gpt-4o", "http://localhost:4000/chat/completions"),
    ],
)
def test_each_provider_has_its_address(model: str, url: str) -> None:
    assert found(model).url == url


@pytest.mark.parametrize(
    ("model", "base", "url"),
    [
        ("anthropic/x", "http://proxy.test", "http://proxy.test/v1/messages"),
        ("anthropic/x", "http://proxy.test/v1/", "http://proxy.test/v1/messages"),
        ("gemini/x", "http://proxy.test", "http://proxy.test/v1beta/models/x:generateContent"),
        ("gemini/x", "http://proxy.test/v1", "http://proxy.test/v1/models/x:generateContent"),
        ("ollama_chat/x", "http://host.test:11434", "http://host.test:11434/v1/chat/completions"),
        ("groq/x", "http://proxy.test/some/path", "http://proxy.test/some/path/chat/completions"),
        ("nobodys/x", "http://proxy.test/v1", "http://proxy.test/v1/chat/completions"),
    ],
)
def test_address_of_ones_own_is_completed(model: str, base: str, url: str) -> None:
    assert found(model, base).url == url


@pytest.mark.parametrize(
    ("model", "variable"),
    [("anthropic/x", "ANTHROPIC_BASE_URL"), ("groq/x", "GROQ_API_BASE"), ("hosted_vllm/x", "HOSTED_VLLM_API_BASE")],
)
def test_address_of_the_environment_is_respected(monkeypatch: pytest.MonkeyPatch, model: str, variable: str) -> None:
    monkeypatch.setenv(variable, "http://proxy.test/v1")
    assert found(model).url.startswith("http://proxy.test/v1/")


@pytest.mark.parametrize("provider", [one for one in PROVIDERS.values() if one.needs_key], ids=lambda one: one.name)
def test_key_is_the_providers_own(monkeypatch: pytest.MonkeyPatch, provider: Any) -> None:
    name = parse_model(f"{provider.name}/m")
    base = None if provider.api_base else "http://own.test"
    if provider.api_base:
        with pytest.raises(errors.LMNotConfiguredError, match=provider.key_variables[0]):
            resolve(name, "chat", None, None, False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    others = resolve(name, "chat", "http://own.test", None, False).key_variable
    assert others == ("OPENAI_API_KEY" if provider.name == "openai" else None)
    for variable in reversed(provider.key_variables):
        monkeypatch.setenv(variable, "key")
        assert resolve(name, "chat", base, None, False).key_variable == variable


@pytest.mark.parametrize("name", [one.name for one in PROVIDERS.values() if not one.needs_key and one.api_base])
def test_server_of_ones_own_needs_no_key(name: str) -> None:
    assert resolve(parse_model(f"{name}/m"), "chat", None, None, False).key_variable is None


def test_provider_without_an_address_names_the_variable() -> None:
    with pytest.raises(errors.LMConfigurationError, match="AZURE_API_BASE"):
        found("azure/gpt-4o")


def test_short_names_of_fireworks_are_completed() -> None:
    assert parse_model("fireworks_ai/llama").wire_name == "accounts/fireworks/models/llama"
    assert parse_model("fireworks_ai/accounts/me/models/llama").wire_name == "accounts/me/models/llama"


@pytest.mark.parametrize("model", ["anthropic/claude-opus-5", "gemini/gemini-2.5-flash"])
def test_model_type_that_a_provider_has_not_is_refused(model: str) -> None:
    with pytest.raises(errors.LMUnsupportedFeatureError, match="chat"):
        LM(model, model_type="responses")


# Azure


@pytest.mark.parametrize(
    ("base", "model_type", "version", "url"),
    [
        (
            "https://me.openai.azure.com",
            "chat",
            None,
            f"https://me.openai.azure.com/openai/deployments/mine/chat/completions?api-version={AZURES_VERSION}",
        ),
        (
            "https://me.openai.azure.com/openai/deployments/other",
            "chat",
            "2025-01-01",
            "https://me.openai.azure.com/openai/deployments/other/chat/completions?api-version=2025-01-01",
        ),
        (
            "https://me.openai.azure.com/openai/v1/",
            "chat",
            None,
            "https://me.openai.azure.com/openai/v1/chat/completions",
        ),
        ("https://me.openai.azure.com", "responses", None, "https://me.openai.azure.com/openai/v1/responses"),
    ],
)
def test_azure_is_asked_for_a_deployment(base: str, model_type: str, version: str | None, url: str) -> None:
    assert found("azure/mine", base, model_type, version).url == url


@pytest.mark.asyncio
async def test_azures_version_and_token_are_a_calls_own(make_lm: Callable[..., Any]) -> None:
    transport = FakeTransport()
    lm = make_lm(transport, "azure/mine", api_base="http://azure.test", api_version="2025-01-01")
    await lm.acall("hi")
    await lm.acall("ho", api_version="2025-02-01", azure_ad_token="eyJh.eyJi.sig")
    (first, key, _), (second, token, _) = transport.sent
    assert (first[-10:], second[-10:]) == ("2025-01-01", "2025-02-01")
    assert "api-key" in key
    assert "Authorization" not in key
    assert token["Authorization"] == "Bearer eyJh.eyJi.sig"
    assert all(set(body) <= {"messages", "model"} for body in transport.bodies())


# Dialects


def sent(model: str, **params: Any) -> dict[str, Any]:
    name = parse_model(model)
    body: dict[str, Any] = json.loads(wire_for("chat", name.provider).encode(name.wire_name, ASK, params).body)
    return {key: value for key, value in body.items() if key not in ("messages", "model")}


def test_names_are_those_of_the_server() -> None:
    assert sent("mistral/m", seed=1, user="u", tool_choice="required") == {"random_seed": 1, "tool_choice": "any"}
    assert sent("deepseek/m", reasoning_effort="high", user="u") == {
        "reasoning_effort": "high",
        "thinking": {"type": "enabled"},
        "user_id": "u",
    }
    assert sent("deepseek/m", reasoning_effort="none") == {"thinking": {"type": "disabled"}}
    assert sent("openrouter/a/m", reasoning_effort="low") == {"reasoning": {"effort": "low"}}
    assert sent("groq/m", reasoning_effort="low", seed=1) == {"reasoning_effort": "low", "seed": 1}


@pytest.mark.parametrize("params", [{"num_ctx": 8192}, {"tool_choice": "required"}])
def test_what_ollama_would_leave_out_unsaid_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(errors.LMUnsupportedFeatureError, match=next(iter(params))):
        sent("ollama_chat/m", **params)


def test_reasoning_has_one_name() -> None:
    body = completion("Paris", reasoning="Hm.")
    found = wire_for("chat").decode(json.dumps(body).encode())
    assert found.choices[0].message.reasoning_content == "Hm."


def test_thoughts_of_mistral_are_apart() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Paris"}]
    body = completion(None) | {"choices": [{"index": 0, "message": {"role": "assistant", "content": parts}}]}
    message = wire_for("chat", "mistral").decode(json.dumps(body).encode()).choices[0].message
    assert (message.content, message.reasoning_content) == ("Paris", "Hm.")


def test_sources_of_perplexity_are_citations() -> None:
    body = completion("Paris") | {"search_results": [{"title": "T", "url": "https://x.test"}]}
    message = wire_for("chat", "perplexity").decode(json.dumps(body).encode()).choices[0].message
    assert message["provider_specific_fields"]["citations"] == [
        [{"type": "citation", "title": "T", "url": "https://x.test"}]
    ]


# Several answers


@pytest.mark.asyncio
async def test_n_answers_are_n_calls_where_a_provider_gives_one(make_lm: Callable[..., Any]) -> None:
    transport = FakeTransport(*(response(body=completion(text)) for text in ("a", "b", "c", "d")))
    lm = make_lm(transport, "groq/m")
    assert await lm.acall("hi", n=3) == ["a", "b", "c"]
    assert all("n" not in body for body in transport.bodies())
    entry = lm.history[-1]
    assert entry["usage"] == {"prompt_tokens": 30, "completion_tokens": 15, "total_tokens": 45}
    assert [choice["index"] for choice in entry["response"]["choices"]] == [0, 1, 2]
    assert await lm.acall("hi", n=2) == ["a", "b"]
    assert await lm.acall("hi") == ["a"]
    assert len(transport.sent) == 3
    assert await lm.acall("hi", n=4) == ["a", "b", "c", "d"]


@pytest.mark.asyncio
async def test_one_call_asks_for_n_where_a_provider_gives_them(make_lm: Callable[..., Any]) -> None:
    transport = FakeTransport()
    await make_lm(transport, "together_ai/m").acall("hi", n=3)
    assert [body["n"] for body in transport.bodies()] == [3]


@pytest.mark.asyncio
async def test_answer_that_fails_fails_all_and_the_others_are_kept(make_lm: Callable[..., Any]) -> None:
    transport = FakeTransport(response(), response(400, {"error": {"message": "No."}}), response())
    lm = make_lm(transport, "groq/m")
    with pytest.raises(errors.LMInvalidRequestError, match="No"):
        await lm.acall("hi", n=3)
    transport.answers = [response(body=completion("b"))]
    assert await lm.acall("hi", n=3) == ["Paris", "b", "Paris"]
    assert len(transport.sent) == 4


# The prompt cache of an LM


@pytest.mark.asyncio
async def test_prompt_cache_of_the_lm_reaches_the_provider(make_lm: Callable[..., Any]) -> None:
    message = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}], "usage": {}}
    transport = FakeTransport(response(body=message))
    lm = make_lm(transport, "anthropic/claude-sonnet-4-5", prompt_cache="1h")
    said = [{"role": "system", "content": "s"}, *ASK]
    await lm.acall(messages=said)
    await lm.copy(prompt_cache=False).acall(messages=[*said, *ASK])
    first, second = transport.bodies()
    assert first["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert second["system"] == "s"
    assert LM.load_state(lm.dump_state()).kwargs["prompt_cache"] == "1h"
    with pytest.raises(errors.UsageError, match="prompt_cache"):
        LM("anthropic/claude-sonnet-4-5", prompt_cache="forever")


@pytest.mark.asyncio
async def test_providers_that_cache_by_themselves_are_not_told(make_lm: Callable[..., Any]) -> None:
    transport = FakeTransport()
    await make_lm(transport, "openai/gpt-4o", prompt_cache=True).acall("hi")
    assert sorted(transport.bodies()[0]) == ["messages", "model"]


# What models can do


@pytest.mark.parity
@pytest.mark.parametrize(
    "model",
    [
        "anthropic/claude-sonnet-5-5",
        "anthropic/claude-sonnet-4-5",
        "anthropic/claude-opus-4-6",
        "gemini/gemini-2.5-flash",
        "gemini/gemini-3-pro-preview",
        "gemini/gemma-3-27b-it",
        "groq/openai/gpt-oss-20b",
    ],
)
def test_capabilities_are_those_that_dspy_knows(model: str) -> None:
    dspy = pytest.importorskip("dspy")
    theirs, ours = dspy.LM(model, api_key="x"), LM(model, api_key="x")
    for name in ("supports_function_calling", "supports_reasoning", "supports_response_schema", "supported_params"):
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize(
    ("model", "functions", "reasoning", "schema"),
    [
        ("anthropic/claude-3-haiku-20240307", True, False, False),
        ("openrouter/anthropic/claude-sonnet-4.5", True, True, True),
        ("openrouter/openai/gpt-4o-mini", True, False, True),
        ("groq/llama-3.3-70b-versatile", True, False, False),
        ("deepseek/deepseek-chat", True, False, False),
        ("deepseek/deepseek-reasoner", False, True, False),
        ("together_ai/deepseek-ai/DeepSeek-R1", False, False, False),
        ("ollama_chat/llama3.2", False, False, True),
        ("azure/gpt-4o", True, False, True),
        ("azure/my-deployment", False, False, False),
        ("gemini/gemini-2.5-flash-preview-tts", False, False, False),
        ("perplexity/sonar", False, False, True),
        ("groq/nobodys-model", False, False, False),
    ],
)
def test_capabilities_follow_the_family(model: str, functions: bool, reasoning: bool, schema: bool) -> None:
    can = capabilities(model)
    assert (can.function_calling, can.reasoning, can.response_schema) == (functions, reasoning, schema)


def test_wires_whose_streams_are_not_openais_say_so() -> None:
    foreign = {name for name, one in PROVIDERS.items() if isinstance(one.wires["chat"], ForeignStream)}
    assert foreign == {"anthropic", "gemini"}
    assert dspex.LM("anthropic/claude-opus-5").supports_reasoning
