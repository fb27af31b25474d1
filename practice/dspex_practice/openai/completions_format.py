"""OpenAI's text-completions format (``/v1/completions``): several prompts, ``echo``, ``suffix``, ``best_of``.

As there, an answer has at most 16 tokens if the request does not say how many. Prompts are text; arrays of token
numbers are refused, for the practice model has no numbers for its tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from dspex_practice.api import body as read
from dspex_practice.api.clock import CREATED
from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.in_context_learner import FINGERPRINT, Question
from dspex_practice.model.logprobs import score
from dspex_practice.model.request import ModelRequest
from dspex_practice.model.response import Finish, ModelReply
from dspex_practice.model.tokens import CHARS_A_TOKEN, count_tokens
from dspex_practice.openai.chat_format import chunks, usage
from dspex_practice.openai.text_prompt import read_turns

_MOST_CHOICES = 128
_MOST_PROMPTS = 2048
_MOST_STOPS = 4
_MOST_LOGPROBS = 5
_TOKENS = 16
_FINISH = {Finish.LENGTH: "length"}


@dataclass(frozen=True, slots=True)
class CompletionRequest(ModelRequest):
    """A request as read. `question` is that of the first prompt."""

    prompts: Sequence[str] = ()
    echo: bool = False
    suffix: str = ""
    stream_usage: bool = False

    def each(self) -> Iterator[ModelRequest]:
        """A request for each prompt."""
        for prompt in self.prompts:
            yield replace(self, question=replace(self.question, turns=read_turns(prompt)))


def read_completion(raw: bytes) -> CompletionRequest:
    """Read a request's body.

    Raises:
        BadRequestError: if it is not JSON or not a completion request.
    """
    body = read.load(raw)
    model = read.model_name(body)
    prompts = _prompts(body.get("prompt"))
    digest = read.digest(body, "completions")
    n = read.whole(body, "n", 1, _MOST_CHOICES) or 1
    best_of = read.whole(body, "best_of", 1, _MOST_CHOICES)
    if best_of is not None and best_of < n:
        raise BadRequestError("best_of must be at least n.", "best_of")
    options = read.mapping(body, "stream_options") or {}
    max_tokens = read.whole(body, "max_tokens", 1)
    return CompletionRequest(
        model=model,
        question=Question(
            turns=read_turns(prompts[0]),
            temperature=read.number(body, "temperature", 0, 2, 0.0 if n == 1 else 1.0),
            seed=int.from_bytes(digest[:8], "big"),
            n=n,
        ),
        digest=digest,
        prompt_tokens=sum(map(count_tokens, prompts)),
        max_tokens=_TOKENS if max_tokens is None else max_tokens,
        stop=read.strings(body, "stop", _MOST_STOPS, alone=True),
        stream=read.flag(body, "stream"),
        logprobs=read.whole(body, "logprobs", 0, _MOST_LOGPROBS),
        prompts=prompts,
        echo=read.flag(body, "echo"),
        suffix=str(body.get("suffix") or ""),
        stream_usage=options.get("include_usage") is True,
    )


def write_completion(request: CompletionRequest, replies: Sequence[ModelReply]) -> bytes:
    """A whole answer: for each prompt its choices, in order."""
    choices = [_choice(request, i, _text(request, i, reply), reply) for i, reply in enumerate(replies)]
    return orjson.dumps({**_head(request), "choices": choices, "usage": usage(request, replies)})


def write_completion_stream(
    request: CompletionRequest, replies: Sequence[ModelReply], chunk_chars: int
) -> Iterator[bytes]:
    """The same answer as server-sent events."""
    head = _head(request)
    size = chunk_chars
    if request.logprobs is not None:
        size = max(CHARS_A_TOKEN, chunk_chars // CHARS_A_TOKEN * CHARS_A_TOKEN)
    for i, reply in enumerate(replies):
        for piece in chunks(_text(request, i, reply), size):
            yield _event({**head, "choices": [{**_choice(request, i, piece, reply), "finish_reason": None}]})
        yield _event({**head, "choices": [{**_choice(request, i, "", reply), "logprobs": None}]})
    if request.stream_usage:
        yield _event({**head, "choices": [], "usage": usage(request, replies)})
    yield b"data: [DONE]\n\n"


def _prompts(given: Any) -> list[str]:
    prompts = [given] if isinstance(given, str) else given
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= _MOST_PROMPTS:
        raise BadRequestError(f"prompt must be a string or an array of 1 to {_MOST_PROMPTS} strings.", "prompt")
    if not all(isinstance(prompt, str) for prompt in prompts):
        raise BadRequestError("prompt must be text; tokens by number are unknown here.", "prompt")
    return prompts


def _text(request: CompletionRequest, i: int, reply: ModelReply) -> str:
    opening = request.prompts[i // request.question.n] if request.echo else ""
    return f"{opening}{reply.text}{request.suffix}"


def _choice(request: CompletionRequest, i: int, text: str, reply: ModelReply) -> dict[str, Any]:
    finish = _FINISH.get(reply.finish, "stop")
    return {"index": i, "text": text, "logprobs": _scores(text, request.logprobs), "finish_reason": finish}


def _scores(text: str, top: int | None) -> dict[str, Any] | None:
    if top is None:
        return None
    scored = score(text, top)
    return {
        "tokens": [each.token for each in scored],
        "token_logprobs": [each.logprob for each in scored],
        "top_logprobs": [dict(each.top) for each in scored],
        "text_offset": [place * CHARS_A_TOKEN for place in range(len(scored))],
    }


def _head(request: ModelRequest) -> dict[str, Any]:
    return {
        "id": f"cmpl-practice-{request.digest.hex()[:24]}",
        "object": "text_completion",
        "created": CREATED,
        "model": request.model,
        "system_fingerprint": FINGERPRINT,
    }


def _event(chunk: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"
