"""Messages with pictures, recordings, files, documents, code and tools in them are DSPy's, byte for byte."""

from __future__ import annotations

import datetime
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest

import dspex

dspy = pytest.importorskip("dspy")
pytest.importorskip("dspy.adapters.baml_adapter")
importlib.import_module("dspex.adapters.baml_adapter")
pytestmark = pytest.mark.parity

PNG = "data:image/png;base64,iVBORw0KGgo="
WAV = "data:audio/wav;base64,AAAA"


def library(package: Any) -> SimpleNamespace:
    """A library, with the names that it keeps in other places."""
    experimental = importlib.import_module(f"{package.__name__}.experimental")
    types = importlib.import_module(f"{package.__name__}.adapters.types")
    return SimpleNamespace(
        package=package,
        Signature=package.Signature,
        InputField=package.InputField,
        OutputField=package.OutputField,
        Document=experimental.Document,
        Citations=experimental.Citations,
        **{name: getattr(types, name) for name in types.__all__},
    )


THEIRS, OURS = library(dspy), library(dspex)


class Filter(pydantic.BaseModel):
    field: str
    among: list[str] = []


def search(query: str, filters: list[Filter] | None = None, top: int = 3) -> list[str]:
    """Search the archive.

    Returns titles.
    """
    return [query] * top


def today() -> datetime.date:
    return datetime.date(2020, 1, 1)


class Case(pydantic.BaseModel):
    """One signature by its types, and values for its inputs and for the fields of demos."""

    name: str
    inputs: Callable[[Any], dict[str, Any]]
    outputs: Callable[[Any], dict[str, Any]] = lambda t: {"answer": str}
    given: Callable[[Any], dict[str, Any]]
    demos: Callable[[Any], list[dict[str, Any]]] = lambda t: []

    def signature(self, t: Any) -> Any:
        inputs = {name: (kind, t.InputField()) for name, kind in self.inputs(t).items()}
        outputs = {name: (kind, t.OutputField()) for name, kind in self.outputs(t).items()}
        return t.Signature({**inputs, **outputs}, "Do it.")


def holder(t: Any) -> Any:
    """A model with pictures in it."""
    return pydantic.create_model(
        "Page", text=(str, ...), picture=(t.Image, ...), more=(list[t.Image], []), by_name=(dict[str, t.Image], {})
    )


def page(t: Any) -> Any:
    first, second = t.Image(PNG), t.Image("https://example.com/ä.png")
    return holder(t)(text='a "quoted" text', picture=first, more=[first, second], by_name={"x y": second})


