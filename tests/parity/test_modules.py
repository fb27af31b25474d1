"""Modules, predictors and settings beside DSPy's: the same misuse is said in the same words, as code catches them."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import cloudpickle
import dspy
import pydantic
import pytest
from alike import model

import dspex
from dspex.settings import reset

LIBRARIES = [dspex, dspy]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    yield
    reset()


@contextmanager
def said(lib: Any, module: str) -> Iterator[list[str]]:
    """What the logger of `module` says meanwhile."""

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    lines: list[str] = []
    ear, logger = Ear(), logging.getLogger(f"{lib.__name__}.{module}")
    logger.addHandler(ear)
    try:
        yield lines
    finally:
        logger.removeHandler(ear)


class Person(pydantic.BaseModel):
    name: str


def typed(lib: Any, type_: Any) -> Any:
    return lib.Predict(lib.Signature({"given": (type_, lib.InputField()), "answer": (str, lib.OutputField())}, "Do."))


CALLS: dict[str, Callable[[Any], Any]] = {
    "missing": lambda lib: lib.Predict("question, context -> answer")(question="q"),
    "all missing": lambda lib: lib.Predict("question, context -> answer")(),
    "extra": lambda lib: lib.Predict("question -> answer")(question="q", hint="h", other=1),
    "both": lambda lib: lib.Predict("question, context -> answer")(question="q", hint="h"),
    "int": lambda lib: typed(lib, int)(given="x"),
    "list": lambda lib: typed(lib, list[int])(given=[1, "2"]),
    "dict": lambda lib: typed(lib, dict[str, int])(given={"a": "b"}),
    "tuple": lambda lib: typed(lib, tuple[int, ...])(given=("a",)),
    "literal": lambda lib: typed(lib, Literal["a", "b"])(given="c"),
    "model": lambda lib: typed(lib, Person)(given={"name": "n"}),
    "optional": lambda lib: typed(lib, int | None)(),
    "list for str": lambda lib: typed(lib, str)(given=["a", "b"]),
    "none": lambda lib: typed(lib, int)(given=None),
    "any": lambda lib: typed(lib, Any)(given=object),
    "untyped": lambda lib: lib.Predict("given -> answer")(given=3),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_inputs_that_do_not_fit_are_warned_of_in_the_same_words(call: Callable[[Any], Any]) -> None:
    heard = []
    for lib in LIBRARIES:
        with lib.context(lm=model(lib), trace=[]), said(lib, "predict.predict") as lines:
            call(lib)
            heard.append((lines, [inputs for _, inputs, _ in lib.settings.trace]))
    (ours, given), (theirs, given_there) = heard
    assert given == given_there
    assert len(ours) == len(theirs)
    for here, there in zip(ours, theirs, strict=True):
        assert here.startswith(there)


def test_types_are_not_compared_where_that_is_switched_off() -> None:
    for lib in LIBRARIES:
        with lib.context(lm=model(lib), warn_on_type_mismatch=False), said(lib, "predict.predict") as lines:
            typed(lib, int)(given="x")
        assert lines == []


def with_lm(lib: Any, lm: Any) -> Any:
    with lib.context(lm=lm):
        return lib.Predict("question -> answer")(question="q")


NAME, POSITIONAL = "openai/gpt-4o-mini", "Positional arguments are not allowed when calling"
MISUSES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no lm": (lambda lib: with_lm(lib, None), "No LM is loaded"),
    "lm by name": (lambda lib: with_lm(lib, NAME), "LM must be an instance of `dspy.BaseLM`, not a string"),
    "lm of no kind": (lambda lib: with_lm(lib, 3), "LM must be "),
    "positional": (lambda lib: lib.Predict("question -> answer")("q"), POSITIONAL),
    "awaited positional": (lambda lib: asyncio.run(lib.Predict("question -> answer").acall("q")), POSITIONAL),
    "no forward": (lambda lib: lib.Module()(), "has no attribute 'forward'"),
    "several lms": (lambda lib: two_lms(lib).get_lm(), "Multiple LMs are being used in the module"),
    "no state": (lambda lib: two_lms(lib).load_state({}), "first"),
    "no such setting": (lambda lib: lib.settings.no_such_setting, "has no attribute 'no_such_setting'"),
    "no such setting, by key": (lambda lib: lib.settings["no_such_setting"], "has no attribute 'no_such_setting'"),
    "old state": (
        lambda lib: lib.Predict("a -> b").load_state(
            {**lib.Predict("a -> b").dump_state(), "extended_signature": {}}
        ),
        "extended_signature is no longer supported",
    ),
    "example without inputs": (lambda lib: lib.Example(a=1).inputs(), "Inputs have not been set for this example"),
    "labels without inputs": (lambda lib: lib.Example(a=1).labels(), "Inputs have not been set for this example"),
    "no field": (lambda lib: lib.Example(a=1).b, "'Example' object has no attribute 'b'"),
    "no score": (lambda lib: float(lib.Prediction(a=1)), "does not have a 'score' field"),
    "compared with text": (lambda lib: lib.Prediction(score=1) > "x", "Unsupported type for comparison"),
    "added to text": (lambda lib: lib.Prediction(score=1) + "x", "Unsupported type for addition"),
    "divided by text": (lambda lib: lib.Prediction(score=1) / "x", "Unsupported type for division"),
    "uneven": (lambda lib: lib.Completions({"a": [1], "b": []}), "All lists must have the same length"),
    "no lists": (lambda lib: lib.Completions({"a": 1}), "All values must be lists"),
    "no completion": (lambda lib: lib.Completions({"a": [1]})[1], "Index out of range"),
    "save to what": (lambda lib: lib.Module().save("x.txt"), "must end with `.json` or `.pkl`"),
    "load from what": (lambda lib: lib.Module().load("x.txt"), "must end with `.json` or `.pkl`"),
    "load nothing": (lambda lib: lib.Module().load("/no/such/file.json"), "No such file"),
    "load a pickle": (lambda lib: lib.Module().load("x.pkl"), "Loading .pkl files can run arbitrary code"),
    "load a program": (lambda lib: lib.load("x"), "Loading with pickle is not allowed"),
    "load no program": (lambda lib: lib.load("/no/such/folder", allow_pickle=True), "does not exist"),
    "save a program to a file": (lambda lib: lib.Module().save("x.json", save_program=True), "without a suffix"),
    "save what JSON cannot hold": (lambda lib: held(lib, object()).save("/tmp/x.json"), "Failed to save state"),
    "pickled settings": (lambda lib: lib.load_settings("x"), "Loading .pkl files can run arbitrary code"),
}  # fmt: skip


def two_lms(lib: Any) -> Any:
    program = lib.Module()
    program.first, program.second = lib.Predict("a -> b"), lib.Predict("b -> c")
    program.first.lm, program.second.lm = model(lib), model(lib)
    return program


def held(lib: Any, value: Any) -> Any:
    predictor = lib.Predict("a -> b")
    predictor.demos = [lib.Example(a=value, b="b")]
    return predictor


@pytest.mark.parametrize(("misuse", "words"), MISUSES.values(), ids=MISUSES)
def test_a_misuse_raises_what_code_for_dspy_catches(misuse: Callable[[Any], Any], words: str) -> None:
    with pytest.raises(Exception) as theirs:
        misuse(dspy)
    with pytest.raises(type(theirs.value)) as ours:
        misuse(dspex)
    assert words in str(theirs.value)
    assert words in str(ours.value)


def test_a_program_that_is_a_file_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for lib in LIBRARIES:
        with pytest.raises(NotADirectoryError, match="exists but is not a directory"):
            lib.Module().save(tmp_path / "taken", save_program=True)


def test_what_cannot_be_pickled_is_a_runtime_error(tmp_path: Path) -> None:
    for lib in LIBRARIES:
        program = lib.Module()
        program.lock = threading.Lock()
        with pytest.raises(RuntimeError, match="Saving failed with error"):
            program.save(tmp_path / lib.__name__, save_program=True)


VERSIONS = {"python": "3.9", "dspy": "2.4.0", "cloudpickle": "2.0"}
NOW = {"python": "3.10", "dspy": "2.5.0", "cloudpickle": "2.1"}


@pytest.mark.parametrize("name", ["state.pkl", "state.json"])
def test_other_versions_of_a_state_are_warned_of_alike(name: str, tmp_path: Path) -> None:
    heard = []
    for lib in LIBRARIES:
        where, path = f"{lib.__name__}.primitives.base_module.get_dependency_versions", tmp_path / name
        with said(lib, "primitives.base_module") as lines:
            with patch(where, return_value=VERSIONS):
                lib.Predict("a -> b").save(path)
            with patch(where, return_value=NOW):
                lib.Predict("a -> b").load(path, allow_pickle=True)
        heard.append([line.split(", but now")[0] for line in lines if line.startswith("There is a mismatch of")])
        assert len(lines) == (4 if name.endswith("pkl") else 3)
    assert heard[0] == heard[1]
    assert len(heard[0]) == 3


def test_other_versions_of_a_whole_program_are_warned_of_alike(tmp_path: Path) -> None:
    heard = []
    for lib in LIBRARIES:
        folder = tmp_path / lib.__name__
        with said(lib, "utils.saving") as lines:
            with patch(f"{lib.__name__}.primitives.base_module.get_dependency_versions", return_value=VERSIONS):
                lib.Predict("a -> b").save(folder, save_program=True)
            with patch(f"{lib.__name__}.utils.saving.get_dependency_versions", return_value=NOW):
                loaded = lib.load(folder, allow_pickle=True)
        assert loaded.signature.signature == "a -> b"
        heard.append([line.split(", but now")[0] for line in lines])
    assert heard[0] == heard[1]


def test_an_lm_address_in_a_file_is_left_out_alike() -> None:
    for lib in LIBRARIES:
        state = lib.Predict("a -> b").dump_state()
        state["lm"] = {**lib.LM("openai/gpt-4o-mini").dump_state(), "base_url": "http://x", "api_base": "http://x"}
        with said(lib, "predict.predict") as lines:
            predictor = lib.Predict("a -> b").load_state(state)
        assert "http://x" not in str(predictor.lm.kwargs)
        assert lines[0].startswith("Ignoring unsafe LM config key(s) during state load: ['api_base', 'base_url']. ")
        trusting = lib.Predict("a -> b").load_state(state, allow_unsafe_lm_state=True)
        assert "http://x" in str(vars(trusting.lm))


def program(lib: Any) -> Any:
    class Program(lib.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.ask = lib.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            return self.ask(question=question)

        def twice(self, question: str) -> Any:
            return self.forward(question)

    class Child(Program):
        def forward(self, question: str) -> Any:
            return super().forward(question + "?")

    return Child()


def test_calling_forward_is_discouraged_alike() -> None:
    for lib in LIBRARIES:
        made = program(lib)
        with lib.context(lm=model(lib)), said(lib, "primitives.module") as lines:
            made(question="q")
            assert lines == []
            made.forward(question="q")
            made.twice(question="q")
        assert [line.split(" instead")[0] for line in lines] == [
            "Calling module.forward(...) on Child directly is discouraged. Please use module(...)"
        ] * 2


def test_forward_remains_the_users_function() -> None:
    for lib in LIBRARIES:
        cls = type(program(lib))
        assert cls.forward.__name__ == "forward"
        assert cls.forward.__qualname__.endswith("Child.forward")
        again = pickle.loads(cloudpickle.dumps(program(lib)))
        with lib.context(lm=model(lib)):
            assert again(question="q").answer == program(lib)(question="q").answer
        made = program(lib)
        made.forward = lambda question: f"patched {question}"
        assert made(question="q") == "patched q"
        with patch.object(cls, "forward", lambda self, question: "patched"):
            assert cls()(question="q") == "patched"
        with lib.context(lm=model(lib)):
            assert cls()(question="q").answer == again(question="q").answer


def test_copies_are_made_alike() -> None:
    for lib in LIBRARIES:
        made = program(lib)
        made.lock, made.inner, made.values = threading.Lock(), program(lib), [1]
        made.history.append({}), made.callbacks.append(1)
        copied = made.deepcopy()
        assert copied.lock is made.lock
        assert copied.inner is not made.inner
        assert copied.values == [1]
        assert copied.values is not made.values
        assert copied.ask.signature is made.ask.signature
        assert [copy.deepcopy(made.ask).history, copy.deepcopy(made.ask).callbacks] == [[], []]


def test_the_trace_is_bounded_and_can_be_switched_off_alike() -> None:
    for lib in LIBRARIES:
        with lib.context(lm=model(lib), trace=[], max_trace_size=3):
            for number in range(10):
                lib.Predict("question -> answer")(question=str(number))
            assert [inputs["question"] for _, inputs, _ in lib.settings.trace] == ["7", "8", "9"]
        for off in ({"trace": None}, {"trace": [], "max_trace_size": 0}):
            with lib.context(lm=model(lib), **off):
                lib.Predict("question -> answer")(question="q")
                assert not lib.settings.trace


def test_without_a_context_too_there_is_a_trace() -> None:
    dspex.configure(lm=model(dspex), max_trace_size=3)
    for _ in range(10):
        dspex.Predict("question -> answer")(question="q")
    assert len(dspex.settings.trace) == 3
    dspex.configure(max_trace_size=10000)
    for _ in range(200):
        dspex.Predict("question -> answer")(question="q")
    assert len(dspex.settings.trace) == 100


def test_parallel_takes_the_same_pairs() -> None:
    found = []
    for lib in LIBRARIES:
        ask = lib.Predict("question -> answer")
        example = lib.Example(question="e", answer="x").with_inputs("question")

        def shout(*given: Any, **named: Any) -> str:
            return f"{given} {named}"

        inner = lib.Parallel(disable_progress_bar=True, num_threads=1)
        pairs = [(ask, example), (ask, {"question": "d"}), (shout, (1, 2)), (inner, [(shout, (3,)), (shout, {"x": 1})])]
        with lib.context(lm=model(lib)):
            results = lib.Parallel(disable_progress_bar=True, num_threads=1)(pairs)
            whole = lib.Parallel(disable_progress_bar=True, access_examples=False)([(lambda one: one.answer, example)])
        found.append(([results[0].answer, results[1].answer, *results[2:]], whole))
    assert found[0] == found[1]


def test_parallel_gives_back_what_failed_alike() -> None:
    def picky(number: int) -> int:
        if number % 2:
            raise ValueError(f"{number} is odd")
        return number

    found = []
    for lib in LIBRARIES:
        pairs = [(picky, (number,)) for number in range(6)]
        options: dict[str, Any] = {"disable_progress_bar": True, "num_threads": 1}
        results, failed, errors = lib.Parallel(return_failed_examples=True, **options)(pairs)
        found.append((results, failed, [str(error) for error in errors]))
        with pytest.raises(Exception, match="Execution cancelled due to errors or interruption"):
            lib.Parallel(max_errors=2, **options)(pairs)
    assert found[0] == found[1]


def test_chain_of_thought_puts_the_same_field_first() -> None:
    made: dict[str, Callable[[Any], Any]] = {
        "plain": lambda lib: lib.ChainOfThought("question -> answer"),
        "config": lambda lib: lib.ChainOfThought("question -> answer", temperature=0.3, n=2),
        "field": lambda lib: lib.ChainOfThought("question -> answer", lib.OutputField(desc="Why?")),
        "type": lambda lib: lib.ChainOfThought("question -> answer", rationale_field_type=list[str]),
        "class": lambda lib: lib.ChainOfThought(lib.Signature("a: int -> b: float", "Do."), rationale_field_type=int),
    }
    for make in made.values():
        ours, theirs = make(dspex), make(dspy)
        assert repr(ours) == repr(theirs)
        assert ours.predict.config == theirs.predict.config


def test_settings_are_read_and_changed_alike() -> None:
    for lib in LIBRARIES:
        settings = lib.settings
        with settings.context(mine=1, lm=None):
            assert (settings.mine, settings["mine"], settings.get("mine"), settings.get("no", 2)) == (1, 1, 1, 2)
            assert "mine" in settings
            assert settings.config["mine"] == settings.copy()["mine"] == settings.copy().mine == 1
        assert "mine" not in settings
        assert copy.deepcopy(settings).max_errors == 10
        assert {*dspy.settings.config} <= {*dspex.settings.config}


def test_what_dspys_modules_offer_is_offered() -> None:
    import importlib

    for name in (
        "signatures", "signatures.field", "signatures.signature", "signatures.utils", "primitives.base_module",
        "primitives.example", "primitives.module", "primitives.prediction", "predict.predict", "predict.parallel",
        "predict.chain_of_thought", "predict.parameter", "dsp.utils.settings", "utils.saving", "utils.pickle_by_value",
    ):  # fmt: skip
        ours, theirs = (importlib.import_module(f"{lib}.{name}") for lib in ("dspex", "dspy"))
        own = {
            each for each, value in vars(theirs).items()
            if not each.startswith("_") and getattr(value, "__module__", "") == theirs.__name__
        }  # fmt: skip
        assert {each for each in own if not hasattr(ours, each)} == set()
