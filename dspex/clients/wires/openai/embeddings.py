"""OpenAI's wire format for embeddings: ``POST /embeddings``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from dspex.clients.canonical.answer import Answer
from dspex.clients.canonical.request import EncodedRequest, encode_params, seal
from dspex.clients.canonical.secrets import names_a_secret
from dspex.clients.http.transport import RawResponse
from dspex.clients.wires.body import excerpt, parse_body
from dspex.clients.wires.openai.chat import OPENAI_CHAT
from dspex.errors import LMError, LMUnexpectedError

PATH = "/embeddings"

# For the client, not for the provider (some are litellm's, which DSPy's users pass).
_NOT_SENT = frozenset(
    {
        "api_base",
        "api_key_env",
        "base_url",
        "api_version",
        "custom_llm_provider",
        "drop_params",
        "extra_body",
        "max_concurrency",
        "num_retries",
        "timeout",
        "transport",
    }
)


class EmbeddingsWire:
    """Asks for the vectors of `count` texts, which take the place of messages, and reads the answer."""

    path = PATH

    def __init__(self, count: int) -> None:
        self.count = count

    def encode(self, model: str, messages: list[Any], params: Mapping[str, Any]) -> EncodedRequest:
        """Build the request for the texts `messages`; `params` that are for the client itself are not sent."""
        sent = {
            name: value
            for name, value in params.items()
            if value is not None and name not in _NOT_SENT and not names_a_secret(name)
        }
        sent |= {**(params.get("extra_body") or {}), "model": model, "input": messages}
        return seal(b"{", hashlib.sha256(b"embeddings"), encode_params(sent))

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the headers, with the key in ``Authorization``."""
        return OPENAI_CHAT.headers(key)

    def streamed(self, body: bytes) -> bytes:
        """Return the same body: vectors are not streamed."""
        return body

    def decode(self, body: bytes) -> Answer:
        """Parse an answer, and put its vectors in the order of the texts.

        Raises:
            LMUnexpectedError: it does not hold a vector for each text.
        """
        data = parse_body(body)
        rows = data.get("data") if isinstance(data, dict) else None
        if not isinstance(rows, list) or not all(map(_is_vector, rows)):
            raise LMUnexpectedError(f"The answer holds no embeddings: {excerpt(body)}")
        if len(rows) != self.count:
            raise LMUnexpectedError(f"The answer holds {len(rows)} embeddings for {self.count} texts")
        if all(isinstance(row.get("index"), int) for row in rows):
            data["data"] = sorted(rows, key=lambda row: row["index"])
        return Answer(data)

    def error(self, response: RawResponse) -> LMError:
        """Return the error that a response with an error status means."""
        return OPENAI_CHAT.error(response)


def _is_vector(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("embedding"), list) and bool(row["embedding"])
