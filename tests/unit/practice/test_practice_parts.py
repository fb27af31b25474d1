"""The small parts between the formats and the learner: replies, scores, caches, schemas, prompts and paths."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from practice_prompts import choosing

from dspex_practice.api.form import read_parts
from dspex_practice.api.options import PracticeOptions
from dspex_practice.api.paging import gemini_page, openai_page
from dspex_practice.api.prompt_cache import CacheBlock, Cached, PromptCache
from dspex_practice.api.service import Service
from dspex_practice.gemini.json_schema import from_openapi
from dspex_practice.model.errors import BadRequestError, RefusedError
from dspex_practice.model.in_context_learner import Question
from dspex_practice.model.logprobs import score
from dspex_practice.model.model import Model
from dspex_practice.model.reading.prompt import Turn
from dspex_practice.model.response import Finish, ModelReply, limited, stopped
from dspex_practice.model.structured import unwrapped, wrapped
from dspex_practice.model.tools import ToolInvocation
from dspex_practice.openai.text_prompt import read_turns
from dspex_practice.server.routes import Routes

CALL = ToolInvocation("f", {"x": 1})


def test_thinking_comes_first_out_of_the_limit_and_calls_last() -> None:
    reply = ModelReply("abcdefgh", thinking="12345678")
    assert limited(reply, 4) is reply
    assert limited(reply, 3) == ModelReply("abcd", Finish.LENGTH, "12345678")
    assert limited(reply, 1) == ModelReply("", Finish.LENGTH, "1234")
    assert limited(ModelReply("", Finish.CALLS, calls=(CALL,)), 2).calls == ()


def test_the_first_of_several_stops_counts() -> None:
    assert stopped(ModelReply("one two three"), ("three", "two")) == ModelReply("one ", Finish.STOP, stopped_by="two")
    assert stopped(ModelReply("one"), ("x",)) == ModelReply("one")


@given(st.text(max_size=200), st.integers(0, 20))
def test_scores_spell_the_text_and_are_log_probabilities(text: str, top: int) -> None:
    scored = score(text, top)
    assert "".join(each.token for each in scored) == text
    assert scored == score(text, top)
    for each in scored:
        assert each.logprob < 0
        assert len(each.top) == top
        assert len({token for token, _ in each.top}) == top
        assert sum(math.exp(logprob) for _, logprob in each.top) < 1
        assert top == 0 or each.top[0] == (each.token, each.logprob)


def test_a_cache_forgets_after_its_time_and_a_reading_renews_it() -> None:
    now = [0.0]
    cache = PromptCache(10, lambda: now[0])
    blocks = [CacheBlock("head", 20, keep=300), CacheBlock("question", 5)]
    assert cache.use(blocks) == Cached(written=20)
    now[0] = 299
    assert cache.use(blocks) == Cached(read=20)
    now[0] = 598
    assert cache.use(blocks) == Cached(read=20)
    now[0] = 900
    assert cache.use(blocks) == Cached(written=20)


def test_a_cache_reads_the_longest_prefix_it_knows_and_writes_the_rest() -> None:
    cache = PromptCache(10, lambda: 0.0)
    assert cache.use([CacheBlock("a", 20, keep=300), CacheBlock("b", 30, keep=3600)]) == Cached(0, 50, 30)
    assert cache.use([CacheBlock("a", 20), CacheBlock("b", 30), CacheBlock("c", 7, keep=300)]) == Cached(50, 7, 0)
    assert cache.use([CacheBlock("a", 20), CacheBlock("x", 30, keep=300)]) == Cached(20, 30, 0)
    assert cache.use([CacheBlock("tiny", 5, keep=300)]) == Cached()


def test_googles_schemas_are_read_as_json_schemas() -> None:
    given = {
        "type": "OBJECT",
        "properties": {"type": {"type": "STRING", "nullable": True}, "rows": {"type": "ARRAY", "min_items": "2"}},
        "property_ordering": ["type"],
    }
    assert from_openapi(given) == {
        "type": "object",
        "properties": {
            "type": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "rows": {"type": "array", "minItems": 2},
        },
        "propertyOrdering": ["type"],
    }


def test_a_schema_that_is_no_object_is_asked_for_inside_one() -> None:
    schema = {"type": "array", "items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"type": "integer"}}}
    question, inside = wrapped(Question([Turn("user", "3")], schema=schema))
    assert inside
    assert question.schema == {
        "type": "object",
        "properties": {"answer": {"type": "array", "items": {"$ref": "#/$defs/A"}}},
        "$defs": {"A": {"type": "integer"}},
    }
    assert unwrapped('{"answer":[1]}') == "[1]"
    referring = {"$ref": "#/$defs/B", "$defs": {"B": {"type": "object", "properties": {"x": {"type": "integer"}}}}}
    question, inside = wrapped(Question([Turn("user", "3")], schema=referring))
    assert not inside
    assert question.schema is not None
    assert list(question.schema["properties"]) == ["x"]


def test_a_joined_prompt_is_taken_apart() -> None:
    asked = "[[ ## message ## ]]\nmy bag is gone\n\nRespond with the corresponding output fields"
    shown = "[[ ## message ## ]]\nthe lamp broke", "[[ ## intent ## ]]\nbroken_light\n\n[[ ## completed ## ]]"
    turns = read_turns("\n\n".join([choosing(), *shown, asked, "BEGIN RESPONSE:"]))
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "user"]
    assert [turn.text for turn in turns[1:]] == [*shown, asked]
    assert read_turns("Once upon a time") == [Turn("user", "Once upon a time")]


async def test_a_form_is_read_byte_for_byte() -> None:
    raw = (
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\nContent-Type: x/y\r\n\r\n'
        b"\r\n\x00--b\n\xff\r\n\r\n--b--\r\n"
    )
    parts = await read_parts(raw, "multipart/form-data; boundary=b")
    assert parts["purpose"].data == b"batch"
    assert (parts["file"].data, parts["file"].filename) == (b"\r\n\x00--b\n\xff\r\n", "a.jsonl")
    with pytest.raises(BadRequestError):
        await read_parts(raw, "multipart/form-data")


def test_pages_go_on_where_the_last_one_ended() -> None:
    items = [{"id": name} for name in "abcde"]
    first = openai_page(items, {"limit": "2"})
    assert ([each["id"] for each in first["data"]], first["has_more"], first["last_id"]) == (["a", "b"], True, "b")
    last = openai_page(items, {"limit": "9", "after": "b"})
    assert ([each["id"] for each in last["data"]], last["has_more"]) == (["c", "d", "e"], False)
    page = gemini_page(items, {"pageSize": "3"}, "files")
    assert page["nextPageToken"] == "3"
    assert gemini_page(items, {"pageToken": "3"}, "files") == {"files": items[3:]}
    with pytest.raises(BadRequestError):
        openai_page(items, {"limit": "none"})


def test_training_stands_before_the_question_for_the_trained_model_alone() -> None:
    practice_model = Model()
    practice_model.learn("ft:x", [Turn("user", "where is my bag"), Turn("assistant", "lost_bag")])
    practice_model.check("ft:x", 0)
    with pytest.raises(RefusedError):
        practice_model.check("ft:y", 0)
    assert practice_model.models == ["practice", "ft:x"]


ROUTED = [
    ("POST", "/v1/chat/completions", {}, "chat/completions"),
    ("POST", "/chat/completions", {}, "chat/completions"),
    ("POST", "/v1/v1/messages", {}, "messages"),
    ("GET", "/v1/messages/batches/msgbatch_1/results", {"anthropic-version": "1"}, "messages/batches"),
    ("POST", "/v1/v1beta/models/gemini-2.5-pro:generateContent", {}, "generateContent"),
    ("POST", "/v1/models/gemini-2.5-pro:generateContent", {}, "generateContent"),
    ("POST", "/v1beta/models/x:batchEmbedContents", {}, "batchEmbedContents"),
    ("GET", "/v1/batches/x", {}, "batches"),
    ("GET", "/v1/batches/x", {"x-goog-api-key": "k"}, "batchGenerateContent"),
    ("GET", "/v1beta/batches/x", {}, "batchGenerateContent"),
    ("POST", "/upload/v1beta/files", {"x-goog-upload-command": "start"}, "files"),
]


@pytest.mark.parametrize(("method", "path", "headers", "name"), ROUTED)
def test_paths_are_found_with_and_without_their_version(method: str, path: str, headers: Any, name: str) -> None:
    routes = Routes(Service(PracticeOptions(), lambda: 0.0), lambda: 0.0)
    family, short = routes.family(path, headers)
    assert routes.find(method, family, short)[0].name == name


@given(st.text(max_size=30))
def test_any_other_path_is_refused(path: str) -> None:
    routes = Routes(Service(PracticeOptions(), lambda: 0.0), lambda: 0.0)
    family, short = routes.family(f"/v1/{path}", {})
    with pytest.raises(RefusedError):
        routes.find("PATCH", family, short)


def test_thoughts_lead_to_the_answer() -> None:
    practice_model = Model()
    from dspex_practice.openai.chat_format import read_request

    raw = orjson.dumps({"model": "x-reason", "messages": [{"role": "user", "content": "a red bus"}]})
    [reply] = practice_model.replies(read_request(raw))
    assert reply.thinking == "The question is about red, bus. I am shown no examples. What fits best: a red bus"
