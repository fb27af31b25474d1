"""Signatures as data: what is described is rebuilt, and what cannot be described is refused by name."""

from __future__ import annotations

import enum
import json
from typing import Annotated, Any, Literal

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspex.errors import UsageError
from dspex.signatures import InputField, OutputField, Signature, make_signature
from dspex.signatures.portable import describe, rebuild, spell

_ATOMS = st.sampled_from([str, int, float, bool, list, dict, tuple, set, bytes, Any, type(None)])
_LITERALS = st.lists(st.one_of(st.text(max_size=5), st.integers(-9, 9), st.booleans()), min_size=1, max_size=3).map(
    # In one order: `typing` keeps the types it has made and takes literals in another order for the same type.
    lambda values: Literal[tuple(sorted(values, key=repr))]
)
_TYPES = st.recursive(
    _ATOMS | _LITERALS,
    lambda inner: st.one_of(
        inner.map(lambda t: list[t]),
        inner.map(lambda t: dict[str, t]),
        inner.map(lambda t: tuple[t, ...]),
        inner.map(lambda t: t | None),
    ),
    max_leaves=3,
)
_CONSTRAINTS = st.fixed_dictionaries(
    {},
    optional={
        "ge": st.integers(),
        "lt": st.floats(allow_nan=False, allow_infinity=False),
        "min_length": st.integers(0, 9),
    },
)
_NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}(_[a-z]{1,3})?", fullmatch=True).map(lambda name: f"f_{name}")


@st.composite
def signatures(draw: st.DrawFn) -> type[Signature]:
    names = draw(st.lists(_NAMES, min_size=1, max_size=5, unique=True))
    fields: dict[str, Any] = {}
    for name in names:
        declare = draw(st.sampled_from([InputField, OutputField]))
        properties = draw(_CONSTRAINTS)
        if draw(st.booleans()):
            properties["desc"] = draw(st.text(max_size=20))
        if draw(st.booleans()):
            properties["default"] = draw(st.one_of(st.none(), st.text(max_size=3), st.lists(st.integers(), max_size=2)))
        fields[name] = (draw(_TYPES), declare(**properties))
    return make_signature(fields, draw(st.one_of(st.none(), st.text(max_size=40))))


def all_of(signature: type[Signature]) -> list[Any]:
    """Everything that fields can say."""
    return [
        (name, field.annotation, field.json_schema_extra, field.metadata, field.default, field.default_factory)
        for name, field in signature.fields.items()
    ]


@settings(max_examples=150, deadline=None)
@given(signatures())
def test_a_described_signature_is_rebuilt(signature: type[Signature]) -> None:
    description = describe(signature)
    rebuilt = rebuild(json.loads(json.dumps(description)))
    assert rebuilt.equals(signature)
    assert all_of(rebuilt) == all_of(signature)
    assert describe(rebuilt) == description


@pytest.mark.parametrize("instructions", ["", " ", "\n", " indented\n   more\n", None])
def test_instructions_survive(instructions: str | None) -> None:
    signature = Signature("a -> b", instructions)
    assert rebuild(describe(signature)).instructions == signature.instructions


def test_text_form_and_factories_survive() -> None:
    signature = Signature("a, b: int | None -> c: Literal['x']").append(
        "d", OutputField(default_factory=list), list[str]
    )
    rebuilt = rebuild(describe(signature))
    assert all_of(rebuilt) == all_of(signature)
    assert rebuilt.fields["d"].get_default(call_default_factory=True) == []


def test_a_constraint_that_the_prompt_does_not_tell_stays_untold() -> None:
    signature = Signature({"a": (Annotated[int, pydantic.Field(ge=1)], InputField()), "b": (str, OutputField())})
    rebuilt = rebuild(describe(signature))
    assert "constraints" not in rebuilt.fields["a"].json_schema_extra
    assert rebuilt.fields["a"].metadata == signature.fields["a"].metadata


class Colour(enum.Enum):
    RED = 1


class Model(pydantic.BaseModel):
    x: int


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ((Colour, OutputField()), "Colour"),
        ((list[Model], OutputField()), "Model"),
        ((str, OutputField(default=object())), "is not JSON"),
        ((str, OutputField(default_factory=lambda: "x")), "default factory"),
        ((Annotated[str, pydantic.AfterValidator(str.upper)], OutputField()), "constraint"),
    ],
)
def test_what_cannot_travel_is_refused_by_the_name_of_its_field(field: Any, said: str) -> None:
    with pytest.raises(UsageError, match="'culprit'") as caught:
        describe(Signature({"fine": (str, InputField()), "culprit": field}, "i"))
    assert said in str(caught.value)


def test_a_description_of_another_version_is_refused() -> None:
    with pytest.raises(UsageError, match="version"):
        rebuild({"version": 99})


def test_types_are_spelled_as_they_are_read() -> None:
    assert spell(dict[str, list[int]] | None) == "Union[dict[str, list[int]], NoneType]"
