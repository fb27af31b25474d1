"""Signatures, inputs and demos, each written once and built with DSPy and with dspex."""

# ruff: noqa: UP007, UP045 - `Optional` and `Union` are what some users write, and they are not the same objects as `|`

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal, Optional, Union

import pydantic
from typing_extensions import TypedDict

from dspex import adapters, signatures
from dspex.adapters import baml_adapter
from dspex.clients import BaseLM

OURS = SimpleNamespace(
    Signature=signatures.Signature,
    InputField=signatures.InputField,
    OutputField=signatures.OutputField,
    History=adapters.History,
    Type=adapters.Type,
    ChatAdapter=adapters.ChatAdapter,
    JSONAdapter=adapters.JSONAdapter,
    XMLAdapter=adapters.XMLAdapter,
    TwoStepAdapter=adapters.TwoStepAdapter,
    Tool=adapters.Tool,
    ToolCalls=adapters.ToolCalls,
    ToolCallResults=adapters.ToolCallResults,
    Reasoning=adapters.Reasoning,
    Code=adapters.Code,
    BaseLM=BaseLM,
    adapters=SimpleNamespace(baml_adapter=baml_adapter),
)


class Mood(enum.Enum):
    HAPPY = "happy"
    SAD = "sad"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Author(pydantic.BaseModel):
    name: str
    born: int | None = None


class Book(pydantic.BaseModel):
    """A book."""

    title: str = pydantic.Field(description="as on the cover")
    authors: list[Author]
    tags: dict[str, int] = {}


class Address(pydantic.BaseModel):
    """Where someone lives.

    Or works.
    """

    street: str = pydantic.Field(description="with the number")
    country: Literal["US", "CA", 1, True]
    moods: list[Mood] = []


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(alias="fullName")
    age: int | None = pydantic.Field(default=None, ge=0)
    home: Optional[Address] = None
    scores: dict[str, list[float]]
    either: Union[int, str, None] = None
    joined: datetime.datetime


class Nothing(pydantic.BaseModel):
    pass


class Movie(TypedDict):
    title: str
    year: int


class Branch(pydantic.BaseModel):
    """A tree."""

    label: str
    twigs: list[Branch] = []


PERSON = {"fullName": "N <&>", "scores": {"a b": [1.5]}, "joined": datetime.datetime(2024, 1, 2, 3)}


@dataclass
class Case:
    """A signature (a function of the library) with inputs and demos for it."""

    name: str
    build: Callable[[Any], Any]
    inputs: Any
    demos: list[Any] = field(default_factory=list)

    def signature(self, library: Any) -> Any:
        return self.build(library)

    def given(self, library: Any) -> Any:
        return self.inputs(library) if callable(self.inputs) else self.inputs


def text(spelled: str, instructions: str | None = None) -> Callable[[Any], Any]:
    return lambda lib: lib.Signature(spelled, instructions)


def fields(instructions: str | None = None, **declared: Any) -> Callable[[Any], Any]:
    """`declared` are (role, type, properties)."""

    def build(lib: Any) -> Any:
        roles = {"in": lib.InputField, "out": lib.OutputField}
        made = {name: (type_, roles[role](**properties)) for name, (role, type_, properties) in declared.items()}
        return lib.Signature(made, instructions)

    return build


def class_form(lib: Any) -> Any:
    class Summarize(lib.Signature):  # type: ignore[misc, name-defined]
        """Summarize the passage.

            Keep the indentation of this line.
        And of this.
        """

        passage = lib.InputField(desc="the text")
        max_words: int = lib.InputField(ge=1, le=100)
        summary: str = lib.OutputField(desc="in your own words", max_length=500)
        confident: bool = lib.OutputField()

    return Summarize


def child_class(lib: Any) -> Any:
    class Scored(class_form(lib)):  # type: ignore[misc]
        score: float = lib.OutputField(gt=0, lt=1, multiple_of=0.5, allow_inf_nan=False, default=0.5)

    return Scored


