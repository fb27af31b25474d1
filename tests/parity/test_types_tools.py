"""Tools say of themselves what DSPy's say and take what DSPy's take; an LM's calls are read in the same shapes."""

# ruff: noqa: UP045 - `Optional` is what some users write

from __future__ import annotations

import asyncio
import datetime
import decimal
import enum
import json
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Optional

import pydantic
import pytest
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.tools import tool as langchain_tool

import dspex

dspy = pytest.importorskip("dspy")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")]  # DSPy's


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(pydantic.BaseModel):
    """Where somebody lives."""

    street: str
    code: int = 0


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(description="in full", min_length=1)
    addresses: list[Address] = []
    born: datetime.date | None = None
    favourite: Colour = Colour.RED


def nothing() -> None:
    """Does nothing."""


def plain(x: int, y: str = "hello") -> str:
    """Join.

    Both of them.
    """
    return f"{x!r} {y!r}"


def untyped(x, y=3, *rest, **others):  # type: ignore[no-untyped-def]
    return x, y, others


def typed(
    person: Person,
    people: list[Person],
    by_name: dict[str, list[Person]],
    maybe: Optional[Person] = None,
    colour: Colour = Colour.BLUE,
    one: Literal["a", "b"] = "a",
    price: decimal.Decimal = decimal.Decimal("1.5"),
    day: datetime.date = datetime.date(2020, 1, 1),
    pair: tuple[int, str] = (1, "x"),
    union: int | str = 1,
    anything: Any = None,
) -> str:
    return repr((person, people, by_name, maybe, colour, one, price, day, pair, union, anything))


def keyword_only(*, x: float, **kwargs: int) -> Any:
    return x, kwargs


async def waits(x: int, person: Person | None = None) -> Any:
    """Takes its time."""
    await asyncio.sleep(0)
    return x, person


class Callable_:
    """An object to call."""

    def __call__(self, x: int) -> int:
        return x + 1

    def method(self, x: int) -> int:
        """Adds two."""
        return x + 2

    @classmethod
    def of_class(cls, x: int) -> int:
        return x + 3

    @staticmethod
    def static(x: int) -> int:
        return x + 4


FUNCTIONS: list[Callable[..., Any]] = [
    nothing,
    plain,
    untyped,
    typed,
    keyword_only,
    waits,
    Callable_(),
    Callable_().method,
    Callable_.of_class,
    Callable_.static,
    lambda x, y=2: (x, y),
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"name": "other", "desc": "Something else"},
    {"arg_desc": {"x": "the x"}},
    {"args": {"x": {"type": "string"}}, "arg_types": {"x": str}},
    {"args": {}},
    {"name": "", "desc": ""},
]


def told(tool: Any) -> Any:
    attributes = {key: getattr(tool, key) for key in ("name", "desc", "args", "arg_types", "arg_desc", "has_kwargs")}
    return str(tool), repr(tool), tool.format(), json.dumps(tool.format_as_litellm_function_call()), attributes


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: getattr(function, "__name__", "object"))
def test_tools_are_told_the_same(function: Callable[..., Any], options: dict[str, Any]) -> None:
    assert told(dspex.Tool(function, **options)) == told(dspy.Tool(function, **options))


ADA = {"name": "Ada", "addresses": [{"street": "A", "code": 1}], "born": "1815-12-10", "favourite": "blue"}
CALLS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (nothing, {}),
    (nothing, {"x": 1}),
    (plain, {"x": 1}),
    (plain, {"x": 1, "y": "z"}),
    (plain, {"x": "1"}),
    (plain, {"x": 1.5}),
    (plain, {"x": 1.0}),
    (plain, {"x": True}),
    (plain, {"x": None}),
    (plain, {"y": "z"}),
    (plain, {"x": 1, "z": 2}),
    (untyped, {"x": "anything", "y": [1], "z": {"a": 1}}),
    (typed, {"person": ADA, "people": [ADA, ADA], "by_name": {"x": [ADA]}}),
    (typed, {"person": Person(name="Bob"), "people": [Person(name="Bob")], "by_name": {}}),
    (typed, {"person": ADA, "people": [], "by_name": {}, "maybe": ADA, "colour": "red", "one": "b"}),
    (typed, {"person": ADA, "people": [], "by_name": {}, "price": 2, "day": "2021-02-03", "pair": [2, "y"]}),
    (typed, {"person": ADA, "people": [], "by_name": {}, "union": "x", "anything": object}),
    (typed, {"person": {"name": ""}, "people": [], "by_name": {}}),
    (typed, {"person": {"nam": "x"}, "people": [], "by_name": {}}),
    (typed, {"person": ADA, "people": ADA, "by_name": {}}),
    (typed, {"person": ADA, "people": [], "by_name": {}, "colour": "green"}),
    (typed, {"person": ADA, "people": [], "by_name": {}, "one": "c"}),
    (typed, {"person": ADA, "people": [], "by_name": {}, "maybe": "nobody"}),
    (keyword_only, {"x": 1, "y": 2}),
    (keyword_only, {"x": 1, "y": "2"}),
    (Callable_(), {"x": 1}),
    (Callable_().method, {"x": 1}),
    (waits, {"x": 1}),
]


