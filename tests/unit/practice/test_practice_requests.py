"""Whatever a request holds, it is answered in its type or refused with a 400: never an error of the server's own."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from practice_prompts import INTENTS, block, choosing, system

from dspex_practice.model.errors import BadRequestError
from dspex_practice.model.in_context_learner import Learner
from dspex_practice.model.reading.values import fits
from dspex_practice.model.response import Finish, ModelReply, limited
from dspex_practice.model.tokens import count_tokens
from dspex_practice.openai.chat_format import read_request, usage

FRAGMENTS = st.sampled_from(
    [
        "[[ ## message ## ]]\n",
        "\n[[ ## intent ## ]]\n",
        "[[ ## completed ## ]]",
        "Your input fields are:\n1. `q` (str):",
        "Your output fields are:\n1. `a` (list[dict[str, int]]): Constraints: less than: .",
        "2. `new_instruction` (Literal[1, 99999999999999999999]):",
        "{a}        # note: the value you produce must adhere to the JSON schema: {",
        "In adhering to this structure, your objective is: ",
        "Outputs will be a JSON object with the following fields.\n{\n",
        "\n\nRespond with the corresponding output fields, starting with the field `[[ ## x ## ]]`",
        "<a>\n",
        "</a>",
        'Words such as "x" mean y.',
        "message: hi\nintent: a_b",
        "Example({'a': 1}) (input_keys={'a'})",
        "[{'a': '\\ud800'}]",
        '{"a": {"b": [1e999]}}',
        "write a new instruction ```",
        "9" * 500 + " * " + "9" * 500,
        "\x00",
    ]
)
texts = st.lists(FRAGMENTS | st.text(max_size=20), max_size=8).map("".join)


def body(messages: list[dict[str, Any]], **more: Any) -> bytes:
    return orjson.dumps({"model": "m", "messages": messages, **more})


def answers(raw: bytes) -> list[str]:
    return Learner().answers(read_request(raw).question)


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), texts), min_size=1, max_size=5))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_text_is_answered(turns: list[tuple[str, str]]) -> None:
    messages = [{"role": role, "content": text} for role, text in turns]
    for more in ({}, {"response_format": {"type": "json_object"}, "temperature": 1, "n": 2}):
        for text in answers(body(messages, **more)):
            text.encode()
            if more:
                assert isinstance(orjson.loads(text), dict)


TYPED: list[tuple[str, str, dict[str, Any]]] = [
    ("int", "must be a single int value", {"type": "integer"}),
    ("float", "must be a single float value", {"type": "number"}),
    ("bool", "must be True or False", {"type": "boolean"}),
    ("list[str]", "", {"type": "array", "items": {"type": "string"}}),
    ("dict[str, int]", "", {"type": "object", "additionalProperties": {"type": "integer"}}),
    ("Literal['refund', 'broken_light', 'lost_bag']", "", {"enum": [*INTENTS]}),
]


@given(st.sampled_from(TYPED), texts, st.lists(st.tuples(texts, texts), max_size=3))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_query_gets_an_answer_of_the_type_asked_for(
    field: tuple[str, str, dict[str, Any]], query: str, demos: list[tuple[str, str]]
) -> None:
    kind, note, schema = field
    messages = [{"role": "system", "content": system(note, kind=kind)}]
    for message, value in demos:
        messages.append({"role": "user", "content": f"[[ ## message ## ]]\n{message}"})
        messages.append({"role": "assistant", "content": f"[[ ## intent ## ]]\n{value}\n\n[[ ## completed ## ]]"})
    messages.append({"role": "user", "content": f"[[ ## message ## ]]\n{query}"})
    [text] = answers(body(messages))
    value = block(text, "intent")
    assert fits(
        value if "enum" in schema else orjson.loads(value.replace("True", "true").replace("False", "false")), schema
    )


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
schema_words = st.sampled_from(
    ["type", "properties", "items", "enum", "anyOf", "$ref", "minItems", "minimum", "object", "array", "#", "integer"]
)
rough_schemas: st.SearchStrategy[Any] = st.recursive(
    schema_words | st.integers(-3, 3) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(schema_words, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "reasoning", "rules"]), rough_schemas, min_size=1, max_size=3), texts)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_schema_is_answered_with_its_fields(properties: dict[str, Any], query: str) -> None:
    schema = {"type": "object", "properties": properties}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    [text] = answers(body([{"role": "user", "content": query}], response_format=wanted))
    assert orjson.loads(text).keys() == properties.keys()


@given(json_values | st.dictionaries(st.sampled_from(["model", "messages", "n", "temperature", "stream"]), json_values))
def test_any_body_is_read_or_refused(value: Any) -> None:
    with contextlib.suppress(BadRequestError):
        read_request(orjson.dumps(value))


GOOD = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.name"),
    ],
)
def test_a_wrong_part_is_named(wrong: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read_request(orjson.dumps({"model": "m", "messages": GOOD, **wrong}))
    assert caught.value.param == param


def test_a_body_nested_beyond_reason_is_refused() -> None:
    raw = b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "x": ' + b"[" * 800 + b"]" * 800 + b"}"
    with pytest.raises(BadRequestError):
        read_request(raw)


def test_the_order_of_keys_is_no_difference_between_requests_and_anything_else_is() -> None:
    one = read_request(body(GOOD, temperature=0, seed=1))
    other = read_request(orjson.dumps({"seed": 1, "messages": GOOD, "temperature": 0, "model": "m"}))
    assert one.digest == other.digest
    assert read_request(body(GOOD, temperature=0, seed=2)).digest != one.digest


def test_text_parts_of_a_message_are_read_together() -> None:
    parts = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "x"}},
        {"type": "text", "text": "b"},
    ]
    assert read_request(body([{"role": "user", "content": parts}])).question.turns[0].text == "a\nb"


def test_tokens_are_counted_and_limited() -> None:
    assert [count_tokens(text) for text in ("", "a", "abcd", "abcde")] == [0, 1, 1, 2]
    request = read_request(body([{"role": "system", "content": choosing()}, *GOOD], max_tokens=2))
    choice = limited(ModelReply("abcdefghijkl"), request.max_tokens)
    assert (choice.text, choice.finish) == ("abcdefgh", Finish.LENGTH)
    counts = usage(request, [choice])
    assert counts["completion_tokens"] == 2
    assert counts["total_tokens"] == counts["prompt_tokens"] + 2
