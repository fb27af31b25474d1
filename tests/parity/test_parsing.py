"""What dspex reads in an answer of an LM is what DSPy reads, and it fails where DSPy fails."""

# ruff: noqa: UP007, UP045 - `Optional` and `Union` are what some users write, and they are not the same objects as `|`

from __future__ import annotations

import datetime
import enum
from typing import Any, Literal, Optional, Union

import pydantic
import pytest
from signature_table import OURS, Author, Book, Branch, Level, Mood, Movie, Person

dspy = pytest.importorskip("dspy")
pytestmark = pytest.mark.parity

FAILS = "fails"


def signature_of(library: Any, outputs: Any) -> Any:
    if not isinstance(outputs, dict):
        outputs = {"a": outputs}
    made: dict[str, Any] = {"q": (str, library.InputField())}
    for name, declared in outputs.items():
        type_, properties = declared if isinstance(declared, tuple) else (declared, {})
        made[name] = (type_, library.OutputField(**properties))
    return library.Signature(made, "i")


def read(library: Any, errors: Any, adapter: str, outputs: Any, answer: str) -> Any:
    signature = signature_of(library, outputs)
    try:
        return getattr(library, adapter)().parse(signature, answer)
    except errors:
        return FAILS


def chat(**values: str) -> str:
    return "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items()) + "\n\n[[ ## completed ## ]]\n"


class Auto(enum.Enum):
    FIRST = enum.auto()
    SECOND = enum.auto()


CHAT_ANSWERS: list[tuple[Any, str]] = [
    (str, chat(a="Paris")),
    (str, "[[ ## a ## ]] Paris [[ ## completed ## ]]"),
    (str, "[[ ## a ## ]]\n\n  two\n\nparagraphs \n\n[[ ## completed ## ]]"),
    (str, "no heading at all"),
    (str, ""),
    (str, "[[ ## a ## ]]"),
    (str, "Sure!\n[[ ## a ## ]]\nParis"),
    (str, "[[ ## a ## ]]\nfirst\n[[ ## a ## ]]\nsecond"),
    (str, "[[ ## b ## ]]\nother\n[[ ## a ## ]]\nmine"),
    (str, "[[##a##]]\nbadly spelled"),
    (str, "[[ ## A ## ]]\nother case"),
    (str, "text [[ ## a ## ]]\nnot at the start"),
    (str, "[[ ## a ## ]]\nx\u2028y\x0bz\r\nw"),
    (str, "[[ ## a ## ]]\n[[ ## completed ## ]]"),
    ({"a": str, "b": str}, chat(b="2", a="1")),
    ({"a": str, "b": str}, chat(a="1")),
    ({"a": str, "b": (str, {"default": "d"})}, chat(a="1")),
    ({"a": str, "b": (list[str], {"default_factory": list})}, chat(a="1")),
    ({"a": str, "b": Optional[int]}, chat(a="1")),
    ({"a": Optional[str], "b": Optional[int]}, "nothing"),
    (int, chat(a="42")),
    (int, chat(a=" 42. ")),
    (int, chat(a="42.0")),
    (int, chat(a="42.5")),
    (int, chat(a="'42'")),
    (int, chat(a="forty-two")),
    (int, chat(a="1,000")),
    (int, chat(a="9" * 5000)),
    (float, chat(a="1e3")),
    (float, chat(a="NaN")),
    (float, chat(a="0.5 of it")),
    (bool, chat(a="True")),
    (bool, chat(a="true")),
    (bool, chat(a="yes")),
    (bool, chat(a="1")),
    (bool, chat(a="None")),
    (list[str], chat(a='["x", "y"]')),
    (list[str], chat(a="['x', 'y']")),
    (list[str], chat(a='["x", "y"')),
    (list[str], chat(a="- x\n- y")),
    (list[str], chat(a='```json\n["x"]\n```')),
    (list[int], chat(a='["1", 2.0]')),
    (list[int], chat(a="(1, 2)")),
    (dict[str, int], chat(a="{'x': 1, 'y': 2,}")),
    (dict[str, Any], chat(a='{"x": [1, {"y": null}]}')),
    (dict[str, int], chat(a="[]")),
    (tuple[int, str], chat(a="[1, 'a']")),
    (set[int], chat(a="[1, 1, 2]")),
    (list, chat(a="")),
    (Literal["x", "y"], chat(a="x")),
    (Literal["x", "y"], chat(a=" 'x' ")),
    (Literal["x", "y"], chat(a='"y"')),
    (Literal["x", "y"], chat(a="Literal['y']")),
    (Literal["x", "y"], chat(a="str[x]")),
    (Literal["x", "y"], chat(a="X")),
    (Literal["x", "y"], chat(a="x or y")),
    (Literal[1, 2], chat(a="2")),
    (Literal[1, "1"], chat(a="1")),
    (Literal[True, False], chat(a="True")),
    (Literal["it's"], chat(a='"it\'s"')),
    (Mood, chat(a="happy")),
    (Mood, chat(a="SAD")),
    (Mood, chat(a="Mood.SAD")),
    (Mood, chat(a="angry")),
    (Level, chat(a="1")),
    (Level, chat(a="HIGH")),
    (Auto, chat(a="SECOND")),
    (Optional[str], chat(a="None")),
    (Optional[str], chat(a="null")),
    (Optional[int], chat(a="null")),
    (Optional[int], chat(a="")),
    (Optional[int], chat(a="7")),
    (Union[int, str], chat(a="7")),
    (Union[int, str], chat(a="seven")),
    (Union[str, int, None], chat(a="7")),
    (int | list[int], chat(a="[7]")),
    (Author, chat(a='{"name": "N", "born": 1900}')),
    (Author, chat(a="{name: 'N'}")),
    (Author, chat(a='{"born": 1900}')),
    (Author, chat(a='{"name": "N", "born": "long ago"}')),
    (Book, chat(a='{"title": "T", "authors": [{"name": "N"}], "tags": {"x": "1"}}')),
    (list[Book], chat(a='[{"title": "T", "authors": []}, {"title": "U", "authors": [{"name": "ä"}]}]')),
    (datetime.date, chat(a="2024-01-31")),
    (datetime.date, chat(a="31.1.2024")),
    (Any, chat(a='{"x": 1}')),
    (Any, chat(a="plain words")),
    (bytes, chat(a="abc")),
]

JSON_ANSWERS: list[tuple[Any, str]] = [
    (str, '{"a": "Paris"}'),
    (str, '{"a": 3}'),
    (str, '{"a": null}'),
    (str, '{"a": ["x"]}'),
    (str, '{"b": "x"}'),
    (str, '```json\n{"a": "x"}\n```'),
    (str, 'Here you are: {"a": "x"} Bye.'),
    (str, 'First {"z": 1} then {"a": "x"}'),
    (str, '["a", "x"]'),
    (str, '[{"a": "x"}]'),
    (str, "a: x"),
    (str, ""),
    (str, "{}"),
    (str, "}{"),
    (str, '{"a": "unfinished'),
    (str, "{'a': 'single'}"),
    (str, '{"a": "x", "a": "y"}'),
    (str, chat(a="Paris")),
    ({"a": str, "b": Optional[str]}, '{"a": "x"}'),
    ({"a": str, "b": (int, {"default": 4})}, '{"b": "5", "a": "x"}'),
    (int, '{"a": "42"}'),
    (int, '{"a": 42.5}'),
    (int, '{"a": true}'),
    (bool, '{"a": "True"}'),
    (bool, '{"a": 1}'),
    (list[int], '{"a": [1, "2"]}'),
    (list[int], '{"a": "[1, 2]"}'),
    (dict[str, int], '{"a": {"x": 1}}'),
    (Literal["x", "y"], '{"a": "\'x\'"}'),
    (Literal[1, 2], '{"a": "2"}'),
    (Literal[1, 2], '{"a": 3}'),
    (Mood, '{"a": "happy"}'),
    (Mood, '{"a": "SAD"}'),
    (Level, '{"a": 2}'),
    (Optional[int], '{"a": null}'),
    (Book, '{"a": {"title": "T", "authors": [{"name": "N"}]}}'),
    (Book, '{"a": {"title": "T"}}'),
    (list[Book], '{"a": []}'),
]


XML_ANSWERS: list[tuple[Any, str]] = [
    (str, "<a>Paris</a>"),
    (str, "Sure! <a>\nParis\n</a> Bye."),
    (str, "<a>first</a><a>second</a>"),
    (str, "<b>x</b>"),
    (str, ""),
    (str, "<a/>"),
    (str, "<a>x"),
    (str, "<a>x & y</a>"),
    (str, "<a>x &amp; y &lt;b&gt;</a>"),
    (str, "<a><![CDATA[x < y]]></a>"),
    (str, "<a>x <b>bold</b> y</a>"),
    (str, "<think>hm</think><a>x</a>"),
    (str, "<outer><a>x</a></outer>"),
    (str, '<a k="v">x</a>'),
    (str, '<entry key="a">x</entry>'),
    (str, "</dspy_root><dspy_root>"),
    (str, "<?xml version='1.0'?><a>x</a>"),
    ({"a": str, "b": str}, "<b>2</b><a>1</a>"),
    ({"a": str, "b": (str, {"default": "d"})}, "<a>1</a>"),
    ({"a": str, "b": Optional[int]}, "<a>1</a>"),
    (int, "<a> 42 </a>"),
    (int, "<a>many</a>"),
    (bool, "<a>True</a>"),
    (float, "<a>1e3</a>"),
    (Literal["x", "y"], "<a>'x'</a>"),
    (Literal[1, 2], "<a>2</a>"),
    (Mood, "<a>happy</a>"),
    (Mood, "<a>SAD</a>"),
    (Mood, "<a>angry</a>"),
    (Optional[int], "<a/>"),
    (Optional[int], "<a>null</a>"),
    (Optional[int], "<a>7</a>"),
    (Optional[str], "<a></a>"),
    (Optional[str], "<a>None</a>"),
    (list[str], "<a><item>x</item><item>y</item></a>"),
    (list[str], "<a><item>x</item></a>"),
    (list[str], "<a>x</a><a>y</a>"),
    (list[str], "<a>x</a>"),
    (list[str], "<a/>"),
    (list[str], '<a>["x", "y"]</a>'),
    (list[str], "<a><item/><item>1</item></a>"),
    (list[str], "<a><other>x</other></a>"),
    (list[int], "<a><item>1</item><item>2</item></a>"),
    (list[int], "<a><item>one</item></a>"),
    (list[int], "<a>[1, 2]</a>"),
    (list[list[int]], "<a><item><item>1</item></item><item/></a>"),
    (dict[str, int], "<a><x>1</x><y>2</y></a>"),
    (dict[str, int], '<a><entry key="x y">1</entry></a>'),
    (dict[str, int], "<a/>"),
    (dict[str, int], '<a>{"x": 1}</a>'),
    (dict[str, list[str]], "<a><x><item>1</item></x><y/></a>"),
    (dict[str, Any], "<a><x><y>1</y><y>2</y></x></a>"),
    (Any, "<a>plain</a>"),
    (Any, "<a><x>1</x></a>"),
    (tuple[int, str], "<a><item>1</item><item>b</item></a>"),
    (set[int], "<a><item>1</item><item>1</item></a>"),
    (Author, "<a><name>N</name><born>1900</born></a>"),
    (Author, "<a><name>N</name><born/></a>"),
    (Author, "<a><name>N <i>M</i></name></a>"),
    (Author, "<a><born>1900</born></a>"),
    (Author, '<a>{"name": "N"}</a>'),
    (Author, "<a/>"),
    (Book, "<a><title>T</title><authors><item><name>N</name></item></authors><tags><x>1</x></tags></a>"),
    (Book, "<a><title>T</title><authors><name>N</name></authors></a>"),
    (Book, "<a><title>T</title><authors/></a>"),
    (Book, "<a><title>T</title><authors><item><name>N</name></item></authors><authors/></a>"),
    (list[Book], "<a><item><title>T</title><authors/></item></a>"),
    (list[Author], "<a><name>N</name></a><a><name>M</name></a>"),
    (Union[int, str], "<a>7</a>"),
    (Union[int, str], "<a>seven</a>"),
    (Union[Author, str], "<a><name>N</name></a>"),
    (Union[Author, str], "<a>some one</a>"),
    (Union[str, Author], "<a><name>N</name></a>"),
    (Union[list[int], Author], "<a><item>1</item></a>"),
    (Optional[Author], "<a><name>N</name></a>"),
    (Optional[Author], "<a/>"),
    (Person, "<a><fullName>N</fullName><scores/><joined>2024-01-02T03:04:05</joined></a>"),
    (Person, "<a><name>N</name><scores><x><item>1</item></x></scores><joined>2024-01-02</joined></a>"),
    (Movie, "<a><title>T</title><year>1999</year></a>"),
    (Branch, "<a><label>l</label><twigs><item><label>m</label></item></twigs></a>"),
    (datetime.date, "<a>2024-01-31</a>"),
]


@pytest.mark.parametrize(("outputs", "answer"), XML_ANSWERS)
def test_xml_answers_are_read_the_same(outputs: Any, answer: str) -> None:
    assert_same("XMLAdapter", outputs, answer)


@pytest.mark.parametrize(("outputs", "answer"), CHAT_ANSWERS)
def test_chat_answers_are_read_the_same(outputs: Any, answer: str) -> None:
    assert_same("ChatAdapter", outputs, answer)


@pytest.mark.parametrize(("outputs", "answer"), JSON_ANSWERS)
def test_json_answers_are_read_the_same(outputs: Any, answer: str) -> None:
    assert_same("JSONAdapter", outputs, answer)


def assert_same(adapter: str, outputs: Any, answer: str) -> None:
    from dspex.errors import AdapterParseError

    theirs = read(dspy, dspy.utils.exceptions.AdapterParseError, adapter, outputs, answer)
    ours = read(OURS, AdapterParseError, adapter, outputs, answer)
    assert repr(ours) == repr(theirs)
    if ours != FAILS:
        assert list(ours) == list(theirs)
        assert [type(value) for value in ours.values()] == [type(value) for value in theirs.values()]


def test_where_dspy_leaks_other_errors_or_loses_text_dspex_does_not() -> None:
    """The deliberate differences: an unhashable enum value, and a heading that is indented."""
    from dspex.errors import AdapterParseError

    with pytest.raises(TypeError):
        dspy.JSONAdapter().parse(signature_of(dspy, Mood), '{"a": ["happy"]}')
    with pytest.raises(AdapterParseError):
        OURS.JSONAdapter().parse(signature_of(OURS, Mood), '{"a": ["happy"]}')
    assert dspy.ChatAdapter().parse(signature_of(dspy, str), "  [[ ## a ## ]] Paris") == {"a": "]] Paris"}
    assert OURS.ChatAdapter().parse(signature_of(OURS, str), "  [[ ## a ## ]] Paris") == {"a": "Paris"}


@pytest.mark.parametrize("outputs", [str, list[str], Book, {"a": Mood, "b": Literal["x"], "c": int}, list[Book], bool])
def test_strict_schemas_are_dspys(outputs: Any) -> None:
    from dspy.adapters.json_adapter import _get_structured_outputs_response_format

    from dspex.adapters import json_adapter
    from dspex.adapters.response_format import response_model

    theirs = _get_structured_outputs_response_format(signature_of(dspy, outputs))
    ours = response_model(signature_of(OURS, outputs))
    if outputs in (Book, list[Book]):  # has an open mapping inside, which strict mode would make an empty object
        assert ours is None
        with pytest.raises(ValueError, match="Structured Outputs"):
            json_adapter._get_structured_outputs_response_format(signature_of(OURS, outputs))
    else:
        assert ours is not None
        assert issubclass(ours, pydantic.BaseModel)
        assert (ours.__name__, ours.model_json_schema()) == (theirs.__name__, theirs.model_json_schema())
