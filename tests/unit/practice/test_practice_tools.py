"""Tools: which are called, with what; nothing in a schema or a question breaks the choosing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dspex_practice.model.arguments import arguments
from dspex_practice.model.reading.prompt import Turn
from dspex_practice.model.reading.values import fits
from dspex_practice.model.tools import OfferedTool, Toolbox, ToolDemand

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = OfferedTool("get_weather", "The current weather of a city.", CITY)
TEXT = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
SEARCH = OfferedTool("search_wiki", "Search Wikipedia.", TEXT)
WORDS = {"type": "string"}
PERSON = {"type": "object", "properties": {"name": WORDS}, "required": ["name"]}


def called(question: str, *tools: OfferedTool, **options: Any) -> list[tuple[str, Any]]:
    box = Toolbox(tools or (WEATHER, SEARCH), **options)
    return [(call.name, dict(call.arguments)) for call in box.calls([Turn("user", question)])]


@pytest.mark.parametrize(
    ("question", "calls"),
    [
        ("What is the weather in New York?", [("get_weather", {"city": "New York"})]),
        ("what is the weather in oslo?", [("get_weather", {"city": "oslo"})]),
        ("Search Wikipedia for bees", [("search_wiki", {"query": "Search Wikipedia for bees"})]),
        ("Tell me a joke", []),
        (
            "The weather in Rome, and then the weather in Oslo?",
            [("get_weather", {"city": "Rome"}), ("get_weather", {"city": "Oslo"})],
        ),
    ],
)
def test_a_question_calls_the_tool_it_is_about(question: str, calls: list[tuple[str, Any]]) -> None:
    assert called(question) == calls


def test_fields_of_a_prompt_are_the_question() -> None:
    prompt = "[[ ## question ## ]]\nWhat is the weather in Paris?\n\nRespond with the corresponding output fields, …"
    assert called(prompt) == [("get_weather", {"city": "Paris"})]


def test_after_its_results_a_question_is_answered_unless_a_call_is_demanded() -> None:
    turns = [Turn("user", "What is the weather in Paris?"), Turn("call", ""), Turn("tool", "sunny")]
    assert Toolbox((WEATHER,)).calls(turns) == ()
    assert [call.name for call in Toolbox((WEATHER,), ToolDemand.SOME).calls(turns)] == ["get_weather"]
    asked_again = [*turns, Turn("assistant", "It is sunny."), Turn("user", "And the weather in Rome?")]
    assert [dict(call.arguments) for call in Toolbox((WEATHER,)).calls(asked_again)] == [{"city": "Rome"}]


@pytest.mark.parametrize(
    ("parameters", "question", "wanted"),
    [
        ({"to": WORDS, "mail": WORDS}, "Write to Ann at ann@x.org", {"to": "Ann", "mail": "ann@x.org"}),
        ({"date": WORDS}, "Book a table for 2025-03-01", {"date": "2025-03-01"}),
        ({"title": WORDS}, 'Find the book "Emma" by Austen', {"title": "Emma"}),
        ({"n": {"type": "integer", "maximum": 5}}, "Take 12 of them", {"n": 5}),
        ({"unit": {"enum": ["celsius", "fahrenheit"]}}, "in fahrenheit please", {"unit": "fahrenheit"}),
        ({"tags": {"type": "array", "items": WORDS}}, "Blue boats", {"tags": ["blue"]}),
        ({"who": PERSON}, "Ask for Bob", {"who": {"name": "Bob"}}),
    ],
)
def test_arguments_are_found_in_the_question(parameters: Any, question: str, wanted: Any) -> None:
    schema = {"type": "object", "properties": parameters, "required": list(parameters)}
    assert arguments(schema, question) == wanted


def test_what_is_not_required_is_given_only_if_it_is_spoken_of() -> None:
    schema = {"type": "object", "properties": {"max_rows": {"type": "integer"}}}
    assert arguments(schema, "Show some") == {}
    assert arguments(schema, "Show max rows 7") == {"max_rows": 7}


leaves = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "maxLength": 3},
        {"type": "integer", "minimum": 2, "maximum": 9},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["a", 1, None]},
        {"$ref": "#/$defs/Thing"},
        {"anyOf": [{"type": "null"}, {"type": "integer"}]},
    ]
)
schemas = st.recursive(
    leaves,
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(
            lambda parts: {"type": "object", "properties": parts, "required": list(parts)},
            st.dictionaries(st.sampled_from(["city", "query", "date", "x"]), inner, max_size=3),
        )
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["city", "when_date", "text", "n"]), schemas, max_size=3), st.text(max_size=60))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_arguments_fit_their_schema_whatever_is_asked(properties: Any, question: str) -> None:
    thing = {"type": "object", "properties": {"again": {"type": "string"}}, "required": ["again"]}
    schema = {"type": "object", "properties": properties, "required": list(properties), "$defs": {"Thing": thing}}
    assert fits(arguments(schema, question), schema)


@given(st.lists(st.text(max_size=10), min_size=1, max_size=4), st.text(max_size=80), st.sampled_from(list(ToolDemand)))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_question_is_decided_and_always_alike(names: list[str], question: str, demand: ToolDemand) -> None:
    tools = tuple(OfferedTool(name, question[:20], CITY) for name in names)
    one, again = (called(question, *tools, demand=demand) for _ in range(2))
    assert one == again
    assert demand is not ToolDemand.NONE or not one
    assert demand is not ToolDemand.SOME or one