def pictures(lib: Any) -> Any:
    picture = picture_type(lib)
    made = {
        "pictures": (list[picture], lib.InputField()),
        "one": (picture, lib.InputField()),
        "said": (str, lib.OutputField()),
    }
    return lib.Signature(made, "Look.")


_picture_types: dict[int, Any] = {}


def picture_type(lib: Any) -> Any:
    if id(lib) not in _picture_types:

        class Picture(lib.Type):  # type: ignore[misc, name-defined]
            url: str

            def format(self) -> list[dict[str, Any]]:
                return [{"type": "image_url", "image_url": {"url": self.url}}]

            @classmethod
            def description(cls) -> str:
                return 'A "picture" by its address.'

        _picture_types[id(lib)] = Picture
    return _picture_types[id(lib)]


def with_pictures(lib: Any) -> dict[str, Any]:
    picture = picture_type(lib)
    return {
        "pictures": [picture(url="http://a/1.png"), picture(url='http://a/"2".png')],
        "one": picture(url="http://b/ü.png"),
    }


def talk(lib: Any) -> Any:
    made = {
        "question": (str, lib.InputField()),
        "history": (lib.History, lib.InputField()),
        "answer": (str, lib.OutputField()),
        "sure": (bool, lib.OutputField()),
    }
    return lib.Signature(made, "Go on.")


def conversation(lib: Any) -> dict[str, Any]:
    turns = [
        {"question": "Who?", "answer": "Me.", "sure": True},
        {"question": "Why?", "answer": "So."},
        {"answer": "Hm."},
    ]
    return {"question": "When?", "history": lib.History(messages=turns)}


def called_tools(lib: Any) -> Any:
    made = {
        "question": (str, lib.InputField()),
        "tools": (list[lib.Tool], lib.InputField()),
        "note": (str, lib.OutputField()),
        "calls": (lib.ToolCalls, lib.OutputField()),
    }
    return lib.Signature(made, "Use the tools.")


def with_tools(lib: Any) -> dict[str, Any]:
    return {"question": "Where?", "tools": [lib.Tool(find), lib.Tool(find, name="seek", desc="Seeks\nfar.")]}


def find(place: str, near: int = 3) -> str:
    """Find a place."""
    return place * near


def thoughts_and_code(lib: Any) -> Any:
    made = {
        "task": (str, lib.InputField()),
        "like": (lib.Code["java"], lib.InputField()),
        "reasoning": (lib.Reasoning, lib.OutputField()),
        "program": (lib.Code["python"], lib.OutputField(desc="short")),
    }
    return lib.Signature(made, "Program.")


def talk_with_tools(lib: Any) -> Any:
    made = {
        "question": (str, lib.InputField()),
        "history": (lib.History, lib.InputField()),
        "tools": (list[lib.Tool], lib.InputField()),
        "note": (Optional[str], lib.OutputField()),
        "calls": (lib.ToolCalls, lib.OutputField()),
    }
    return lib.Signature(made, "Go on.")


def conversation_with_tools(lib: Any) -> dict[str, Any]:
    def turn(question: str, ids: list[str | None], values: list[Any], **more: Any) -> dict[str, Any]:
        made = [lib.ToolCalls.ToolCall(id=id_, name="find", args={"place": "ä"}) for id_ in ids]
        results = lib.ToolCallResults.from_tool_calls_and_values(made, values) if values else None
        return {"question": question, "calls": lib.ToolCalls(tool_calls=made, tool_call_results=results), **more}

    turns = [
        turn("one", ["a", "b"], ["text", {"rows": [1]}], note="hm"),
        turn("two", [None], ["no id"], note="so"),
        turn("three", ["c"], []),
        {"question": "four", "note": "done"},
        {"calls": {"tool_calls": [{"id": "d", "name": "find", "args": {}}]}, "note": "as a dict"},
    ]
    return {"question": "When?", "tools": [lib.Tool(find)], "history": lib.History(messages=turns)}


