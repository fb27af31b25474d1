"""OpenAI's embeddings format: requests read strictly, answers written as that API writes them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from dspex_practice.api import body as read
from dspex_practice.model.embed import DIMENSIONS
from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.tokens import count_tokens

_MOST_TEXTS = 2048
_MOST_DIMENSIONS = 4096


@dataclass(frozen=True, slots=True)
class EmbeddingsRequest:
    """A request as read."""

    model: str
    texts: Sequence[str]
    dimensions: int
    as_base64: bool
    digest: bytes
    """Of the whole body, whatever the order of its keys."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all texts."""
        return sum(map(count_tokens, self.texts))


def read_embeddings_request(raw: bytes) -> EmbeddingsRequest:
    """Read a request's body.

    Raises:
        BadRequestError: if it is not JSON or not an embeddings request.
    """
    body = read.load(raw)
    model = read.model_name(body)
    encoding = body.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        raise BadRequestError("encoding_format must be float or base64.", "encoding_format")
    return EmbeddingsRequest(
        model=model,
        texts=_texts(body.get("input")),
        dimensions=_dimensions(body.get("dimensions")),
        as_base64=encoding == "base64",
        digest=read.digest(body),
    )


def write_embeddings(request: EmbeddingsRequest, vectors: Sequence[Sequence[float]]) -> bytes:
    """A whole answer."""
    write = _base64 if request.as_base64 else list
    rows = [{"object": "embedding", "index": i, "embedding": write(vector)} for i, vector in enumerate(vectors)]
    usage = {"prompt_tokens": request.prompt_tokens, "total_tokens": request.prompt_tokens}
    return orjson.dumps({"object": "list", "data": rows, "model": request.model, "usage": usage})


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _texts(given: Any) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not 1 <= len(texts) <= _MOST_TEXTS:
        raise BadRequestError(f"input must be a string or an array of 1 to {_MOST_TEXTS} strings.", "input")
    if not all(isinstance(text, str) and text for text in texts):
        raise BadRequestError("input must be strings, none of them empty.", "input")
    return texts


def _dimensions(given: Any) -> int:
    if given is None:
        return DIMENSIONS
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= _MOST_DIMENSIONS:
        raise BadRequestError(f"dimensions must be a whole number between 1 and {_MOST_DIMENSIONS}.", "dimensions")
    return given
