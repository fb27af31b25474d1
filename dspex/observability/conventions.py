"""The names that spans, attributes and metrics have: OpenTelemetry's where it has one, ``dspex.*`` elsewhere.

They are spelled out here, and not taken from ``opentelemetry.semconv``, whose GenAI part is of a version that the
tracing library of the user's program decides.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
TOKEN_TYPE = "gen_ai.token.type"
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"
EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_SCORE = "gen_ai.evaluation.score.value"

REQUEST_PARAMETERS = {
    "temperature": "gen_ai.request.temperature",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "seed": "gen_ai.request.seed",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "n": "gen_ai.request.choice.count",
}
"""The attribute of each request parameter that has one."""

SERVER = "server.address"
PORT = "server.port"
METHOD = "http.request.method"
RESENT = "http.request.resend_count"
STATUS = "http.response.status_code"
URL = "url.full"
ERROR_TYPE = "error.type"

RUN = "dspex.run.id"
PATH = "dspex.path"
LEDGER = "dspex.ledger"
COST = "dspex.cost_usd"
WAITED = "dspex.limiter.waited_s"
MODULE = "dspex.module"
SIGNATURE = "dspex.signature"

DURATION_METRIC = "gen_ai.client.operation.duration"
TOKENS_METRIC = "gen_ai.client.token.usage"

DURATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS = tuple(float(4**power) for power in range(14))

_PROVIDERS = {
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "mistral": "mistral_ai",
    "xai": "x_ai",
    "watsonx": "ibm.watsonx.ai",
}
"""The conventions' names of providers, where litellm's prefix is another."""


class EndpointAddress(NamedTuple):
    """An address in parts: the host, and the operation there. `url` is without query, user and password."""

    host: str | None
    port: int | None
    url: str
    operation: str


@lru_cache(maxsize=1024)
def endpoint_address(url: str) -> EndpointAddress:
    """Take the address of a call apart. One that is not a URL (litellm's own) has no host."""
    parts = urlsplit(url)
    host = parts.hostname
    port = (parts.port or {"http": 80, "https": 443}.get(parts.scheme)) if host else None
    own = f":{parts.port}" if parts.port else ""
    shown = f"{parts.scheme}://{host}{own}{parts.path}" if host else parts.scheme or url.partition("?")[0]
    return EndpointAddress(host, port, shown, _operation(parts.path))


def _operation(path: str) -> str:
    lowered = path.lower()
    if "embed" in lowered:
        return "embeddings"
    if "generatecontent" in lowered:
        return "generate_content"
    return "text_completion" if lowered.endswith("/completions") and "/chat/" not in lowered else "chat"


def provider_of(model: str) -> str:
    """The provider's name by a model's: ``openai`` for ``openai/gpt-4o-mini`` and for ``gpt-4o-mini``."""
    prefix, slash, _ = model.partition("/")
    return _PROVIDERS.get(prefix, prefix) if slash else "openai"
