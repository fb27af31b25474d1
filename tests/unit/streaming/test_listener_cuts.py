"""However a provider cuts an answer, the pieces of a field are the field's text."""

from __future__ import annotations

import json
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from xml.sax.saxutils import escape, unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dspex
from dspex.streaming import StreamListener, StreamResponse

FIELDS = ("reasoning", "answer", "notes")
MARKS = st.sampled_from('[]# \n"\\{}<>/:,answerotes')
OTHERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])
TEXT = st.text(MARKS | OTHERS, max_size=40)
SIGNATURE = dspex.Signature("question -> reasoning, answer, notes")


def chunk(text: str | None) -> Any:
    return SimpleNamespace(choices=[SimpleNamespace(index=0, delta=SimpleNamespace(content=text))])


def heard(adapter: Any, pieces: list[str], field: str) -> list[StreamResponse]:
    with dspex.context(adapter=adapter):
        listener = StreamListener(field)
        found = [listener.receive(chunk(piece)) for piece in pieces]
        return [one for one in [*found, listener.finalize()] if one is not None]


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    """`text` in two pieces or more."""
    places = draw(st.lists(st.integers(1, len(text) - 1), min_size=1, max_size=60))
    edges = [0, *sorted(set(places)), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


@settings(deadline=None)
@given(st.data(), st.lists(TEXT, min_size=3, max_size=3), st.booleans())
def test_pieces_under_headings_are_the_parsed_field(data: st.DataObject, values: list[str], complete: bool) -> None:
    answer = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in zip(FIELDS, values, strict=True))
    answer += "\n\n[[ ## completed ## ]]" if complete else ""
    parsed = dspex.ChatAdapter().parse(SIGNATURE, answer)
    pieces = data.draw(cut(answer))
    for name in FIELDS:
        responses = heard(None, pieces, name)
        assert "".join(one.chunk for one in responses) == parsed[name]
        assert [one.is_last_chunk for one in responses[:-1]] == [False] * len(responses[:-1])


@settings(deadline=None)
@given(st.data(), st.lists(TEXT, min_size=3, max_size=3), st.sampled_from([None, 2]))
def test_pieces_of_json_are_the_values_json(data: st.DataObject, values: list[str], indent: int | None) -> None:
    answer = json.dumps(dict(zip(FIELDS, values, strict=True)), indent=indent, ensure_ascii=False)
    pieces = data.draw(cut(answer))
    for name, value in zip(FIELDS, values, strict=True):
        responses = heard(dspex.JSONAdapter(), pieces, name)
        assert json.loads("".join(one.chunk for one in responses)) == value
        assert responses[-1].is_last_chunk


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.data(), st.lists(JSON, min_size=3, max_size=3), st.sampled_from(["", "Here it is:\n```json\n"]))
def test_pieces_of_any_json_value_are_its_json(data: st.DataObject, values: list[Any], before: str) -> None:
    answer = before + json.dumps(dict(zip(FIELDS, values, strict=True)))
    pieces = data.draw(cut(answer))
    for name, value in zip(FIELDS, values, strict=True):
        assert json.loads("".join(one.chunk for one in heard(dspex.JSONAdapter(), pieces, name))) == value


@settings(deadline=None)
@given(st.data(), st.lists(TEXT, min_size=3, max_size=3))
def test_pieces_between_tags_are_the_elements_text(data: st.DataObject, values: list[str]) -> None:
    answer = "\n".join(f"<{name}>\n{escape(value)}\n</{name}>" for name, value in zip(FIELDS, values, strict=True))
    pieces = data.draw(cut(answer))
    for name, value in zip(FIELDS, values, strict=True):
        responses = heard(dspex.XMLAdapter(), pieces, name)
        assert unescape("".join(one.chunk for one in responses)) == value.strip()
        assert responses[-1].is_last_chunk


@pytest.mark.parametrize("adapter", [None, dspex.ChatAdapter(), dspex.JSONAdapter(), dspex.XMLAdapter()])
@settings(deadline=None)
@given(st.data(), TEXT)
def test_no_text_breaks_a_listener(adapter: Any, data: st.DataObject, text: str) -> None:
    for name in FIELDS:
        heard(adapter, data.draw(cut(text)) if len(text) > 1 else [text], name)
