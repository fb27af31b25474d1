"""Programs, metrics and adapters by name: what a durable run carries instead of code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import code_by_name
import pytest

import dspex
from dspex.errors import ProgramNotAvailableError, UsageError
from dspex.evaluate.metrics import BUILTIN_METRICS
from dspex.runner.imports import AllowedModules
from dspex.runner.references import (
    ProgramRef,
    adapter_name,
    build,
    metric_name,
    module_name,
    reference,
    resolve_adapter,
    resolve_metric,
    signature_program,
    this_process,
)

MINE = AllowedModules(["code_by_name"])


def travelled(ref: ProgramRef) -> ProgramRef:
    """The reference on another host: JSON, and back."""
    return ProgramRef.model_validate(json.loads(json.dumps(ref.model_dump(mode="json"))))


def rebuilt(program: Any, imports: AllowedModules = MINE) -> Any:
    return build(travelled(reference(program)), imports)


def prompts(program: Any) -> Any:
    """What its predictors would ask."""

    def prompt(predictor: Any) -> Any:
        inputs = dict.fromkeys(predictor.signature.input_fields, 1)
        return list(map(dict, dspex.ChatAdapter().format(predictor.signature, predictor.demos, inputs)))

    return {name: prompt(each) for name, each in program.named_predictors()}


TYPES = [
    "str", "int", "float", "bool", "list[str]", "dict[str, int]", "list[dict[str, list[float]]]", "Literal['a', 'b']",
    "Optional[int]", "int | None", "tuple[int, str]", "Union[int, list[str]]", "Any", "set[str]", "bytes",
]  # fmt: skip


@pytest.mark.parametrize("kind", [dspex.Predict, dspex.ChainOfThought])
@pytest.mark.parametrize("type_", TYPES)
def test_a_built_in_module_travels_with_its_signature_as_data(kind: Any, type_: str) -> None:
    program = kind(f"question, given: {type_} -> answer: {type_}, sure: bool", temperature=0.5)
    predictor = program.predictors()[0]
    predictor.signature = predictor.signature.with_instructions("Be brief.\n\nAnd true.")
    predictor.demos = [dspex.Example(question="q", given=None, answer=None, reasoning="r", sure=True)]
    again = rebuilt(program, AllowedModules())
    assert type(again) is kind
    assert prompts(again) == prompts(program)
    assert again.dump_state() == program.dump_state()
    assert again.predictors()[0].config == {"temperature": 0.5}


def test_a_signature_with_described_fields_travels_too() -> None:
    class Ask(dspex.Signature):
        """Answer."""

        question: str = dspex.InputField(desc="What is asked", min_length=3)
        kind: Literal["a", "b"] = dspex.OutputField(desc="One of them")

    assert prompts(rebuilt(dspex.ChainOfThought(Ask), AllowedModules())) == prompts(dspex.ChainOfThought(Ask))


def test_a_program_in_a_module_is_named_and_brings_its_state() -> None:
    ref = reference(code_by_name.program)
    assert (ref.target, ref.module) == ("code_by_name:program", None)
    again = build(travelled(ref), MINE)
    assert again is not code_by_name.program
    assert again.hops == 3
    assert prompts(again) == prompts(code_by_name.program)


def test_a_signature_whose_types_need_code_is_named_by_its_program() -> None:
    assert reference(code_by_name.named).target == "code_by_name:named"
    with pytest.raises(UsageError, match=r"not at the top level.*as an attribute"):
        reference(dspex.Predict(code_by_name.Named))


def test_what_was_changed_in_a_named_program_comes_along() -> None:
    program = code_by_name.Steps()
    program.steps[1].demos = [dspex.Example(text="a", text2="b")]
    program.name.predict.signature = program.name.predict.signature.with_instructions("Guess.")
    program._compiled = True
    ref = reference(program)
    assert ref.target == "code_by_name:Steps"
    again = build(travelled(ref), MINE)
    assert prompts(again) == prompts(program)
    assert again._compiled


def test_building_twice_gives_two_programs() -> None:
    ref = ProgramRef(target="code_by_name:program")
    build(ref, MINE).steps[0].demos.append("changed")
    assert build(ref, MINE).steps[0].demos == []


@pytest.mark.parametrize(("target", "hops"), [("code_by_name:factory", 1), ("code_by_name:Steps", 2)])
def test_factories_and_classes_are_programs(target: str, hops: int) -> None:
    assert build(ProgramRef(target=target), MINE).hops == hops


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("code_by_name:a_number", "is a int"),
        ("code_by_name:makes_nothing", "makes a str"),
        ("code_by_name:NeedsArguments", "cannot be made without arguments"),
        ("code_by_name:metric", "cannot be made without arguments"),
    ],
)
def test_what_is_no_program_is_refused(target: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        build(ProgramRef(target=target), MINE)


def test_state_that_does_not_fit_is_refused() -> None:
    state = code_by_name.Steps(hops=1).dump_state()
    with pytest.raises(UsageError, match=r"steps\[1\]"):
        build(ProgramRef(target="code_by_name:Steps", state=state), MINE)


def test_a_reference_to_nothing_is_refused() -> None:
    for ref in (ProgramRef(), ProgramRef(module="Predict"), ProgramRef(module="os", signature={})):
        with pytest.raises(UsageError, match="`target`"):
            build(ref, MINE)


def local_class() -> Any:
    class Local(dspex.Module):
        pass

    return Local()


@pytest.mark.parametrize("make", [local_class, lambda: code_by_name.NeedsArguments(retriever=1)])
def test_programs_that_workers_cannot_make_are_refused(make: Any) -> None:
    with pytest.raises(UsageError, match="into a module as an attribute"):
        reference(make())


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: code_by_name.Steps(hops=5), "hops is then 2 instead of 5"),
        (
            lambda: code_by_name.Steps(temperature=0.7),
            r"config of steps\[0\] is then {} instead of {'temperature': 0.7}",
        ),
        (lambda: code_by_name.FailsWhenMade(index="x"), r"cannot be made without arguments \(OSError: no index"),
    ],
)
def test_programs_that_workers_would_make_otherwise_are_refused(make: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        reference(make())


def test_programs_with_predictors_put_in_later_are_refused() -> None:
    program = code_by_name.Steps()
    program.steps[0] = dspex.Predict("text -> other")
    with pytest.raises(UsageError, match=r"signature of steps\[0\] is then 'text -> text2' instead of 'text -> other'"):
        reference(program)


def test_what_a_program_counts_for_itself_does_not_matter() -> None:
    program = code_by_name.Steps()
    program.calls = 7
    assert reference(program).target == "code_by_name:Steps"


def test_code_that_was_not_allowed_is_not_run() -> None:
    for target in ("os:getcwd", "code_by_name_too:program", "subprocess:Popen"):
        with pytest.raises(ProgramNotAvailableError, match="--import"):
            build(ProgramRef(target=target), MINE)


def test_a_predictors_own_model_keeps_its_endpoint() -> None:
    program = dspex.Predict("question -> answer")
    program.lm = dspex.LM("openai/own", api_base="http://localhost:1/v1", api_key_env="OWN_KEY", temperature=0.5)
    again = rebuilt(program)
    assert again.lm.dump_state() == program.lm.dump_state()
    steps = code_by_name.Steps()
    steps.steps[1].lm = program.lm
    assert rebuilt(steps).steps[1].lm.api_base == "http://localhost:1/v1"
    assert rebuilt(steps).steps[0].lm is None


class OwnLM(dspex.BaseLM):
    pass


@pytest.mark.parametrize("lm", [OwnLM("m"), dspex.LM("openai/own", api_key="sk-never-carried")])
def test_a_predictors_model_that_cannot_travel_is_refused(lm: Any) -> None:
    program = code_by_name.Steps()
    program.steps[1].lm = lm
    with pytest.raises(UsageError, match=r"predictor steps\[1\]") as refused:
        reference(program)
    assert "sk-never-carried" not in str(refused.value)


def test_a_state_brings_no_code() -> None:
    state = code_by_name.Steps().dump_state()
    state["steps[0]"]["lm"] = {"_dspy_lm_class": "antigravity.LM", "model": "m"}
    with pytest.raises(UsageError, match="cannot make the LM"):
        build(ProgramRef(target="code_by_name:Steps", state=state), MINE)
    assert "antigravity" not in sys.modules


# Metrics


@pytest.mark.parametrize("metric", [code_by_name.metric, code_by_name.Judge.mild, BUILTIN_METRICS["f1"]])
def test_a_metric_is_found_again_by_its_name(metric: Any) -> None:
    assert resolve_metric(metric_name(metric), MINE) is metric


def test_a_built_in_metric_is_named_alone() -> None:
    assert metric_name(resolve_metric("exact_match", AllowedModules())) == "exact_match"


def closure() -> Any:
    def metric(example: Any, prediction: Any) -> bool:
        return True

    return metric


@pytest.mark.parametrize("metric", [code_by_name.a_lambda, closure(), code_by_name.Judge().strict])
def test_a_metric_that_workers_could_not_import_is_refused(metric: Any) -> None:
    with pytest.raises(UsageError, match="at the top level of a module"):
        metric_name(metric)


@pytest.mark.parametrize(
    ("name", "told"), [("code_by_name:a_number", "cannot be called"), ("exakt_match", "exact_match")]
)
def test_what_is_no_metric_is_refused(name: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        resolve_metric(name, MINE)


@pytest.mark.parametrize("name", ["chat", "json", "xml", "baml"])
def test_an_adapter_is_found_again_by_its_name(name: str) -> None:
    adapter = resolve_adapter(name, AllowedModules())
    assert adapter_name(adapter) == name


def test_an_adapter_whose_options_would_be_lost_is_refused() -> None:
    with pytest.raises(UsageError, match=r"options of this ChatAdapter"):
        adapter_name(dspex.ChatAdapter(use_json_adapter_fallback=False))
    with pytest.raises(UsageError, match=r"options of this TwoStepAdapter"):
        adapter_name(dspex.TwoStepAdapter(dspex.BaseLM("small")))


def test_adapters_are_named_too() -> None:
    assert type(resolve_adapter("json", AllowedModules())) is dspex.JSONAdapter
    assert type(resolve_adapter("chat", AllowedModules())) is dspex.ChatAdapter
    own = resolve_adapter("dspex.adapters:JSONAdapter", AllowedModules(["dspex"]))
    assert type(own) is dspex.JSONAdapter


def test_an_unknown_module_for_a_signature_is_refused() -> None:
    with pytest.raises(UsageError, match="Predict, ChainOfThought"):
        signature_program("question -> answer", "ReAct")


# Scripts

SCRIPT = """
import dspex
from dspex.runner.references import build, metric_name, reference, resolve_metric, this_process

