"""What tests of DSPy's users hold on to: the phrases of messages, and mocks in the place of parts of the library."""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import dspy
import pytest

import dspex

LIBRARIES = pytest.mark.parametrize("library", [dspy, dspex], ids=["dspy", "dspex"])
ANSWER = "[[ ## answer ## ]]\nmocked\n\n[[ ## completed ## ]]"


def dummy(library: Any, *answers: dict[str, Any]) -> Any:
    from dspy.utils.dummies import DummyLM as Theirs

    from dspex.utils.dummies import DummyLM as Ours

    return (Ours if library is dspex else Theirs)(list(answers))


def _two_lms(library: Any) -> Any:
    class Two(library.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = library.Predict("q -> a"), library.Predict("q -> b")

    program = Two()
    program.a.lm = dummy(library)
    return program.get_lm()


def _without_lm(library: Any) -> Any:
    with library.context(lm=None):
        return library.Predict("q -> a")(q="x")


def _lm_by_name(library: Any) -> Any:
    with library.context(lm="openai/gpt-4o-mini"):
        return library.Predict("q -> a")(q="x")


async def _slow(x: int) -> int:
    return x


def _shortest_trajectory(library: Any) -> Any:
    return library.ReAct("q -> a", tools=[]).truncate_trajectory(dict.fromkeys("abcd", 1))


def _foreign_lm(library: Any, path: str, allow: bool) -> Any:
    return library.BaseLM.load_state({"model": "m", "_dspy_lm_class": path}, allow_custom_lm_class=allow)


PHRASES: list[tuple[Callable[[Any], Any], str]] = [
    (lambda lib: lib.Signature("a"), "Invalid signature format: 'a', must contain exactly one '->'."),
    (
        lambda lib: lib.Signature("a, b -> b, a"),
        "Input and output fields must have distinct names, but found duplicates: 'a, b'.",
    ),
    (lambda lib: lib.Signature("a: f(x) -> b"), "Failed to parse string-base Signature"),
    (lambda lib: lib.Signature("a: f(x) -> b"), "Please consider using class-based DSPy Signatures instead."),
    (
        lambda lib: lib.Example(a=1).inputs(),
        "Inputs have not been set for this example. Use `example.with_inputs()` to set them",
    ),
    (_two_lms, "Multiple LMs are being used in the module. There's no unique LM to return"),
    (
        lambda lib: lib.Predict("q -> a")("x"),
        "Positional arguments are not allowed when calling `dspy.Predict`, must use keyword arguments",
    ),
    (_without_lm, "No LM is loaded. Please configure the LM using `dspy.configure(lm=dspy.LM(...))`."),
    (_lm_by_name, "LM must be an instance of `dspy.BaseLM`, not a string. Instead of using a string like"),
    (
        lambda lib: lib.Predict("q -> a").load(Path("x.pkl")),
        "Loading .pkl files can run arbitrary code, which may be dangerous.",
    ),
    (lambda lib: lib.load("folder"), "Loading with pickle is not allowed. Please set `allow_pickle=True`"),
    (
        lambda lib: lib.load_settings("x.pkl"),
        "Loading .pkl files can run arbitrary code, which may be dangerous. Set `allow_pickle=True`",
    ),
    (lambda lib: lib.Tool(_slow)(x=1), "You are calling `__call__` on an async tool, please use `acall` instead"),
    (_shortest_trajectory, "The trajectory is too long so your prompt exceeded the context window"),
    (
        lambda lib: lib.LM("openai/gpt-5", temperature=0.5),
        "reasoning models require passing temperature=1.0 or None and max_tokens >= 16000 or None",
    ),
    (lambda lib: _foreign_lm(lib, "foo.Bar", False), "Refusing to import custom serialized LM class `foo.Bar`."),
    (lambda lib: _foreign_lm(lib, "foo.Bar", True), "Could not import serialized LM class `foo.Bar`"),
    (lambda lib: _foreign_lm(lib, "json.dumps", True), "`json.dumps` did not resolve to a class."),
    (lambda lib: _foreign_lm(lib, "json.JSONEncoder", True), "must be a subclass of dspy.BaseLM."),
    (lambda lib: lib.Reasoning(content="x").nonsense, "If you are using `dspy.ChainOfThought`, note that the"),
]


@pytest.mark.parametrize(("call", "phrase"), PHRASES, ids=[phrase[:30] for _, phrase in PHRASES])
def test_messages_hold_dspys_phrase(call: Callable[[Any], Any], phrase: str) -> None:
    with pytest.raises(Exception) as theirs:
        call(dspy)
    assert phrase in str(theirs.value)
    with pytest.raises(type(theirs.value) if type(theirs.value).__module__ == "builtins" else Exception) as ours:
        call(dspex)
    assert phrase in str(ours.value)


@LIBRARIES
def test_another_thread_may_not_configure(library: Any) -> None:
    said: list[str] = []

    def configure() -> None:
        try:
            library.configure(adapter=None)
        except RuntimeError as error:
            said.append(str(error))

    library.configure(adapter=None)
    thread = threading.Thread(target=configure)
    thread.start()
    thread.join()
    assert said[0].startswith("dspy.settings can only be changed by the thread that initially configured it.")


@LIBRARIES
def test_settings_are_one_object(library: Any) -> None:
    home = importlib.import_module(f"{library.__name__}.dsp.utils.settings")
    assert home.Settings() is home.settings


@LIBRARIES
@pytest.mark.parametrize("form", ["start", "end"])
def test_a_callback_that_fails_is_warned_of(library: Any, form: str) -> None:
    class Failing(library.utils.BaseCallback):  # type: ignore[misc]
        def _fail(self, *args: Any, **kwargs: Any) -> None:
            raise ValueError("callback failed")

    setattr(Failing, f"on_module_{form}", Failing._fail)
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger(library.__name__)
    logger.addHandler(handler)
    try:
        with library.context(lm=dummy(library, {"answer": "x"}), callbacks=[Failing()]):
            assert library.Predict("q -> answer")(q="1").answer == "x"
    finally:
        logger.removeHandler(handler)
    phrase = "Error when calling callback" if form == "start" else "'s end handler"
    assert phrase in said[0]
    assert "callback failed" in said[0]


@LIBRARIES
@pytest.mark.parametrize("replaced", [None, "sync", "async"])
def test_a_mock_answers_the_fallback(library: Any, replaced: str | None) -> None:
    adapter = library.JSONAdapter
    name = "acall" if replaced == "async" else "__call__"
    program = library.Predict("q -> answer")
    with library.context(lm=dummy(library, {"other": "x"}, {"other": "x"})):
        if replaced is None:
            with pytest.raises(library.AdapterParseError):
                program(q="1")
            return
        with mock.patch.object(adapter, name, return_value=[{"answer": "mocked"}]) as mocked:
            found = asyncio.run(program.acall(q="1")) if replaced == "async" else program(q="1")
    assert found.answer == "mocked"
    assert mocked.call_count == 1


@LIBRARIES
def test_a_mock_of_an_lms_call_is_seen_after_a_real_one(library: Any) -> None:
    lm = dummy(library, {"answer": "real"}, {"answer": "real"})
    program = library.Predict("q -> answer")
    with library.context(lm=lm):
        assert program(q="1").answer == "real"
        with mock.patch.object(type(lm), "__call__", return_value=[ANSWER]) as mocked:
            assert program(q="1").answer == "mocked"
        assert program(q="1").answer == "real"
    assert set(mocked.call_args.kwargs) == {"messages"}


@LIBRARIES
@pytest.mark.parametrize("name", ["__call__", "acall"])
def test_adapters_are_called_by_keyword(library: Any, name: str) -> None:
    with (
        mock.patch.object(library.ChatAdapter, name, return_value=[{"answer": "x"}]) as mocked,
        library.context(lm=dummy(library)),
    ):
        program = library.Predict("q -> answer")
        found = asyncio.run(program.acall(q="1")) if name == "acall" else program(q="1")
    assert found.answer == "x"
    assert set(mocked.call_args.kwargs) == {"lm_kwargs", "signature", "demos", "inputs"}
    assert mocked.call_args.kwargs["inputs"] == {"q": "1"}


@LIBRARIES
@pytest.mark.parametrize("answer", [True, False])
def test_litellm_says_what_its_models_can(library: Any, answer: bool) -> None:
    lm = library.LM("anthropic/claude-sonnet-4-20250514", engine="litellm")
    with (
        mock.patch("litellm.supports_function_calling", return_value=answer),
        mock.patch("litellm.supports_reasoning", return_value=answer),
        mock.patch("litellm.supports_response_schema", return_value=answer),
        mock.patch("litellm.get_supported_openai_params", return_value=["tools", "response_format"]),
    ):
        assert (lm.supports_function_calling, lm.supports_reasoning, lm.supports_response_schema) == (answer,) * 3
        assert lm.supported_params == {"tools", "response_format"}


@LIBRARIES
@pytest.mark.parametrize("given", [{"q": "x"}, {}, {"q": 1, "more": 2}], ids=["type", "missing", "extra"])
def test_a_mock_in_the_place_of_the_logger_hears_of_inputs(library: Any, given: dict[str, Any]) -> None:
    home = importlib.import_module(f"{library.__name__}.predict.predict")
    with mock.patch.object(home, "logger") as logger, library.context(lm=dummy(library, {"answer": "x"})):
        library.Predict("q: int -> answer")(**given)
    assert logger.warning.call_count == 1


@LIBRARIES
def test_a_state_without_signature_is_a_key_error(library: Any) -> None:
    with pytest.raises(KeyError, match="signature"):
        library.Predict("q -> a").load_state({"demos": [], "lm": None})