def outcome(make: Callable[[], Any]) -> Any:
    try:
        value = make()
    except Exception as error:  # noqa: BLE001 - any error is an outcome
        kinds = (ValueError, TypeError, RuntimeError, AttributeError)
        return "error", [kind.__name__ for kind in kinds if isinstance(error, kind)]
    return "value", repr(value)


@pytest.mark.parametrize("place", range(len(CALLS)))
def test_calls_come_out_the_same(place: int) -> None:
    function, arguments = CALLS[place]
    assert outcome(lambda: dspex.Tool(function)(**arguments)) == outcome(lambda: dspy.Tool(function)(**arguments))
    ours = outcome(lambda: asyncio.run(dspex.Tool(function).acall(**arguments)))
    assert ours == outcome(lambda: asyncio.run(dspy.Tool(function).acall(**arguments)))


def test_async_tools_called_synchronously_come_out_the_same() -> None:
    async def inside(library: Any) -> Any:
        return library.Tool(waits)(x=1)

    for allowed in (False, True):
        setting = {"allow_tool_async_sync_conversion": allowed}
        with dspex.context(**setting), dspy.context(**setting):
            assert outcome(lambda: dspex.Tool(waits)(x=1)) == outcome(lambda: dspy.Tool(waits)(x=1))
            ours, theirs = (outcome(lambda lib=lib: asyncio.run(inside(lib))) for lib in (dspex, dspy))
            assert ours == theirs


CALL = {"name": "search", "args": {"query": "x"}}
SHAPES: list[Any] = [
    {"tool_calls": [CALL]},
    {"tool_calls": []},
    {"tool_calls": [CALL, {"name": "f", "args": {}}]},
    {"tool_calls": [{**CALL, "id": "1"}], "tool_call_results": {"any": "thing"}},
    {"tool_calls": CALL},
    {"tool_calls": None},
    {"tool_calls": ["search"]},
    {"tool_calls": [{"name": "search"}]},
    {"tool_calls": [{"args": {}}]},
    [CALL],
    [],
    CALL,
    {"name": "search", "arguments": {"query": "x"}},
    {"name": "search", "arguments": '{"query": "x"}'},
    {"name": "search", "arguments": '{"query": "x"'},
    {"name": "search", "arguments": None},
    {"name": "search", "args": [1]},
    {"id": "1", "type": "function", "function": {"name": "search", "arguments": '{"query": "x"}'}},
    [{"id": "1", "type": "function", "function": {"name": "search", "arguments": {"query": "x"}}}],
    {"call_id": "1", "name": "search", "arguments": "{}"},
    {"function": None, "name": "search"},
    {"function": "search"},
    {"name": "search"},
    [CALL, "search"],
    "search",
    None,
    3,
]


@pytest.mark.parametrize("place", range(len(SHAPES)))
def test_calls_are_read_the_same(place: int) -> None:
    def read(library: Any) -> Any:
        calls = library.ToolCalls.model_validate(SHAPES[place])
        return (
            calls,
            calls.format(),
            calls.model_dump(),
            calls.model_dump_json(),
            [call.id for call in calls.tool_calls],
        )

    assert outcome(lambda: read(dspex)) == outcome(lambda: read(dspy))


@pytest.mark.parametrize("place", range(len(SHAPES)))
def test_calls_are_read_from_texts_the_same(place: int) -> None:
    def read(library: Any, text: str) -> Any:
        signature = library.Signature(
            {"q": (str, library.InputField()), "c": (library.ToolCalls, library.OutputField())}
        )
        return library.ChatAdapter().parse(signature, f"[[ ## c ## ]]\n{text}\n[[ ## completed ## ]]")

    for text in (json.dumps(SHAPES[place]), str(SHAPES[place]), f"```json\n{json.dumps(SHAPES[place], indent=1)}\n```"):
        ours, theirs = (outcome(partial(read, lib, text)) for lib in (dspex, dspy))
        assert ours == theirs, text


RESULTS: list[Any] = [
    [{"name": "f", "value": 1}],
    {"name": "f", "value": {"a": 1}, "is_error": True, "call_id": "1"},
    {"tool_call_results": [{"name": "f", "value": None}]},
    {"value": 1},
    [{"name": "f"}],
    [],
    "x",
]


@pytest.mark.parametrize("place", range(len(RESULTS)))
def test_results_are_read_the_same(place: int) -> None:
    ours, theirs = (
        outcome(lambda lib=lib: lib.ToolCallResults.model_validate(RESULTS[place]).model_dump())
        for lib in (dspex, dspy)
    )
    assert ours == theirs


def test_results_are_put_to_calls_the_same() -> None:
    def put(library: Any, *rest: Any) -> Any:
        calls = library.ToolCalls.from_dict_list([{**CALL, "id": "1"}, CALL])
        made = library.ToolCallResults.from_tool_calls_and_values
        return made(calls, *rest), made(calls.tool_calls, *rest).model_dump_json()

    for rest in ([["a", 2]], [["a", 2], [True, False]], [["a"]], [["a", 2], [True]]):
        assert outcome(lambda rest=rest: put(dspex, *rest)) == outcome(lambda rest=rest: put(dspy, *rest))


