"""OpenAI's chat completions and text completions: requests, responses and errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from dspex.clients.canonical.answer import Answer
from dspex.clients.canonical.params import sent_params
from dspex.clients.canonical.request import EncodedRequest, encode_messages, seal_params
from dspex.clients.http.retry_after import retry_after
from dspex.clients.http.transport import RawResponse
from dspex.clients.wires.body import excerpt, parse_body
from dspex.clients.wires.wire import Wire as Wire
from dspex.errors import (
    ContextWindowExceededError,
    LMAuthError,
    LMBillingError,
    LMError,
    LMInvalidRequestError,
    LMRateLimitError,
    LMServerError,
    LMTimeoutError,
    LMUnexpectedError,
    LMUnsupportedModelError,
)

BEGIN_RESPONSE = "BEGIN RESPONSE:"
"""What ends the prompt of a text completion."""


class OpenAIFormat:
    """What OpenAI's APIs have in common (`dspex.clients.wires.wire.Wire` explains the methods)."""

    path: str

    def encode(self, model: str, messages: list[dict[str, Any]], params: Mapping[str, Any]) -> EncodedRequest:
        """Build the request, as `Wire.encode` says; `extra_body` among `params` is sent as it is."""
        sent = sent_params(params)
        sent.update(params.get("extra_body") or {})
        sent["model"] = model
        return self._encode(messages, sent)

    def _encode(self, messages: list[dict[str, Any]], sent: dict[str, Any]) -> EncodedRequest:
        raise NotImplementedError

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the headers, with the key in ``Authorization``."""
        headers = {"Content-Type": "application/json", "User-Agent": "dspex"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        return headers

    def streamed(self, body: bytes) -> bytes:
        """Return the body that asks for a stream, with the usage at its end."""
        return body[:-1] + b',"stream":true,"stream_options":{"include_usage":true}}'

    def decode(self, body: bytes) -> Answer:
        """Parse an answer. Thoughts that a server calls ``reasoning`` become ``reasoning_content``.

        Raises:
            LMError: `body` is an error, or not an answer at all (`LMUnexpectedError`).
        """
        data = parse_body(body)
        if isinstance(data, dict) and data.get("error"):
            raise error_inside(data["error"], body)
        if not _is_answer(data):
            raise LMUnexpectedError(f"The answer holds no completion: {excerpt(body)}")
        for choice in data["choices"]:
            message = choice.get("message")
            if message and message.get("reasoning") and not message.get("reasoning_content"):
                message["reasoning_content"] = message["reasoning"]  # as vLLM, OpenRouter, Groq and others call it
        return Answer(data)

    def error(self, response: RawResponse) -> LMError:
        """Return the error that a response with an error status means, with the provider's code and request id."""
        found = self._meaning(response)
        found.provider_code = _words(response.body)[1] or None
        found.request_id = response.headers.get("x-request-id")
        return found

    def _meaning(self, response: RawResponse) -> LMError:
        words, code = _words(response.body)
        message = f"{response.status}: {words}"
        status = response.status
        if status == 429 and code != "insufficient_quota":
            return LMRateLimitError(message, status=status, retry_after=retry_after(response.headers))
        if status >= 500 or status in (409, 425):
            return LMServerError(message, status=status, retry_after=retry_after(response.headers))
        if 300 <= status < 400:
            return LMUnsupportedModelError(f"{message} (moved to {response.headers.get('Location')})", status=status)
        if status < 300:
            return LMUnexpectedError(message, status=status)
        return _refusal(status, code, words)(message, status=status)


class OpenAIChat(OpenAIFormat):
    """``POST /chat/completions``."""

    path = "/chat/completions"

    def _encode(self, messages: list[dict[str, Any]], sent: dict[str, Any]) -> EncodedRequest:
        encoded, digest = encode_messages(messages)
        return seal_params(b'{"messages":[%b],' % encoded, digest, sent)


class _Text(OpenAIFormat):
    """``POST /completions``: the messages as one text."""

    path = "/completions"

    def _encode(self, messages: list[dict[str, Any]], sent: dict[str, Any]) -> EncodedRequest:
        _, digest = encode_messages(messages)
        texts = [str(message.get("content") or "") for message in messages]
        sent["prompt"] = "\n\n".join([*texts, BEGIN_RESPONSE])
        return seal_params(b"{", digest, sent)


OPENAI_CHAT: Wire = OpenAIChat()
OPENAI_TEXT: Wire = _Text()


def _is_answer(data: Any) -> bool:
    choices = data.get("choices") if isinstance(data, dict) else None
    return (
        isinstance(choices, list)
        and bool(choices)
        and all(isinstance(one, dict) and (isinstance(one.get("message"), dict) or "text" in one) for one in choices)
    )


def error_inside(error: Any, body: bytes) -> LMError:
    """Return the error in a response of status 200, as some proxies send it.

    Args:
        error: The ``error`` of the response. If its ``code`` is an HTTP status, that says which error it is.
        body: The whole response, for the message.
    """
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, int) and 400 <= code < 600:
        return OPENAI_CHAT.error(RawResponse(code, {}, body))
    return LMUnexpectedError(f"The answer is an error: {_words(body)[0]}")


_TOO_LONG = re.compile(r"context.{0,3}(length|window)|prompt is too long|too many tokens|maximum.{0,20}tokens", re.I)


def is_too_long(words: str) -> bool:
    """Tell whether a provider's words say that the prompt is longer than the model's context."""
    return _TOO_LONG.search(words) is not None


def _refusal(status: int, code: str, words: str) -> type[LMError]:
    """The class of a 4xx that is about the request or the account."""
    if status in (401, 403, 407, 451):
        return LMAuthError
    if status in (402, 429):
        return LMBillingError
    if status == 408:
        return LMTimeoutError
    if code == "context_length_exceeded" or (status in (400, 413, 422) and is_too_long(words)):
        return ContextWindowExceededError
    if status in (404, 405, 410) or code == "model_not_found":  # there is nothing of that kind at this address
        return LMUnsupportedModelError
    return LMInvalidRequestError


def _words(body: bytes) -> tuple[str, str]:
    """The provider's own message and its error code."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return excerpt(body), ""
    error = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(error, dict):
        return str(error), ""
    words = error.get("message") or error.get("detail") or error.get("error")
    return (str(words) if words else excerpt(body)), str(error.get("code") or error.get("type") or "")
