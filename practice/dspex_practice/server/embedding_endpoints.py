"""The endpoints that give vectors, and Gemini's count of tokens. Vectors are never malformed."""

from __future__ import annotations

from dspex_practice.api import body as read
from dspex_practice.api.endpoint import EndpointCall, EndpointResponse, PracticeEndpoint
from dspex_practice.gemini.dialect import GEMINI
from dspex_practice.gemini.embeddings import EmbedRequest, read_batch_embed, read_embed, write_vectors
from dspex_practice.gemini.format import GenerateRequest, from_body, write_count
from dspex_practice.gemini.names import camel
from dspex_practice.model.embed import vector
from dspex_practice.openai.dialect import OPENAI
from dspex_practice.openai.embeddings_format import EmbeddingsRequest, read_embeddings_request, write_embeddings


def embeddings() -> PracticeEndpoint[EmbeddingsRequest]:
    """OpenAI's ``/embeddings``."""

    def answer(request: EmbeddingsRequest, malformed: bool) -> EndpointResponse:
        return EndpointResponse(write_embeddings(request, [vector(text, request.dimensions) for text in request.texts]))

    return PracticeEndpoint("embeddings", OPENAI, lambda call: read_embeddings_request(call.raw), answer)


def embed_content(*, several: bool) -> PracticeEndpoint[EmbedRequest]:
    """``:embedContent``, or for `several` contents ``:batchEmbedContents``."""
    reader = read_batch_embed if several else read_embed

    def read_call(call: EndpointCall) -> EmbedRequest:
        return reader(call.raw, call.parts["model"])

    def answer(request: EmbedRequest, malformed: bool) -> EndpointResponse:
        return EndpointResponse(write_vectors(request))

    return PracticeEndpoint("batchEmbedContents" if several else "embedContent", GEMINI, read_call, answer)


def gemini_tokens() -> PracticeEndpoint[GenerateRequest]:
    """``:countTokens`` of contents, or of a whole request."""

    def read_call(call: EndpointCall) -> GenerateRequest:
        body = camel(read.load(call.raw))
        return from_body(body.get("generateContentRequest") or body, call.parts["model"])

    def answer(request: GenerateRequest, malformed: bool) -> EndpointResponse:
        return EndpointResponse(write_count(request.prompt_tokens))

    return PracticeEndpoint("countTokens", GEMINI, read_call, answer, paid=False)