CASES = [
    Case(
        name="picture",
        inputs=lambda t: {"question": str, "picture": t.Image},
        given=lambda t: {"question": "What?", "picture": t.Image(PNG)},
        demos=lambda t: [
            {"question": "q", "picture": t.Image("https://example.com/b.png"), "answer": "a cat"},
            {"picture": t.Image(PNG), "answer": "no question"},
        ],
    ),
    Case(
        name="picture in the middle",
        inputs=lambda t: {"picture": t.Image, "question": str},
        given=lambda t: {"question": "What?", "picture": t.Image(PNG)},
    ),
    Case(
        name="picture not there",
        inputs=lambda t: {"picture": t.Image | None, "question": str},
        given=lambda t: {"question": "What?", "picture": None},
    ),
    Case(
        name="pictures in a list",
        inputs=lambda t: {"pictures": list[t.Image]},
        given=lambda t: {"pictures": [t.Image(PNG), t.Image("https://example.com/b.png")]},
        demos=lambda t: [{"pictures": [t.Image(PNG)], "answer": "one"}, {"pictures": [], "answer": "none"}],
    ),
    Case(
        name="pictures in a dict",
        inputs=lambda t: {"pictures": dict[str, t.Image]},
        given=lambda t: {"pictures": {"front": t.Image(PNG), "back": t.Image('https://example.com/"b".png')}},
    ),
    Case(
        name="pictures deep inside",
        inputs=lambda t: {"pictures": dict[str, list[t.Image | None]]},
        given=lambda t: {"pictures": {"front": [t.Image(PNG), None]}},
    ),
    Case(
        name="pictures in a model",
        inputs=lambda t: {"page": holder(t)},
        given=lambda t: {"page": page(t)},
        demos=lambda t: [{"page": page(t), "answer": "a"}],
    ),
    Case(
        name="pictures in models in a list",
        inputs=lambda t: {"pages": list[holder(t)]},  # type: ignore[misc]
        given=lambda t: {"pages": [page(t), page(t)]},
    ),
    Case(
        name="picture as an output",
        inputs=lambda t: {"question": str},
        outputs=lambda t: {"answer": str, "code": t.Code["java"], "calls": list[t.ToolCalls]},
        given=lambda t: {"question": "q"},
        demos=lambda t: [{"question": "q", "answer": "a", "code": t.Code(code="x\ny"), "calls": []}],
    ),
    Case(
        name="recording and file",
        inputs=lambda t: {"talk": t.Audio, "paper": t.File, "others": list[t.File]},
        given=lambda t: {
            "talk": t.Audio(WAV),
            "paper": t.File(b"abc", filename='a "b".txt'),
            "others": [t.File.from_file_id("id-1"), t.File(b"")],
        },
        demos=lambda t: [{"talk": t.Audio(b"x", audio_format="mp3"), "answer": "music"}],
    ),
    Case(
        name="documents",
        inputs=lambda t: {"documents": list[t.Document], "one": t.Document},
        given=lambda t: {
            "documents": [t.Document(data='Water\n"boils".', title="Physics"), t.Document(data="x", context="c")],
            "one": t.Document(data="JVBE", media_type="application/pdf"),
        },
        demos=lambda t: [{"documents": [t.Document(data="x")], "one": t.Document(data="y"), "answer": "a"}],
    ),
    Case(
        name="code and reasoning",
        inputs=lambda t: {"code": t.Code["python"], "thought": t.Reasoning},
        outputs=lambda t: {"reasoning": t.Reasoning, "better": t.Code["rust"]},
        given=lambda t: {"code": t.Code(code="x = 1"), "thought": t.Reasoning(content="So")},
        demos=lambda t: [
            {"code": "x", "thought": "y", "reasoning": t.Reasoning(content="z"), "better": t.Code(code="fn")},
        ],
    ),
    Case(
        name="tools",
        inputs=lambda t: {"question": str, "tools": list[t.Tool], "one": t.Tool},
        outputs=lambda t: {"calls": t.ToolCalls},
        given=lambda t: {"question": "q", "tools": [t.Tool(search), t.Tool(today, desc="Now")], "one": t.Tool(today)},
        demos=lambda t: [
            {
                "question": "q",
                "tools": [],
                "one": t.Tool(today),
                "calls": t.ToolCalls.from_dict_list([{"name": "search", "args": {"query": "x", "top": 1}}]),
            },
        ],
    ),
    Case(
        name="results of tools",
        inputs=lambda t: {"question": str, "results": t.ToolCallResults},
        given=lambda t: {
            "question": "q",
            "results": t.ToolCallResults.from_tool_calls_and_values(
                t.ToolCalls.from_dict_list([{"id": "1", "name": "today", "args": {}}]), [today()]
            ),
        },
    ),
    Case(
        name="text given for types",
        inputs=lambda t: {"picture": t.Image, "code": t.Code},
        given=lambda t: {"picture": PNG, "code": "x = 1"},
    ),
    Case(
        name="pictures in a conversation",
        inputs=lambda t: {"picture": t.Image, "history": t.History},
        given=lambda t: {
            "picture": t.Image(PNG),
            "history": t.History(messages=[{"picture": t.Image("https://example.com/b.png"), "answer": "a"}]),
        },
    ),
    Case(
        name="a type of the user's own",
        inputs=lambda t: {"event": own_type(t), "events": list[own_type(t)]},  # type: ignore[misc]
        given=lambda t: {"event": own_type(t)(day="1"), "events": [own_type(t)(day="2"), own_type(t)(day="3")]},
    ),
]


