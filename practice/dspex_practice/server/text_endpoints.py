"""The endpoints that ask the model for text, in every provider's format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dspex_practice.anthropic.dialect import ANTHROPIC
from dspex_practice.anthropic.format import MessagesRequest, read_count, read_messages, write_count, write_message
from dspex_practice.anthropic.stream import write_message_stream
from dspex_practice.api.endpoint import EVENTS, EndpointCall, EndpointResponse, PracticeEndpoint
from dspex_practice.api.prompt_cache import PromptCache
from dspex_practice.gemini.dialect import GEMINI
from dspex_practice.gemini.format import (
    GenerateRequest,
    read_generate,
    write_generated,
    write_generated_stream,
)
from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.model import Model
from dspex_practice.openai.chat_format import ChatRequest, read_request, write_answer, write_stream
from dspex_practice.openai.completions_format import (
    CompletionRequest,
    read_completion,
    write_completion,
    write_completion_stream,
)
from dspex_practice.openai.dialect import OPENAI
from dspex_practice.openai.responses_format import Conversations, ResponsesRequest, read_responses, write_response
from dspex_practice.openai.responses_stream import write_response_stream


def chat(practice_model: Model, chunk_chars: int) -> PracticeEndpoint[ChatRequest]:
    """OpenAI's ``/chat/completions``. A streamed answer comes `chunk_chars` characters at a time."""

    def answer(request: ChatRequest, malformed: bool) -> EndpointResponse:
        replies = practice_model.replies(request, malformed=malformed)
        tokens = sum(reply.tokens for reply in replies)
        if not request.stream:
            return EndpointResponse(write_answer(request, replies), completion_tokens=tokens)
        return _streamed(write_stream(request, replies, chunk_chars), tokens, b'"delta":{"content":')

    return PracticeEndpoint("chat/completions", OPENAI, lambda call: read_request(call.raw), answer)


def completions(practice_model: Model, chunk_chars: int) -> PracticeEndpoint[CompletionRequest]:
    """OpenAI's ``/completions``. A streamed answer comes `chunk_chars` characters at a time."""

    def answer(request: CompletionRequest, malformed: bool) -> EndpointResponse:
        replies = [reply for each in request.each() for reply in practice_model.replies(each, malformed=malformed)]
        tokens = sum(reply.tokens for reply in replies)
        if not request.stream:
            return EndpointResponse(write_completion(request, replies), completion_tokens=tokens)
        return _streamed(write_completion_stream(request, replies, chunk_chars), tokens, b'"text":')

    return PracticeEndpoint("completions", OPENAI, lambda call: read_completion(call.raw), answer)


def responses(practice_model: Model, chunk_chars: int) -> PracticeEndpoint[ResponsesRequest]:
    """OpenAI's ``/responses``. A streamed answer comes `chunk_chars` characters at a time."""
    conversations = Conversations()

    def read(call: EndpointCall) -> ResponsesRequest:
        return read_responses(call.raw, conversations)

    def answer(request: ResponsesRequest, malformed: bool) -> EndpointResponse:
        [reply] = practice_model.replies(request, malformed=malformed)
        conversations.keep(request, reply)
        if not request.stream:
            return EndpointResponse(write_response(request, reply), completion_tokens=reply.tokens)
        return _streamed(write_response_stream(request, reply, chunk_chars), reply.tokens, b"output_text.delta")

    return PracticeEndpoint("responses", OPENAI, read, answer)


def messages(
    practice_model: Model, chunk_chars: int, cache: PromptCache, tier: str = "standard"
) -> PracticeEndpoint[MessagesRequest]:
    """`tier` is what the answers say of how they were served."""

    def answer(request: MessagesRequest, malformed: bool) -> EndpointResponse:
        [reply] = practice_model.replies(request, malformed=malformed)
        cached = cache.use(request.blocks)
        if not request.stream:
            return EndpointResponse(write_message(request, reply, cached, tier), completion_tokens=reply.tokens)
        events = write_message_stream(request, reply, cached, chunk_chars)
        return _streamed(events, reply.tokens, b"content_block_delta")

    return PracticeEndpoint("messages", ANTHROPIC, _versioned(read_messages), answer)


def message_tokens() -> PracticeEndpoint[MessagesRequest]:
    """Anthropic's ``/messages/count_tokens``."""

    def answer(request: MessagesRequest, malformed: bool) -> EndpointResponse:
        return EndpointResponse(write_count(request))

    return PracticeEndpoint("messages/count_tokens", ANTHROPIC, _versioned(read_count), answer, paid=False)


def generate(practice_model: Model) -> PracticeEndpoint[GenerateRequest]:
    """Gemini's ``:generateContent``."""

    def read(call: EndpointCall) -> GenerateRequest:
        return read_generate(call.raw, call.parts["model"])

    def answer(request: GenerateRequest, malformed: bool) -> EndpointResponse:
        replies = practice_model.replies(request, malformed=malformed)
        return EndpointResponse(
            write_generated(request, replies), completion_tokens=sum(reply.tokens for reply in replies)
        )

    return PracticeEndpoint("generateContent", GEMINI, read, answer)


def stream_generate(practice_model: Model, chunk_chars: int) -> PracticeEndpoint[GenerateRequest]:
    """As server-sent events (``alt=sse``), or as one array."""

    def read(call: EndpointCall) -> GenerateRequest:
        request = read_generate(call.raw, call.parts["model"])
        return replace(request, stream=True, events=call.query.get("alt") == "sse")

    def answer(request: GenerateRequest, malformed: bool) -> EndpointResponse:
        replies = practice_model.replies(request, malformed=malformed)
        pieces = write_generated_stream(request, replies, chunk_chars)
        tokens = sum(reply.tokens for reply in replies)
        if request.events:
            return _streamed(pieces, tokens, b'"text":')
        return EndpointResponse(stream=pieces, completion_tokens=tokens)

    return PracticeEndpoint("streamGenerateContent", GEMINI, read, answer)


def _streamed(events: Any, tokens: int, repeat: bytes) -> EndpointResponse:
    return EndpointResponse(stream=events, content_type=EVENTS, completion_tokens=tokens, repeat=repeat)


def _versioned(read: Callable[[bytes], MessagesRequest]) -> Callable[[EndpointCall], MessagesRequest]:
    """`read` for calls that say which version of the API they mean, as they must."""

    def read_call(call: EndpointCall) -> MessagesRequest:
        if not call.headers.get("anthropic-version"):
            raise BadRequestError("anthropic-version: header is required")
        return read(call.raw)

    return read_call
