"""Whatever a body holds, every format reads it or refuses it: never an error of the server's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dspex_practice.anthropic.format import read_count, read_messages, write_message
from dspex_practice.api.prompt_cache import Cached
from dspex_practice.gemini.embeddings import read_batch_embed, read_embed
from dspex_practice.gemini.format import read_generate, write_generated
from dspex_practice.model.errors import RefusedError
from dspex_practice.model.model import Model
from dspex_practice.openai.completions_format import read_completion
from dspex_practice.openai.responses_format import Conversations, read_responses, write_response
from dspex_practice.openai.training_file import read_examples

WORDS = """model messages prompt input contents parts role content text type user assistant system tools name max_tokens
description parameters input_schema properties tool_choice auto function functionDeclarations generationConfig stop
temperature responseSchema candidateCount thinking cache_control ephemeral tool_use tool_result requests function_call
function_call_output call_id arguments output format json_schema schema object array enum instructions"""
NAMES = st.sampled_from(WORDS.split())
values: st.SearchStrategy[Any] = st.recursive(
    NAMES | st.none() | st.booleans() | st.integers(-2, 2000) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
USER = {"role": "user", "content": "hi"}
READERS: dict[str, tuple[Callable[[bytes], Any], dict[str, Any]]] = {
    "messages": (read_messages, {"model": "m", "max_tokens": 9, "messages": [USER]}),
    "count": (read_count, {"model": "m", "messages": [USER]}),
    "completions": (read_completion, {"model": "m", "prompt": "hi"}),
    "responses": (lambda raw: read_responses(raw, Conversations()), {"model": "m", "input": "hi"}),
    "gemini": (lambda raw: read_generate(raw, "m"), {"contents": [{"parts": [{"text": "hi"}]}]}),
    "embed": (lambda raw: read_embed(raw, "m"), {"content": {"parts": [{"text": "hi"}]}}),
    "embeds": (lambda raw: read_batch_embed(raw, "m"), {"requests": [{"content": {"parts": [{"text": "hi"}]}}]}),
    "training": (read_examples, {"messages": [USER, {"role": "assistant", "content": "ho"}]}),
}


@pytest.mark.parametrize("name", READERS)
@given(changed=st.dictionaries(NAMES, values, max_size=4))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_body_is_read_or_refused(name: str, changed: dict[str, Any]) -> None:
    reader, good = READERS[name]
    reader(orjson.dumps(good))
    for body in (changed, {**good, **changed}):
        with contextlib.suppress(RefusedError):
            reader(orjson.dumps(body))


@given(changed=st.dictionaries(NAMES, values, max_size=4))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_what_is_read_is_answered(changed: dict[str, Any]) -> None:
    practice_model = Model()
    with contextlib.suppress(RefusedError):
        message = read_messages(orjson.dumps({**READERS["messages"][1], **changed}))
        assert orjson.loads(write_message(message, practice_model.replies(message)[0], Cached()))["content"] is not None
    with contextlib.suppress(RefusedError):
        asked = read_responses(orjson.dumps({**READERS["responses"][1], **changed}), Conversations())
        assert orjson.loads(write_response(asked, practice_model.replies(asked)[0]))["output"]
    with contextlib.suppress(RefusedError):
        generate = read_generate(orjson.dumps({**READERS["gemini"][1], **changed}), "m")
        assert orjson.loads(write_generated(generate, practice_model.replies(generate)))["candidates"]
