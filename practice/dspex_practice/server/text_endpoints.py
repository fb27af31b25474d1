"""The endpoints that ask the model for text, in every provider's format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dspex_practice.anthropic.dialect import ANTHROPIC
from dspex_practice.anthropic.format import MessagesRequest, read_count, read_messages, write_count, write_message
from dspex_practice.anthropic.stream import write_message_stream
from dspex_practice.api.endpoint import EVENTS, Answer, Call, Endpoint
from dspex_practice.api.prompt_cache import PromptCache
from dspex_practice.gemini.dialect import GEMINI
from dspex_practice.gemini.format import (
    GenerateRequest,
    read_generate,
    write_generated,
    write_generated_stream,
)
from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.model import Mind
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


def chat(mind: Mind, chunk_chars: int) -> Endpoint[ChatRequest]:
    def answer(asked: ChatRequest, malformed: bool) -> Answer:
        replies = mind.replies(asked, malformed=malformed)
        tokens = sum(reply.tokens for reply in replies)
        if not asked.stream:
            return Answer(write_answer(asked, replies), completion_tokens=tokens)
        return _streamed(write_stream(asked, replies, chunk_chars), tokens, b'"delta":{"content":')

    return Endpoint("chat/completions", OPENAI, lambda call: read_request(call.raw), answer)


def completions(mind: Mind, chunk_chars: int) -> Endpoint[CompletionRequest]:
    def answer(asked: CompletionRequest, malformed: bool) -> Answer:
        replies = [reply for each in asked.each() for reply in mind.replies(each, malformed=malformed)]
        tokens = sum(reply.tokens for reply in replies)
        if not asked.stream:
            return Answer(write_completion(asked, replies), completion_tokens=tokens)
        return _streamed(write_completion_stream(asked, replies, chunk_chars), tokens, b'"text":')

    return Endpoint("completions", OPENAI, lambda call: read_completion(call.raw), answer)


def responses(mind: Mind, chunk_chars: int) -> Endpoint[ResponsesRequest]:
    conversations = Conversations()

    def read(call: Call) -> ResponsesRequest:
        return read_responses(call.raw, conversations)

    def answer(asked: ResponsesRequest, malformed: bool) -> Answer:
        [reply] = mind.replies(asked, malformed=malformed)
        conversations.keep(asked, reply)
        if not asked.stream:
            return Answer(write_response(asked, reply), completion_tokens=reply.tokens)
        return _streamed(write_response_stream(asked, reply, chunk_chars), reply.tokens, b"output_text.delta")

    return Endpoint("responses", OPENAI, read, answer)


def messages(mind: Mind, chunk_chars: int, cache: PromptCache, tier: str = "standard") -> Endpoint[MessagesRequest]:
    """`tier` is what the answers say of how they were served."""

    def answer(asked: MessagesRequest, malformed: bool) -> Answer:
        [reply] = mind.replies(asked, malformed=malformed)
        cached = cache.use(asked.blocks)
        if not asked.stream:
            return Answer(write_message(asked, reply, cached, tier), completion_tokens=reply.tokens)
        events = write_message_stream(asked, reply, cached, chunk_chars)
        return _streamed(events, reply.tokens, b"content_block_delta")

    return Endpoint("messages", ANTHROPIC, _versioned(read_messages), answer)


def message_tokens() -> Endpoint[MessagesRequest]:
    def answer(asked: MessagesRequest, malformed: bool) -> Answer:
        return Answer(write_count(asked))

    return Endpoint("messages/count_tokens", ANTHROPIC, _versioned(read_count), answer, paid=False)


def generate(mind: Mind) -> Endpoint[GenerateRequest]:
    def read(call: Call) -> GenerateRequest:
        return read_generate(call.raw, call.parts["model"])

    def answer(asked: GenerateRequest, malformed: bool) -> Answer:
        replies = mind.replies(asked, malformed=malformed)
        return Answer(write_generated(asked, replies), completion_tokens=sum(reply.tokens for reply in replies))

    return Endpoint("generateContent", GEMINI, read, answer)


def stream_generate(mind: Mind, chunk_chars: int) -> Endpoint[GenerateRequest]:
    """As server-sent events (``alt=sse``), or as one array."""

    def read(call: Call) -> GenerateRequest:
        asked = read_generate(call.raw, call.parts["model"])
        return replace(asked, stream=True, events=call.query.get("alt") == "sse")

    def answer(asked: GenerateRequest, malformed: bool) -> Answer:
        replies = mind.replies(asked, malformed=malformed)
        pieces = write_generated_stream(asked, replies, chunk_chars)
        tokens = sum(reply.tokens for reply in replies)
        if asked.events:
            return _streamed(pieces, tokens, b'"text":')
        return Answer(stream=pieces, completion_tokens=tokens)

    return Endpoint("streamGenerateContent", GEMINI, read, answer)


def _streamed(events: Any, tokens: int, repeat: bytes) -> Answer:
    return Answer(stream=events, content_type=EVENTS, completion_tokens=tokens, repeat=repeat)


def _versioned(read: Callable[[bytes], MessagesRequest]) -> Callable[[Call], MessagesRequest]:
    """`read` for calls that say which version of the API they mean, as they must."""

    def read_call(call: Call) -> MessagesRequest:
        if not call.headers.get("anthropic-version"):
            raise BadRequestError("anthropic-version: header is required")
        return read(call.raw)

    return read_call
