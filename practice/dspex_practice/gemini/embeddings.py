"""Gemini's embeddings: ``:embedContent`` for one content, ``:batchEmbedContents`` for several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from dspex_practice.api import body as read
from dspex_practice.gemini.format import read_contents
from dspex_practice.gemini.names import camel
from dspex_practice.model.embed import DIMENSIONS, vector
from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.tokens import count_tokens

_MOST_TEXTS = 100
_MOST_DIMENSIONS = 3072


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """A request as read: texts, each with the length of its vector."""

    model: str
    texts: Sequence[tuple[str, int]]
    digest: bytes
    alone: bool
    """Whether one content was asked for, not an array of them."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all texts."""
        return sum(count_tokens(text) for text, _ in self.texts)


def read_embed(raw: bytes, model: str) -> EmbedRequest:
    """Read the body of ``:embedContent``."""
    body = read.load(raw)
    return EmbedRequest(model, [_text(body)], read.digest(body, f"{model}:embedContent"), alone=True)


def read_batch_embed(raw: bytes, model: str) -> EmbedRequest:
    """Read the body of ``:batchEmbedContents``."""
    body = read.load(raw)
    requests = read.objects(body, "requests")
    if not 1 <= len(requests) <= _MOST_TEXTS:
        raise BadRequestError(f"at most {_MOST_TEXTS} requests can be in one batch, and at least 1", "requests")
    texts = [_text(each) for each in requests]
    return EmbedRequest(model, texts, read.digest(body, f"{model}:batchEmbedContents"), alone=False)


def write_vectors(request: EmbedRequest) -> bytes:
    """A whole answer."""
    vectors = [{"values": vector(text, dimensions)} for text, dimensions in request.texts]
    return orjson.dumps({"embedding": vectors[0]} if request.alone else {"embeddings": vectors})


def _text(given: Mapping[str, Any]) -> tuple[str, int]:
    body = camel(given)
    turns, _ = read_contents({"contents": [body.get("content")]})
    options = {**body, **camel(read.mapping(body, "embedContentConfig") or {})}
    dimensions = read.whole(options, "outputDimensionality", 1, _MOST_DIMENSIONS) or DIMENSIONS
    text = "\n".join(turn.text for turn in turns)
    if not text:
        raise BadRequestError("The text content is empty.", "content")
    return text, dimensions
