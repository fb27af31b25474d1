"""Values fit the schemas they are made for, also schemas that contain themselves or contradict good taste."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex_practice.model.reading.schema import from_note, from_type_name
from dspex_practice.model.reading.values import fill, fits, in_range, parse

NODE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
        "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
    },
    "required": ["name", "next", "children"],
}


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("int", {"type": "integer"}),
        ("list[int]", {"type": "array", "items": {"type": "integer"}}),
        ("Literal['a', \"b's\", 3]", {"enum": ["a", "b's", 3]}),
        ("Union[int, NoneType]", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("dict[str, list[float]]", {"type": "object", "additionalProperties": from_type_name("list[float]")}),
        ("Person", None),
        ("Literal[oops", None),
        ("list[" * 500 + "]" * 500, {}),
    ],
)
def test_type_names_are_read(name: str, schema: Any) -> None:
    found = from_type_name(name)
    assert found == schema or (schema == {} and found is not None)


def test_a_note_with_a_broken_schema_says_nothing() -> None:
    assert from_note("must adhere to the JSON schema: {oops") is None
    assert from_note("must be polite") is None


def scalars() -> st.SearchStrategy[dict[str, Any]]:
    numbers = st.tuples(st.sampled_from(["integer", "number"]), st.integers(-9, 9), st.integers(0, 9)).map(
        lambda t: {"type": t[0], "minimum": t[1], "maximum": t[1] + t[2]}
    )
    strings = st.tuples(st.integers(0, 5), st.integers(0, 5)).map(
        lambda t: {"type": "string", "minLength": t[0], "maxLength": t[0] + t[1]}
    )
    plain = st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"enum": ["x", 1, None]}, {"const": 4}])
    return numbers | strings | plain


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    def grow(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        arrays = st.tuples(inner, st.integers(0, 3)).map(
            lambda t: {"type": "array", "items": t[0], "minItems": t[1]},
        )
        objects = st.dictionaries(st.text(max_size=3), inner, max_size=3).map(
            lambda properties: {"type": "object", "properties": properties, "required": [*properties]}
        )
        return arrays | objects | inner.map(lambda s: {"anyOf": [s, {"type": "null"}]})

    return st.recursive(scalars(), grow, max_leaves=6)


@given(schemas(), st.text())
def test_what_is_made_up_fits(schema: dict[str, Any], text: str) -> None:
    value = fill(schema, lambda: text)
    assert fits(value, schema)
    assert fits(orjson.loads(orjson.dumps(value)), schema)


def test_a_schema_that_contains_itself_comes_to_an_end() -> None:
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}}
    value = fill(schema, lambda: "x")
    assert fits(value, schema)
    wide = {"type": "object", "properties": {str(i): {"$ref": "#"} for i in range(20)}}
    assert len(orjson.dumps(fill(wide, lambda: "x"))) < 100_000


@given(st.text(), schemas())
def test_text_is_read_as_a_fitting_value_or_not_at_all(text: str, schema: dict[str, Any]) -> None:
    value = parse(text, schema)
    assert value is None or fits(value, schema)


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("True", {"type": "boolean"}, True),
        ("['a']", {"type": "array", "items": {"type": "string"}}, ["a"]),
        ('{"a": 1}', {"type": "object"}, {"a": 1}),
        ("seven", {"type": "integer"}, None),
        ("3.0", {"type": "integer"}, None),
        ("a tram", {"type": "string", "pattern": "^b"}, "a tram"),
        ("1" * 400, {"type": "integer"}, None),
        ("{1, 2}", {"type": "array"}, None),
    ],
)
def test_json_and_python_are_both_read(text: str, schema: dict[str, Any], value: Any) -> None:
    assert parse(text, schema) == value


def test_numbers_stay_within_what_json_can_hold() -> None:
    assert abs(in_range({"type": "integer"}, 1e300)) <= 2**53
    assert in_range({"type": "integer", "exclusiveMinimum": 3}, 0) == 4
    assert in_range({"type": "number", "maximum": 0.5}, 2) == 0.5