def own_type(t: Any) -> Any:
    class Event(t.Type):  # type: ignore[misc]
        """Something that happens."""

        day: str

        def format(self) -> list[dict[str, Any]]:
            return [{"type": "text", "text": f"on {self.day}"}, {"type": "custom", "custom": {"day": self.day}}]

        @classmethod
        def description(cls) -> str:
            return "A day."

    return Event


ADAPTERS: dict[str, Callable[[Any], Any]] = {
    "chat": lambda package: package.ChatAdapter(),
    "json": lambda package: package.JSONAdapter(),
    "xml": lambda package: package.XMLAdapter(),
    "baml": lambda package: package.adapters.baml_adapter.BAMLAdapter(),
}
DIFFERENT = {("baml", "code and reasoning"): "DSPy tells the LM of its Reasoning class, with the docstring"}


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_messages_are_the_same(case: Case, adapter: str) -> None:
    theirs = ADAPTERS[adapter](dspy).format(case.signature(THEIRS), case.demos(THEIRS), case.given(THEIRS))
    ours = ADAPTERS[adapter](dspex).format(case.signature(OURS), case.demos(OURS), case.given(OURS))
    if (adapter, case.name) in DIFFERENT:
        assert list(ours) != theirs
    else:
        assert json.dumps(list(ours)) == json.dumps(theirs)


@pytest.mark.parametrize("case", [case for case in CASES if case.demos(OURS)], ids=lambda case: case.name)
def test_saved_demos_prompt_as_before(case: Case, tmp_path: Path) -> None:
    def messages(t: Any, predictor: Any) -> str:
        return json.dumps(list(t.package.ChatAdapter().format(predictor.signature, predictor.demos, case.given(t))))

    programs = {}
    for t in (OURS, THEIRS):
        program = programs[t.package.__name__] = t.package.Predict(case.signature(t))
        program.demos = [t.package.Example(**demo) for demo in case.demos(t)]
        program.save(tmp_path / f"{t.package.__name__}.json")
    before = messages(OURS, programs["dspex"])
    for saved_by in ("dspex", "dspy"):
        for t in (OURS, THEIRS):
            loaded = t.package.Predict(case.signature(t))
            loaded.load(tmp_path / f"{saved_by}.json")
            assert messages(t, loaded) == before, (saved_by, t.package.__name__)


def test_citations_that_the_lm_is_to_write_are_told_without_our_docstring() -> None:
    signature = OURS.Signature({"q": (str, OURS.InputField()), "cited": (OURS.Citations, OURS.OutputField())})
    told = dspex.ChatAdapter().format(signature, [], {"q": "x"})[0]["content"]
    assert OURS.Citations.description() in told
    assert "Anthropic" not in told
    theirs = THEIRS.Signature({"q": (str, THEIRS.InputField()), "cited": (THEIRS.Citations, THEIRS.OutputField())})
    assert "API_KEY" in dspy.ChatAdapter().format(theirs, [], {"q": "x"})[0]["content"]  # DSPy's docstring, whole


def test_splitting_messages_is_the_same() -> None:
    def split(package: Any, marked: str) -> Any:
        module = importlib.import_module(f"{package.__name__}.adapters.types.base_type")
        messages = [{"role": role, "content": marked} for role in ("system", "user", "assistant")]
        assert module.split_message_content_for_custom_types(messages) is messages
        return messages

    start, end = "<<CUSTOM-TYPE-START-IDENTIFIER>>", "<<CUSTOM-TYPE-END-IDENTIFIER>>"
    part = json.dumps([{"type": "text", "text": 'a "b" ä\n'}])
    for marked in (
        "plain",
        f"before {start}{part}{end} between {start}{part}{end} after",
        f"{start}{part}{end}",
        json.dumps({"x": f"{start}{part}{end}"}),
        f"{start}never ended",
    ):
        assert split(dspex, marked) == split(dspy, marked)
