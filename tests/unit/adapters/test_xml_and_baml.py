"""What XML and BAML adapters do beyond DSPy's: answers that are no XML, keys no element can have, models used twice."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
from fake_lm import FakeLM

from dspex.adapters import Code, XMLAdapter
from dspex.adapters.baml_adapter import BAMLAdapter, type_in_words
from dspex.errors import AdapterParseError
from dspex.signatures import InputField, OutputField, Signature, make_signature


class Place(pydantic.BaseModel):
    """Somewhere."""

    name: str


class Trip(pydantic.BaseModel):
    start: Place
    end: Place
    via: list[Place] = []


class Tree(pydantic.BaseModel):
    twigs: list[Tree] = []


def outputs(**types: Any) -> Any:
    return make_signature({"q": (str, InputField()), **{name: (type_, OutputField()) for name, type_ in types.items()}})


@pytest.mark.parametrize("answer", ["<a>x", "<a>1 & 2</a>", "</a>", "<a>\x00</a>", "<a>\ud800</a>", "<a>&b;</a>"])
def test_an_answer_that_is_no_xml_is_refused(answer: str) -> None:
    with pytest.raises(AdapterParseError, match="Failed to parse XML") as caught:
        XMLAdapter().parse(outputs(a=str), answer)
    assert caught.value.adapter_name == "XMLAdapter"


def test_an_answer_of_another_type_names_the_field_and_what_was_read_before_it() -> None:
    with pytest.raises(AdapterParseError, match="Failed to parse field b with value many") as caught:
        XMLAdapter().parse(outputs(a=str, b=int), "<a>x</a><b>many</b>")
    assert caught.value.parsed_result == {"a": "x"}


async def test_an_answer_that_is_no_xml_is_asked_for_as_json() -> None:
    lm = FakeLM("<a>1 & 2", '{"a": "3"}')
    assert await XMLAdapter().acall(lm, {}, outputs(a=str), [], {"q": "x"}) == [{"a": "3"}]


@pytest.mark.parametrize("key", ["a b", "1st", "", "<&>", "entry", "item", "\U00012000", "ä", "x-y.z"])
def test_any_key_is_written_so_that_it_is_read_back(key: str) -> None:
    signature = outputs(a=dict[str, int])
    written = XMLAdapter().format_assistant_message_content(signature, {"a": {key: 1}})
    assert XMLAdapter().parse(signature, written) == {"a": {key: 1}}


def test_code_in_a_demo_is_escaped_as_it_must_be_in_an_answer() -> None:
    signature = outputs(a=Code)
    written = XMLAdapter().format_assistant_message_content(signature, {"a": Code(code="if a < b & c: pass")})
    assert "a &lt; b &amp; c" in written
    assert XMLAdapter().parse(signature, written)["a"].code == "if a < b & c: pass"


def test_a_model_may_stand_in_several_places() -> None:
    assert type_in_words(Trip).splitlines() == [
        "{",
        "  # Somewhere.",
        "  start:   {",
        "    name: string,",
        "  },",
        "  # Somewhere.",
        "  end:   {",
        "    name: string,",
        "  },",
        "  via: [",
        "    {",
        "      name: string,",
        "    }",
        "  ],",
        "}",
    ]


def test_a_model_inside_itself_is_refused() -> None:
    with pytest.raises(ValueError, match=r"BAMLAdapter cannot handle recursive pydantic models.*Tree"):
        BAMLAdapter().format(outputs(tree=Tree), [], {"q": "x"})


@pytest.mark.parametrize("adapter", [XMLAdapter(), BAMLAdapter()])
def test_prompts_are_kept_and_shared(adapter: Any) -> None:
    signature = Signature("q -> a: list[int], b")
    demos = [{"q": "x", "a": [1], "b": "y"}]
    first, second = (adapter.format(signature, demos, {"q": q}) for q in "12")
    assert first.stable is second.stable
    assert first.stable != ()
