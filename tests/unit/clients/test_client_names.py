"""What a model's name means: where it is served, what it is called there, and with which key."""

from __future__ import annotations

import pytest

from dspex.clients import LM
from dspex.clients.capabilities import capabilities, is_reasoning_model
from dspex.clients.wires.endpoints import parse_model, resolve
from dspex.errors import LMConfigurationError, LMNotConfiguredError, LMUnsupportedFeatureError, UsageError


@pytest.mark.parametrize(
    ("text", "wire_name"),
    [
        ("openai/gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("openai/meta-llama/Llama-3-8B", "meta-llama/Llama-3-8B"),
        ("openai/openai/gpt-oss-20b", "openai/gpt-oss-20b"),
        ("meta-llama/Llama-3-8B", "meta-llama/Llama-3-8B"),
        ("hosted_vllm/meta-llama/Llama-3-8B", "meta-llama/Llama-3-8B"),
        ("ollama_chat/llama3", "llama3"),
    ],
)
def test_name_on_the_wire_is_what_follows_the_provider(text: str, wire_name: str) -> None:
    assert parse_model(text).wire_name == wire_name


@pytest.mark.parametrize("text", ["", "openai/"])
def test_half_a_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        LM(text)


def test_openai_is_found_with_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    found = resolve(parse_model("openai/gpt-4o-mini"), "chat", None, None, key=False)
    assert (found.url, found.key_variable) == ("https://api.openai.com/v1/chat/completions", "OPENAI_API_KEY")


@pytest.mark.parametrize("variable", ["OPENAI_API_BASE", "OPENAI_BASE_URL"])
def test_base_url_of_the_environment_is_respected(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "http://proxy.test/v1/")
    found = resolve(parse_model("openai/gpt-4o-mini"), "chat", None, None, key=False)
    assert (found.url, found.key_variable) == ("http://proxy.test/v1/chat/completions", None)


def test_unknown_provider_without_a_base_says_what_to_do() -> None:
    with pytest.raises(LMConfigurationError, match=r"api_base="):
        LM("nobody/some-model")("hi")


def test_no_key_names_the_variable_before_any_call() -> None:
    with pytest.raises(LMNotConfiguredError, match="OPENAI_API_KEY"):
        LM("openai/gpt-4o-mini")("hi")


def test_named_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    with pytest.raises(LMNotConfiguredError, match="MY_KEY"):
        LM("openai/x", api_base="http://provider.test/v1", api_key_env="MY_KEY")("hi")


@pytest.mark.parametrize("base", ["provider.test/v1", "ftp://provider.test", "http://user:word@provider.test/v1"])
def test_base_that_cannot_be_called_is_refused(base: str) -> None:
    with pytest.raises(LMConfigurationError, match="api_base"):
        LM("openai/x", api_base=base)("hi")


def test_unknown_model_type_is_refused() -> None:
    with pytest.raises(LMUnsupportedFeatureError, match="chat, responses, text"):
        LM("openai/x", model_type="speech")


@pytest.mark.parametrize("options", [{"num_retries": -1}, {"max_concurrency": 0}, {"timeout": 0}])
def test_impossible_numbers_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        LM("openai/x", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "model", ["openai/o3", "openai/o1-mini", "openai/o3-2025-04-16", "openai/gpt-5", "gpt-5.1-mini"]
)
def test_reasoning_models_are_known(model: str) -> None:
    assert is_reasoning_model(model)


@pytest.mark.parametrize("model", ["openai/gpt-4o", "openai/gpt-5-chat", "openai/gpt-50", "openai/o3-large", "o2"])
def test_other_models_are_not_taken_for_reasoning_models(model: str) -> None:
    assert not is_reasoning_model(model)


def test_reasoning_model_takes_no_temperature_and_no_small_budget() -> None:
    with pytest.raises(LMConfigurationError, match="16000"):
        LM("openai/o3", temperature=0.5)
    with pytest.raises(LMConfigurationError, match="16000"):
        LM("openai/o3", max_tokens=1000)
    assert LM("openai/o3", temperature=1.0, max_tokens=20_000).kwargs == {
        "temperature": 1.0,
        "max_completion_tokens": 20_000,
    }


def test_unknown_model_can_do_nothing_special() -> None:
    found = capabilities("openai/practice")
    assert (found.function_calling, found.reasoning, found.response_schema) == (False, False, False)
    assert "response_format" not in found.params
