"""Whatever content parts say, and however deep their value is nested, they come out of a text as they were."""

from __future__ import annotations

import json
from typing import Any

import pydantic
from hypothesis import given
from hypothesis import strategies as st

from dspex.adapters.formatting import format_value
from dspex.adapters.types import Code, Type
from dspex.adapters.types.base_type import split_message_content_for_custom_types, with_content_parts
from dspex.adapters.types.tool_schema import inlined

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PLAIN = st.text("abc {}[]\n\"'\\", max_size=10)


class Parts(Type):
    parts: list[dict[str, Any]]

    def format(self) -> list[dict[str, Any]]:
        return self.parts


PART = st.fixed_dictionaries({"type": st.just("custom"), "custom": st.dictionaries(TEXTS, TEXTS, max_size=2)})
VALUES = st.builds(Parts, parts=st.lists(PART, min_size=1, max_size=2))


class Holder(pydantic.BaseModel):
    text: str
    value: Parts
    more: list[Parts]


def parts_in(text: str) -> list[dict[str, Any]]:
    content = with_content_parts({"role": "user", "content": text})["content"]
    return [part for part in content if part["type"] == "custom"]


@given(PLAIN, VALUES, PLAIN)
def test_parts_between_texts(before: str, value: Parts, after: str) -> None:
    message = {"role": "user", "content": f"{before}{format_value(value)}{after}"}
    texts = [{"type": "text", "text": text} for text in (before, after)]
    expected = [part for part in (texts[0], *value.parts, texts[1]) if part.get("text") != ""]
    assert with_content_parts(message)["content"] == expected
    assert split_message_content_for_custom_types([message])[0]["content"] == expected


@given(st.lists(VALUES, min_size=1, max_size=3), PLAIN)
def test_parts_inside_lists_dicts_and_models(values: list[Parts], key: str) -> None:
    expected = [part for value in values for part in value.parts]
    assert parts_in(format_value(values)) == expected
    assert parts_in(format_value({f"{key}{place}": [value] for place, value in enumerate(values)})) == expected
    held = Holder(text=key, value=values[0], more=values[1:])
    assert parts_in(format_value(held)) == expected
    assert parts_in(format_value([held])) == expected


@given(VALUES)
def test_parts_inside_json_inside_json(value: Parts) -> None:
    assert parts_in(json.dumps({"x": json.dumps([format_value(value)])})) == value.parts


@given(TEXTS)
def test_messages_of_others_and_texts_without_values_stay_as_they_are(text: str) -> None:
    for role in ("user", "system", "assistant"):
        message = {"role": role, "content": text}
        assert with_content_parts(message) is message


@given(TEXTS)
def test_any_text_is_code(text: str) -> None:
    assert Code.model_validate(text).code in text
    assert Code.model_validate(f"Here:\n```py\n{text.replace('`', '')}\n```").code == text.replace("`", "").strip()


NAMES = ["A", "B", "C"]
SCHEMAS = st.recursive(
    st.sampled_from([{"type": "string"}, *({"$ref": f"#/$defs/{name}"} for name in NAMES)]),
    lambda inner: st.builds(lambda one, two: {"type": "object", "properties": {"x": one, "y": two}}, inner, inner),
    max_leaves=4,
)


@given(SCHEMAS, st.fixed_dictionaries(dict.fromkeys(NAMES, SCHEMAS)))
def test_inlined_schemas_refer_to_nothing_that_is_missing(schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    done = inlined({**schema, "$defs": definitions})
    assert references(done) <= {f"#/$defs/{name}" for name in done.get("$defs", {})}


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if "$ref" in part else set()
        return own.union(*map(references, part.values()))
    return set()
