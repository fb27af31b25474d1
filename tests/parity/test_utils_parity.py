"""What users import from ``dspy.utils`` behaves as DSPy's does."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import pkgutil
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import dspex

dspy = pytest.importorskip("dspy")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

OURS: Any = dspex
BOTH = (OURS, dspy)
THEIR_OWN = {"asyncify", "syncify", "mcp", "langchain_tool", "saving", "pickle_by_value"}
"""Modules that other tests compare."""


def module(library: Any, name: str) -> Any:
    return importlib.import_module(f"{library.__name__}.utils.{name}")


def public_names(name: str) -> list[str]:
    theirs = module(dspy, name)
    made = [key for key, value in vars(theirs).items() if getattr(value, "__module__", None) == theirs.__name__]
    constants = [key for key in vars(theirs) if key.isupper() and len(key) > 1]
    return [key for key in (*made, *constants) if not key.startswith("_")]


MODULES = [found.name for found in pkgutil.iter_modules(importlib.import_module("dspy.utils").__path__)]


@pytest.mark.parametrize("name", [name for name in MODULES if name not in THEIR_OWN])
def test_public_names_and_their_arguments_are_there(name: str) -> None:
    foreign = {"FIRST_COMPLETED", "TYPE_CHECKING", "P", "R"}
    for key in set(public_names(name)) - foreign:
        ours, theirs = getattr(module(OURS, name), key), getattr(module(dspy, name), key)
        if callable(theirs) and key != "ContextWindowExceededError":  # ours takes the message by position too
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), key


# DummyLM


def said(library: Any, lm: Any, *calls: dict[str, Any]) -> list[Any]:
    with library.context(lm=lm):
        predict = library.Predict("question -> answer, score: int")
        predict.demos = [library.Example(question="what is it?", answer="it", score=7)]
        found = [predict(**call) for call in calls]
    return [[dict(one.items()) for one in found], [each["outputs"] for each in lm.history]]


SCRIPTS: dict[str, Any] = {
    "list": {"answers": [{"answer": "a", "score": 1}, {"answer": "b\nc", "score": 2}]},
    "dict": {"answers": {"it": {"answer": "a", "score": 1}, "question": {"answer": "b", "score": 2}}},
    "demos": {"answers": [{"answer": "a", "score": 1}], "follow_examples": True},
    "reasoning": {"answers": [{"answer": "a", "score": 1}] * 2, "reasoning": True},
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripted_answers_are_the_same(script: str) -> None:
    calls = ({"question": "what is it?"}, {"question": "what is it?"})
    ours, theirs = (said(each, module(each, "dummies").DummyLM(**SCRIPTS[script]), *calls) for each in BOTH)
    assert ours == theirs


@pytest.mark.parametrize("adapter", ["ChatAdapter", "JSONAdapter", "XMLAdapter"])
def test_scripted_answers_are_written_alike(adapter: str) -> None:
    answers = [{"answer": "a", "items": [1, "é"], "none": None}]
    ours, theirs = (
        module(each, "dummies").DummyLM(list(answers), adapter=getattr(each, adapter)())("?") for each in BOTH
    )
    assert ours == theirs


def test_retriever_and_vectors_are_the_same() -> None:
    passages = ["the sky is blue", "grass is green", "the sea is deep and blue", "é"]
    ours, theirs = (
        [[p.long_text for p in module(each, "dummies").dummy_rm(passages)(q, k=3)] for q in ("blue", "gras", "")]
        for each in BOTH
    )
    assert ours == theirs
    ours, theirs = (module(each, "dummies").DummyVectorizer(n_gram=3)(passages).tolist() for each in BOTH)
    assert np.array(ours) == pytest.approx(np.array(theirs))


# Errors

ERRORS = [name for name in public_names("exceptions") if name.endswith("Error") and name not in ("AdapterParseError",)]


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_the_same_and_descend_alike(name: str) -> None:
    ours, theirs = (getattr(module(each, "exceptions"), name) for each in BOTH)
    for arguments in ({}, {"message": "m"}, {"message": "m", "model": "x", "status": 500, "code": "c"}):
        one, other = ours(**arguments), theirs(**arguments)
        assert str(one) == str(other)
        facts = {key: value for key, value in vars(other).items() if not key.startswith("_")}
        assert {key: getattr(one, key) for key in facts} == facts
    ancestors = [kind.__name__ for kind in theirs.__mro__]
    assert [kind.__name__ for kind in ours.__mro__ if kind.__name__ in ancestors] == ancestors
    assert hasattr(OURS, name) == hasattr(dspy, name)


@pytest.mark.parametrize("name", ERRORS)
def test_the_same_errors_are_retryable(name: str) -> None:
    ours, theirs = (
        module(each, "exceptions").is_retryable_lm_error(getattr(module(each, "exceptions"), name)()) for each in BOTH
    )
    assert ours == theirs


@pytest.mark.parametrize("more", [{}, {"message": "why"}, {"parsed_result": {"b": 1}}])
def test_error_of_parsing_says_the_same(more: dict[str, Any]) -> None:
    ours, theirs = (str(each.AdapterParseError("X", each.Signature("q -> a, b"), "said", **more)) for each in BOTH)
    assert ours == theirs


# Usage


USAGES: list[list[dict[str, Any]]] = [
    [],
    [{}],
    [{"a": 1, "d": {"x": 1, "n": None}, "flag": True, "s": "x", "none": None}],
    [
        {"a": 1, "d": {"x": 1, "n": None}, "flag": True},
        {"a": 2, "d": {"x": 2, "n": 3, "z": 4}, "flag": False, "s": "y"},
    ],
    [{"a": 1, "d": None}, {"a": None, "d": {"x": 1}}, {"a": 5, "d": None, "w": None, "e": {"k": None}}],
]


@pytest.mark.parametrize("entries", USAGES)
def test_usage_adds_up_alike(entries: list[dict[str, Any]]) -> None:
    totals = []
    for each in BOTH:
        tracker = module(each, "usage_tracker").UsageTracker()
        for entry in entries:
            tracker.add_usage("m", entry)
        totals.append((tracker.get_total_tokens(), dict(tracker.usage_data)))
    assert totals[0] == totals[1]


# History

CALLS = [
    {"function": {"name": "f", "arguments": '{"a": 1, "é": "ü"}'}},
    {"name": "g", "args": {"x": 2}},
    {"function": {"arguments": "not json"}},
    {"function": {"name": "h", "arguments": "[1, 2]"}},
]
PARTS = [
    {"type": "text", "text": " t "},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    {"type": "image_url", "image_url": {"url": "http://x/y.png"}},
    {"type": "input_audio", "input_audio": {"format": "wav", "data": "abc"}},
    {"type": "file", "file": {"filename": "n", "file_id": "i", "file_data": "dd"}},
    {"type": "input_file", "input_file": {}},
]
MESSAGES = [
    {"role": "system", "content": " s "},
    {"role": "user", "content": PARTS},
    {"role": "assistant", "content": None, "tool_calls": CALLS},
    {"role": "tool", "content": "r"},
]
HISTORY = [
    {"prompt": "hi", "messages": None, "outputs": [" a "], "timestamp": "T"},
    {"prompt": None, "messages": MESSAGES, "outputs": ["x", "y", "z"]},
    {"prompt": "hi", "messages": [], "outputs": [{"text": " a\nb ", "tool_calls": CALLS}], "timestamp": "T"},
    {"prompt": "hi", "messages": [], "outputs": [{"text": None, "tool_calls": CALLS}, "x"], "timestamp": "T"},
]


@pytest.mark.parametrize("colours", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
def test_history_is_printed_to_the_byte(n: int, colours: bool) -> None:
    printed = []
    for each in BOTH:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            module(each, "inspect_history").pretty_print_history(HISTORY, n, file=None if colours else out)
        printed.append(out.getvalue())
    assert printed[0] == printed[1]


# Callbacks


def heard(library: Any) -> list[Any]:
    """Kind, class, names of the inputs and depth of every call of a small program, of a user's class and a failure."""
    callback = module(library, "callback")
    depth: dict[str | None, int] = {None: 0}
    events: list[Any] = []

    class Recorder(callback.BaseCallback):  # type: ignore[misc]
        pass

    def hooks(kind: str) -> None:
        def start(self: Any, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            depth[call_id] = depth[callback.ACTIVE_CALL_ID.get()] + 1
            events.append((kind, type(instance).__name__, sorted(inputs), depth[call_id]))

        def end(self: Any, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
            events.append((kind, "end", depth[call_id], outputs is None, type(exception).__name__))

        setattr(Recorder, f"on_{kind}_start", start)
        setattr(Recorder, f"on_{kind}_end", end)

    for kind in ("module", "lm", "adapter_format", "adapter_parse", "tool", "evaluate", "compile"):
        hooks(kind)

    class Program(library.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.think = library.ChainOfThought("question -> answer")

        def forward(self, question: str) -> Any:
            if question == "fail":
                raise ValueError(question)
            return self.think(question=question)

    class Plain:
        callbacks: list[Any] = []

        @callback.with_callbacks  # type: ignore[untyped-decorator]
        def run(self, x: int, *rest: int, y: int = 0, **more: Any) -> None: ...

    lm = module(library, "dummies").DummyLM([{"reasoning": "r", "answer": "a"}] * 20)
    data = [library.Example(question="q", answer="a").with_inputs("question")]
    with library.context(lm=lm, callbacks=[Recorder()]):
        Program()(question="q")
        with contextlib.suppress(ValueError):
            Program()(question="fail")
        Plain().run(1, 2, z=3)
        library.Tool(lambda x: x, name="t", args={"x": {"type": "integer"}})(x=1)
        library.LabeledFewShot(k=1).compile(Program(), trainset=data)
        library.Evaluate(devset=data, metric=lambda *_: True, num_threads=1, display_progress=False)(Program())
    return events


def test_callbacks_hear_the_same() -> None:
    assert heard(OURS) == heard(dspy)


# Small things


PATHS = ["a", "a.b", "a.c[0]", "a.c[-1].d", "a.e['k'].d", "a.e['no']", "a.c[9]", "a.b()", "nothing", ""]


@pytest.mark.parametrize("path", PATHS)
def test_paths_lead_to_the_same(path: str) -> None:
    inner = SimpleNamespace(d=5)
    root = SimpleNamespace(a=SimpleNamespace(b=1, c=[2, inner], e={"k": inner}))
    found = []
    for each in BOTH:
        try:
            found.append(module(each, "magicattr").get(root, path))
        except Exception as error:  # noqa: BLE001 - what it is, is compared
            found.append(type(error))
    assert found[0] == found[1]


def documented() -> None:
    """One line."""


def indented() -> None:
    """Some lines,

    one more.
    """


@pytest.mark.parametrize("doc", [documented.__doc__, indented.__doc__, None, ""])
@pytest.mark.parametrize("version", [None, "3.1"])
def test_experimental_writes_the_same(doc: str | None, version: str | None) -> None:
    written = []
    for each in BOTH:

        def function() -> None: ...

        function.__doc__ = doc
        marked = module(each, "annotation").experimental(version=version)(function)
        prop = module(each, "annotation").experimental(property(lambda self: 1, doc=doc), version)
        written.append((marked.__doc__, prop.__doc__))
    assert written[0] == written[1]


def test_digests_are_the_same() -> None:
    for value in ({"a": [1, "é", None]}, (1, 2.5), "text"):
        running = []
        for each in BOTH:
            hasher = module(each, "hasher").Hasher()
            hasher.update(value)
            running.append((hasher.hexdigest(), module(each, "hasher").Hasher.hash(value)))
        assert running[0] == running[1]


@pytest.mark.parametrize(
    "request_",
    [
        {"a": 1, "b": {"d": [1], "c": None}},
        {"model": "m", "messages": [{"role": "user", "content": "é"}], "api_key": "k"},
    ],
)
def test_cache_keys_are_the_same(request_: dict[str, Any]) -> None:
    caches = (each.clients.cache.Cache(False, True, None) for each in BOTH)
    ours, theirs = (cache.cache_key(request_, ["api_key"]) for cache in caches)
    assert ours == theirs