class Mine(dspex.Module):
    def __init__(self, hops=2):
        super().__init__()
        self.hops = hops
        self.ask = dspex.Predict("question -> answer")

program = Mine()

def metric(example, prediction):
    return True

if __name__ == "__main__":
    here = this_process()
    made_here = Mine()
    with_arguments = Mine(hops=7)
    for number in range(4):
        ref = reference([program, made_here, Mine(), with_arguments][number])
        assert build(ref, here).hops == (7 if number == 3 else 2)
        print(ref.target)
    name = metric_name(metric)
    assert resolve_metric(name, here) is metric
    print(name)
"""


@pytest.mark.parametrize("stem", ["train", "01-train_it"])
def test_a_scripts_own_code_goes_by_the_scripts_name(stem: str, tmp_path: Path) -> None:
    """So that a worker started with ``--import <script>`` has it, too: the class, not what only ``__main__`` sets."""
    (tmp_path / f"{stem}.py").write_text(SCRIPT)
    told = subprocess.run([sys.executable, tmp_path / f"{stem}.py"], capture_output=True, text=True, check=True).stdout
    assert told.split() == [f"{stem}:{name}" for name in ("Mine", "Mine", "Mine", "with_arguments", "metric")]
    resolved = f"AllowedModules([{stem!r}]).resolve('{stem}:metric')"
    worker = f"from dspex.runner.imports import AllowedModules; print({resolved}.__name__)"
    told = subprocess.run(
        [sys.executable, "-c", worker], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    assert told.split() == ["metric"]


def test_a_module_run_with_m_goes_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()
    for name in ("train", "__main__"):
        (tmp_path / "pack" / f"{name}.py").write_text(SCRIPT)
    for module, expected in (("pack.train", "pack.train"), ("pack", "pack")):
        told = subprocess.run(
            [sys.executable, "-m", module], capture_output=True, text=True, check=True, cwd=tmp_path
        ).stdout
        assert told.split()[0] == f"{expected}:Mine"


def test_other_modules_keep_their_names() -> None:
    assert module_name("code_by_name") == "code_by_name"


def test_this_process_may_run_what_it_has_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "a_module_that_is_blocked", None)
    assert this_process().resolve("code_by_name:program") is code_by_name.program
    with pytest.raises(ProgramNotAvailableError):
        this_process().resolve("never_imported:program")
