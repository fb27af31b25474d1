"""What an adapter writes as an answer it reads back, and nothing an LM writes makes it fail in an unforeseen way."""

from __future__ import annotations

import contextlib
import datetime
import enum
import re
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

import pydantic
import pytest
from fake_lm import InstantLM
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dspex.adapters import ChatAdapter, Code, History, JSONAdapter, Reasoning, ToolCalls, TwoStepAdapter, XMLAdapter
from dspex.adapters.baml_adapter import BAMLAdapter
from dspex.adapters.types.citation import Citations
from dspex.errors import AdapterParseError
from dspex.signatures import InputField, OutputField, make_signature

CHAT, JSON, XML, BAML = ChatAdapter(), JSONAdapter(), XMLAdapter(), BAMLAdapter()


class Mood(enum.Enum):
    HAPPY = "happy"
    SAD = "sad"


class Author(pydantic.BaseModel):
    name: str
    books: list[str] = []


def signature(**outputs: Any) -> Any:
    return make_signature(
        {"q": (str, InputField()), **{name: (type_, OutputField()) for name, type_ in outputs.items()}}
    )


def is_kept_by_lines(text: str) -> bool:
    """Text that survives being cut into lines and stripped, as answers are; and that is no heading."""
    return "\n".join(text.splitlines()).strip() == text and "[[ ##" not in text


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
LINES = TEXT.filter(is_kept_by_lines)
INLINE = TEXT.filter(lambda text: len(text.splitlines()) <= 1 and not text.endswith(("\x85", "\u2028", "\u2029")))
CHOICES = st.lists(INLINE.map(str.strip).filter(bool).filter(is_kept_by_lines), min_size=1, max_size=4, unique=True)


def values_of(text: st.SearchStrategy[str], inline: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[Any, Any]]:
    """Types with values of theirs."""
    number = st.integers(-(2**70), 2**70)
    real = st.floats(allow_nan=False, allow_infinity=False)
    return st.one_of(
        st.tuples(st.just(str), text),
        st.tuples(st.just(int), number),
        st.tuples(st.just(float), real),
        st.tuples(st.just(bool), st.booleans()),
        st.tuples(st.just(Mood), st.sampled_from(Mood)),
        st.tuples(st.just(list[str]), st.lists(inline, max_size=3)),
        st.tuples(st.just(list[int]), st.lists(number, max_size=3)),
        st.tuples(st.just(dict[str, int]), st.dictionaries(inline, number, max_size=3)),
        st.tuples(st.just(dict[str, list[str]]), st.dictionaries(inline, st.lists(inline, max_size=2), max_size=2)),
        st.tuples(st.just(int | None), st.none() | number),
        st.tuples(st.just(Author), st.builds(Author, name=inline, books=st.lists(inline, max_size=2))),
        CHOICES.flatmap(lambda choices: st.tuples(st.just(Literal[tuple(choices)]), st.sampled_from(choices))),
        st.tuples(st.just(Literal[1, 2, True]), st.sampled_from([1, 2])),
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(values_of(LINES, INLINE), min_size=1, max_size=4))
def test_chat_answers_are_read_back(outputs: list[tuple[Any, Any]]) -> None:
    assert_read_back(CHAT, outputs)


@settings(max_examples=300, deadline=None)
@given(st.lists(values_of(TEXT, TEXT), min_size=1, max_size=4))
def test_json_answers_are_read_back(outputs: list[tuple[Any, Any]]) -> None:
    assert_read_back(JSON, outputs)


def is_kept_by_xml(text: str) -> bool:
    """Text that XML can say and does not strip, and that is not read otherwise: as no text, or as a list in JSON."""
    return text.isprintable() and text.strip() == text != "" and not text.startswith("[")


WORDS = TEXT.filter(is_kept_by_xml)


@settings(max_examples=300, deadline=None)
@given(st.lists(values_of(WORDS, WORDS), min_size=1, max_size=4))
def test_xml_answers_are_read_back(outputs: list[tuple[Any, Any]]) -> None:
    choices = [choice for type_, _ in outputs if get_origin(type_) is Literal for choice in get_args(type_)]
    assume(all(map(is_kept_by_xml, map(str, choices))))
    assert_read_back(XML, outputs)


def assert_read_back(adapter: Any, outputs: list[tuple[Any, Any]]) -> None:
    declared = signature(**{f"f{n}": type_ for n, (type_, _) in enumerate(outputs)})
    values = {f"f{n}": value for n, (_, value) in enumerate(outputs)}
    written = adapter.format_assistant_message_content(declared, values)
    read = adapter.parse(declared, written)
    assert read == values
    assert [type(value) for value in read.values()] == [type(value) for value in values.values()]


class Stripped(pydantic.BaseModel):
    """Its validator fails, on anything but text, in a way that pydantic lets through."""

    name: str

    @pydantic.field_validator("name", mode="before")
    @classmethod
    def strip(cls, value: Any) -> Any:
        return value.strip()


TYPES: list[Any] = [
    str,
    int,
    float,
    bool,
    list[int],
    dict[str, Any],
    Literal["x", 1],
    Mood,
    Author,
    list[Author],
    int | None,
    str | None,
    tuple[int, str],
    set[str],
    bytes,
    Any,
    dict[int, list[float]],
    Reasoning,
    Code["java"],
    ToolCalls,
    Citations,
    History,
    dict[str, Author | int] | None,
    datetime.datetime,
    Decimal,
    re.Pattern,
    pydantic.Json,
    Stripped,
]
SIGNATURES = [signature(a=type_, b=str) for type_ in TYPES]
TAGS = ["<a>", "</a>", "<b>", "</b>", "<a/>", "<item>", "</item>", "<name>", "</name>", '<entry key="a">', "</entry>"]
MARKS = [
    *TAGS,
    *("&", "&amp;", "<![CDATA[", "]]>", "<!DOCTYPE x>", "<?a?>"),
    *"{}[]()\\'\"`:,-# ",
    *('"a"', '"b"', "null", "None", "1", "1e999", "```json", "{'a'}", "name", "/*", '{"name": 1}'),
]
PIECES = st.sampled_from([f"[[ ## {name} ## ]]" for name in ("a", "b", "completed")] + [*MARKS, "\n \u2028\ud800\x00"])


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(SIGNATURES), st.one_of(st.text(), st.lists(PIECES | st.text(max_size=3), max_size=25).map("".join))
)
def test_any_text_is_read_or_refused(declared: Any, text: str) -> None:
    two_steps = TwoStepAdapter(InstantLM(text))
    for adapter in (CHAT, JSON, XML, BAML, two_steps):
        try:
            parsed = adapter.parse(declared, text)
        except AdapterParseError:
            continue
        assert list(parsed) == ["a", "b"]


HOSTILE = ["[" * 100_000, "{" * 5_000, "9" * 10_000, "(" * 10_000, '{"a":' * 10_000, "-" * 9_999]
NESTED = "<x>" * 9_999 + "</x>" * 9_999


@pytest.mark.parametrize("hostile", [*HOSTILE, NESTED], ids=range(7))
@pytest.mark.parametrize("declared", SIGNATURES, ids=map(str, TYPES))
def test_hostile_text_is_read_or_refused(declared: Any, hostile: str) -> None:
    in_chat, in_xml = f"[[ ## b ## ]]\nx\n[[ ## a ## ]]\n{hostile}", f"<b>x</b><a>{hostile}</a>"
    for adapter, answer in ((CHAT, in_chat), (JSON, hostile), (XML, in_xml), (XML, hostile)):
        with contextlib.suppress(AdapterParseError):
            assert list(adapter.parse(declared, answer)) == ["a", "b"]