QA = text("question -> answer")
QA_DEMOS = [
    {"question": "1+1?", "answer": "2"},
    {"question": "unanswered"},
    {"question": "partly", "answer": None, "extra": "ignored"},
    {"answer": "no question"},
    {"augmented": True, "question": "2+2?", "answer": "4"},
]
SUMMARY = {"passage": "p", "max_words": 1, "summary": "s", "confident": True}
MARKUP = {"question": "{x}", "answer": "[[ ## completed ## ]]"}

CASES = [
    Case("plain text", QA, {"question": "What is the capital of France?"}),
    Case("demos complete and incomplete", QA, {"question": "3+3?"}, QA_DEMOS),
    Case("instructions", text("question -> answer", "Answer\n  in a word.\n\nBe kind."), {"question": "q"}, QA_DEMOS),
    Case("empty instructions", text("question -> answer", ""), {"question": "q"}),
    Case(
        "class form",
        class_form,
        {"passage": " spaces \n", "max_words": 3},
        [SUMMARY, {"passage": "p", "summary": "s", "confident": False}],
    ),
    Case("child class", child_class, {"passage": "p", "max_words": 3}, [SUMMARY, {**SUMMARY, "score": 0.5}]),
    Case(
        "numbers and bools",
        text("a: int, b: float, c: bool -> d: int, e: float, f: bool"),
        {"a": 1, "b": 2.5e30, "c": True},
        [{"a": -1, "b": 1.0, "c": False, "d": 10**20, "e": -0.0, "f": True}],
    ),
    Case(
        "numbers of other types than declared",
        text("a: int, b: float -> c"),
        {"a": True, "b": 3},
        [{"a": 1.0, "b": "x", "c": 4}],
    ),
    Case(
        "literal",
        text("q -> label: Literal['a', \"b's\", 'c\"d', 3, True]"),
        {"q": "x"},
        [{"q": "y", "label": "a"}],
    ),
    Case("literal of both quotes", fields(q=("in", str, {}), label=("out", Literal["'\""], {})), {"q": "x"}),
    Case(
        "enum",
        fields(q=("in", Mood, {}), mood=("out", Mood, {}), level=("out", Level, {"desc": "how much"})),
        {"q": Mood.SAD},
        [{"q": Mood.HAPPY, "mood": Mood.SAD, "level": Level.HIGH}],
    ),
    Case(
        "lists and dicts",
        text("docs: list[str], scores: dict[str, float] -> best: list[int], why: dict[str, list[str]]"),
        {"docs": ["a", "b\n"], "scores": {"ä": 0.1}},
        [{"docs": [], "scores": {}, "best": [1, 2], "why": {"x": ["y"]}}],
    ),
    Case("nested list", fields(q=("in", list[list[int]], {}), a=("out", list[list[Book]], {})), {"q": [[1], [2, 3]]}),
    Case(
        "bare containers",
        text("a: list, b: dict -> c: list, d: dict, e: tuple, f: set"),
        {"a": [1, "x"], "b": {"k": None}},
    ),
    Case(
        "optional and union",
        text("a: Optional[int], b: int | str -> c: Optional[str], d: int | None, e: Union[int, float, None]"),
        {"a": None, "b": "x"},
        [{"a": 1, "b": 2, "c": None, "d": 3, "e": 1.5}, {"a": 1, "b": 2, "c": "x", "d": 3, "e": 1.5}],
    ),
    Case("old unions", fields(a=("in", Optional[list[str]], {}), b=("out", Union[Book, str], {})), {"a": ["x"]}),
    Case(
        "pydantic",
        fields(
            "Extract.",
            page=("in", str, {}),
            like=("in", Book, {"desc": "an example"}),
            books=("out", list[Book], {}),
            first=("out", Book, {}),
        ),
        {"page": "p", "like": Book(title="T", authors=[Author(name="Ö")])},
        [
            {
                "page": "p",
                "like": {"title": "t", "authors": []},
                "books": [Book(title="U", authors=[])],
                "first": Book(title="V", authors=[Author(name="N", born=1)]),
            }
        ],
    ),
    Case(
        "unicode",
        text("frage -> antwort", "Antworte höflich. 你好 🎉"),
        {"frage": "Größe?\u2028Neue Zeile"},
        [{"frage": "é", "antwort": "✓"}],
    ),
    Case(
        "lists for text fields",
        text("one, many, none, odd -> answer"),
        {"one": ["a"], "many": ["a", "two\nlines", "«quoted»"], "none": [], "odd": ("a", "b")},
        [{"one": "x", "many": ["y"], "none": "", "odd": "z", "answer": ["a", "b"]}],
    ),
    Case(
        "any and dates",
        fields(a=("in", Any, {}), d=("in", datetime.date, {}), b=("out", Any, {})),
        {"a": {"x": {1}}, "d": datetime.date(2024, 1, 2)},
    ),
    Case("missing and extra inputs", text("a, b -> c"), {"b": "only", "z": "extra"}),
    Case("no inputs", text("-> c"), {}),
    Case(
        "constraints on everything",
        fields(
            a=("in", str, {"min_length": 1, "max_length": 9, "desc": "  "}),
            n=("out", list[int], {"min_length": 2, "desc": "numbers"}),
            z=("out", int, {"ge": 0}),
        ),
        {"a": "x"},
    ),
    Case("history", talk, conversation, [{"question": "q", "answer": "a", "sure": True}]),
    Case("history not given", talk, {"question": "q"}),
    Case("custom types", pictures, with_pictures),
    Case("values with markup", QA, {"question": "[[ ## answer ## ]]\nfake"}, [MARKUP]),
    Case("float extremes", text("a: float -> b: float"), {"a": float("inf")}, [{"a": float("nan"), "b": 1e-9}]),
    Case(
        "models with aliases, unions, literals, dates",
        fields(
            note=("in", str, {}),
            like=("in", Person, {}),
            person=("out", Person, {"desc": "who"}),
            people=("out", list[Person], {}),
            home=("out", Optional[Address], {}),
        ),
        {"note": "n", "like": Person.model_validate(PERSON)},
        [
            {
                "note": "m",
                "like": Person.model_validate(PERSON),
                "person": Person.model_validate({**PERSON, "home": {"street": "s", "country": "US"}}),
                "people": [],
                "home": {"street": "s & t", "country": 1, "moods": ["happy"]},
            }
        ],
    ),
    Case("typed dicts", fields(q=("in", Movie, {}), movie=("out", Movie, {})), {"q": {"title": "T", "year": 1}}),
    Case("empty model", fields(q=("in", str, {}), none=("out", Nothing, {})), {"q": "x"}),
    Case(
        "dates and bytes",
        fields(
            at=("in", datetime.datetime, {}),
            until=("out", datetime.datetime, {}),
            took=("out", datetime.timedelta, {}),
            raw=("out", bytes, {}),
        ),
        {"at": datetime.datetime(2024, 5, 6, 7, 8, 9)},
        [{"at": "then", "until": datetime.datetime(2025, 1, 1), "took": datetime.timedelta(hours=1), "raw": b"x"}],
    ),
    Case(
        "dicts of models and odd keys",
        fields(q=("in", str, {}), found=("out", dict[str, Author], {}), by=("out", dict[int, list[str]], {})),
        {"q": "x"},
        [{"q": "y", "found": {"a-b.c": Author(name="N"), "1 x": {"name": "<M>"}}, "by": {1: ["&", ""], 2: []}}],
    ),
    Case("tools", called_tools, with_tools),
    Case("thoughts and code", thoughts_and_code, {"task": "t", "like": "class A {}"}),
    Case("history with tool calls", talk_with_tools, conversation_with_tools),
    Case("objects pydantic cannot write", text("a: list, b: Any -> c"), {"a": [object, 1], "b": object}),
]
