"""The names are OpenTelemetry's own."""

from __future__ import annotations

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes, http_attributes, server_attributes, url_attributes

from dspex.observability import conventions
from dspex.observability.conventions import endpoint_address, provider_of


def test_names_are_those_of_the_conventions() -> None:
    modules = (gen_ai_attributes, error_attributes, server_attributes, url_attributes)
    official = {value for module in modules for value in vars(module).values() if isinstance(value, str)}
    official |= {http_attributes.HTTP_REQUEST_METHOD, http_attributes.HTTP_RESPONSE_STATUS_CODE}
    official |= {http_attributes.HTTP_REQUEST_RESEND_COUNT}
    official |= {gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION, gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE}
    ours = [value for name, value in vars(conventions).items() if name.isupper() and isinstance(value, str)]
    ours += conventions.REQUEST_PARAMETERS.values()
    assert [name for name in ours if name not in official and not name.startswith("dspex.")] == []


@pytest.mark.parametrize(
    ("url", "operation"),
    [
        ("https://api.openai.com/v1/chat/completions", "chat"),
        ("https://api.openai.com/v1/responses", "chat"),
        ("https://api.openai.com/v1/completions", "text_completion"),
        ("https://api.openai.com/v1/embeddings", "embeddings"),
        ("https://api.anthropic.com/v1/messages", "chat"),
        ("https://host/v1beta/models/gemini-2.5-pro:generateContent", "generate_content"),
        ("https://host/v1beta/models/text-embedding-004:batchEmbedContents", "embeddings"),
        ("litellm", "chat"),
        ("litellm:embeddings", "embeddings"),
    ],
)
def test_operation_is_known_by_the_address(url: str, operation: str) -> None:
    assert endpoint_address(url).operation == operation


def test_address_is_told_without_what_may_be_secret() -> None:
    place = endpoint_address("https://user:secret@host.test:8443/v1/chat/completions?key=sk-12345678")
    assert place.url == "https://host.test:8443/v1/chat/completions"
    assert (place.host, place.port) == ("host.test", 8443)
    assert endpoint_address("http://host.test/v1").port == 80
    assert endpoint_address("litellm").host is None


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("openai/gpt-4o-mini", "openai"),
        ("gpt-4o-mini", "openai"),
        ("anthropic/claude-sonnet-4", "anthropic"),
        ("gemini/gemini-2.5-pro", "gcp.gemini"),
        ("groq/llama", "groq"),
    ],
)
def test_provider_is_known_by_the_model(model: str, provider: str) -> None:
    assert provider_of(model) == provider