def double(x: int) -> int:
    return 2 * x


def fails(x: int) -> int:
    raise KeyError(x)


def test_calls_are_executed_the_same() -> None:
    def executed(library: Any, name: str, functions: Any) -> Any:
        call = library.ToolCalls.ToolCall(name=name, args={"x": 2})
        return call.execute(functions(library))

    for name in ("double", "fails", "missing", "executed"):
        for functions in (
            lambda library: None,
            lambda library: {"double": double, "fails": fails},
            lambda library: {"double": library.Tool(double)},
            lambda library: [library.Tool(double), library.Tool(fails)],
            lambda library: [],
        ):
            ours, theirs = (outcome(partial(executed, lib, name, functions)) for lib in (dspex, dspy))
            assert ours == theirs, name


def test_asynchronous_calls_are_executed_the_same() -> None:
    async def executed(library: Any) -> Any:
        call = library.ToolCalls.ToolCall(name="waits", args={"x": 2})
        return [await call.execute([library.Tool(waits)]), await call.execute({"waits": waits}), await call.execute()]

    assert asyncio.run(executed(dspex)) == asyncio.run(executed(dspy))


INPUT_SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": "object"},
    {"properties": {"x": {"type": "integer"}, "y": {"description": "the y"}}, "required": ["x", "y"]},
    {"properties": {kind: {"type": kind} for kind in ("string", "number", "boolean", "array", "object", "null")}},
    {
        "properties": {"p": {"$ref": "#/$defs/P"}, "ps": {"type": "array", "items": {"$ref": "#/$defs/P"}}},
        "$defs": {
            "P": {"type": "object", "properties": {"q": {"$ref": "#/$defs/Q"}}},
            "Q": {"type": "string", "description": "a q"},
        },
        "required": ["p"],
    },
]


@pytest.mark.parametrize("place", range(len(INPUT_SCHEMAS)))
def test_input_schemas_are_converted_the_same(place: int) -> None:
    from dspy.adapters.types.tool import convert_input_schema_to_tool_args as theirs

    from dspex.adapters.types.tool import convert_input_schema_to_tool_args as ours

    assert ours(INPUT_SCHEMAS[place]) == theirs(INPUT_SCHEMAS[place])


@langchain_tool
def add(x: int, people: list[Person], y: int = 3) -> int:
    """Add two numbers.

    Args:
        x: one of them
    """
    if x < 0:
        raise ValueError("negative")
    return x + y + len(people)


class Search(BaseTool):
    name: str = "look"
    description: str = "Look it up"

    def _run(self, query: str) -> str:
        return f"found {query}"


async def fetch(address: Address | None = None) -> str:
    """Fetches."""
    return str(address)


@pytest.mark.parametrize(
    ("tool", "calls"),
    [
        (add, [{"x": 1, "people": [ADA]}, {"x": -1, "people": []}, {"x": "1", "people": []}, {"x": 1}]),
        (StructuredTool.from_function(coroutine=fetch), [{}, {"address": {"street": "A"}}, {"address": 3}]),
    ],
    ids=["function", "coroutine"],
)
def test_langchain_tools_are_the_same(tool: Any, calls: list[dict[str, Any]]) -> None:
    ours, theirs = dspex.Tool.from_langchain(tool), dspy.Tool.from_langchain(tool)
    assert told(ours) == told(theirs)
    for arguments in calls:
        mine = outcome(lambda arguments=arguments: asyncio.run(ours.acall(**arguments)))
        assert mine == outcome(lambda arguments=arguments: asyncio.run(theirs.acall(**arguments)))


def test_a_langchain_tool_without_a_declared_schema_works() -> None:
    tool = dspex.Tool.from_langchain(Search())
    assert list(tool.args or {}) == ["query"]
    assert asyncio.run(tool.acall(query="x")) == "found x"


def test_callbacks_hear_the_same_of_tools() -> None:
    def heard(library: Any, run: Callable[[Any], Any]) -> list[Any]:
        said: list[Any] = []

        class Listener(library.utils.BaseCallback):  # type: ignore[misc]
            def on_tool_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
                said.append(("start", instance.name, inputs))

            def on_tool_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
                said.append(("end", outputs, type(exception)))

        with library.context(callbacks=[Listener()]):
            said.append(outcome(lambda: run(library)))
        return said

    for run in (
        lambda library: library.Tool(double)(x=3),
        lambda library: library.Tool(double)(x="3"),
        lambda library: library.Tool(fails)(x=3),
        lambda library: asyncio.run(library.Tool(waits).acall(x=3)),
        lambda library: asyncio.run(library.Tool(fails).acall(x=3)),
        lambda library: library.ToolCalls.ToolCall(name="double", args={"x": 1}).execute(
            {"double": library.Tool(double)}
        ),
    ):
        ours, theirs = heard(dspex, run), heard(dspy, run)
        assert [entry[:2] for entry in ours] == [entry[:2] for entry in theirs]
