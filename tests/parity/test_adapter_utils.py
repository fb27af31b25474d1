"""The functions of ``dspy.adapters.utils``, under their names and with their results."""

# ruff: noqa: UP007, UP045 - `Optional` and `Union` are what some users write, and they are not the same objects as `|`

from __future__ import annotations

import datetime
import enum
import importlib
import inspect
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional, Union
from uuid import UUID

import pydantic
import pytest
from signature_table import OURS, Author, Book, Level, Mood, Movie, Person

dspy = pytest.importorskip("dspy")
pytestmark = pytest.mark.parity

THEIRS = importlib.import_module("dspy.adapters.utils")
MINE = importlib.import_module("dspex.adapters.utils")

PUBLIC = [
    name
    for name, value in vars(THEIRS).items()
    if inspect.isfunction(value) and value.__module__ == THEIRS.__name__ and not name.startswith("_")
]
MODULES = ["base", "chat_adapter", "json_adapter", "xml_adapter", "two_step_adapter", "baml_adapter"]

ANNOTATIONS: list[Any] = [
    str, int, float, bool, None, type(None), Any, list, dict, bytes, list[str], dict[str, list[int]], tuple[int, ...],
    Optional[str], str | None, Union[int, str, None], int | list[int], Literal["a", 'b"', "c'", 1, None], Mood, Level,
    Author, Book, list[Author], Optional[Author], Person, Movie, datetime.date, Decimal, UUID, Annotated[int, "x"],
    Annotated[Optional[int], "x"], set[str],
]  # fmt: skip
VALUES: list[Any] = [
    "text", "", " spaces ", "1", "1.5", "true", "null", "None", "[1, 2]", "['a']", "{'name': 'N'}", "'a'", "happy",
    "HAPPY", "2024-01-31", 1, 1.5, True, None, [], ["a", 1], {"name": "N"}, {"title": "T", "authors": []}, ("a",),
    {"a"}, b"x", Mood.SAD, Author(name="ä"), [Author(name="N")], datetime.date(2024, 1, 2), Decimal("1.10"),
    UUID(int=1), float("nan"), object,
]  # fmt: skip


class Odd:
    def __repr__(self) -> str:
        return "odd"


def field(library: Any, annotation: Any, role: str = "OutputField", **properties: Any) -> Any:
    return library.Signature({"q": (str, library.InputField()), "x": (annotation, library.OutputField())}).fields["x"]


def outcome(function: Any, *arguments: Any) -> Any:
    try:
        return repr(function(*arguments))
    except (ValueError, TypeError, pydantic.errors.PydanticUserError):
        return "fails"


def test_all_public_functions_are_there_with_their_arguments() -> None:
    def arguments(function: Any) -> list[Any]:
        return [(each.name, each.default) for each in inspect.signature(function).parameters.values()]

    for name in PUBLIC:
        assert arguments(getattr(MINE, name)) == arguments(getattr(THEIRS, name)), name


@pytest.mark.parametrize("module", MODULES)
def test_adapters_have_the_methods_of_dspys_with_their_arguments(module: str) -> None:
    mine, theirs = (importlib.import_module(f"{library}.adapters.{module}") for library in ("dspex", "dspy"))
    for name, kind in vars(theirs).items():
        if not inspect.isclass(kind) or kind.__module__ != theirs.__name__:
            continue
        for member, method in vars(kind).items():
            if inspect.isfunction(method) and (not member.startswith("_") or member in ("__init__", "__call__")):
                ours = getattr(getattr(mine, name), member)
                assert list(inspect.signature(ours).parameters) == list(inspect.signature(method).parameters), member


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
def test_types_are_named_and_told_the_same(annotation: Any) -> None:
    assert MINE.get_annotation_name(annotation) == THEIRS.get_annotation_name(annotation)
    assert MINE.annotation_allows_none(annotation) == THEIRS.annotation_allows_none(annotation)
    if annotation not in (None, type(None)):
        told = [
            (utils.translate_field_type("x", each), utils.get_field_description_string({"x": each}))
            for library, utils in ((OURS, MINE), (dspy, THEIRS))
            for each in [field(library, annotation)]
        ]
        assert told[0] == told[1]


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_parsed_the_same(value: Any, annotation: Any) -> None:
    assert outcome(MINE.parse_value, value, annotation) == outcome(THEIRS.parse_value, value, annotation)


@pytest.mark.parametrize("value", [*VALUES, Odd(), [Odd(), 1], {"x": Odd()}], ids=repr)
def test_values_are_written_the_same(value: Any) -> None:
    assert repr(MINE.serialize_for_json(value)) == repr(THEIRS.serialize_for_json(value))
    for annotation in (str, list[str], Any):
        for as_text in (True, False):
            ours = outcome(MINE.format_field_value, field(OURS, annotation), value, as_text)
            theirs = outcome(THEIRS.format_field_value, field(dspy, annotation), value, as_text)
            if theirs == "fails":  # on a list of other things than texts, for a text
                assert "«1»" in ours
            else:
                assert ours == theirs


class Auto(enum.Enum):
    FIRST = enum.auto()
    SECOND = "FIRST"


@pytest.mark.parametrize("identifier", ["FIRST", "SECOND", 1, "1", None, "x"])
def test_members_are_found_the_same(identifier: Any) -> None:
    assert outcome(MINE.find_enum_member, Auto, identifier) == outcome(THEIRS.find_enum_member, Auto, identifier)


def test_defaults_are_filled_in_the_same() -> None:
    def filled(library: Any, utils: Any, given: dict[str, Any]) -> Any:
        made = {
            "q": (str, library.InputField()),
            "a": (str, library.OutputField()),
            "b": (Optional[int], library.OutputField()),
            "c": (list[str], library.OutputField(default_factory=list)),
            "d": (Optional[int], library.OutputField(default=3)),
        }
        return list(utils.apply_output_field_defaults(library.Signature(made, "i"), given).items())

    for given in ({}, {"a": "x"}, {"d": None, "a": "x", "z": 1}, {"c": ["y"], "b": 1}):
        assert filled(OURS, MINE, given) == filled(dspy, THEIRS, given)
