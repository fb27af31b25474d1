"""The prompts of dspex are DSPy's, message for message and byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from signature_table import CASES, OURS, Case

dspy = pytest.importorskip("dspy")
pytest.importorskip("dspy.adapters.baml_adapter")
pytestmark = pytest.mark.parity

ADAPTERS: dict[str, Callable[[Any], Any]] = {
    "chat": lambda lib: lib.ChatAdapter(),
    "chat with native tools": lambda lib: lib.ChatAdapter(use_native_function_calling=True),
    "json": lambda lib: lib.JSONAdapter(),
    "xml": lambda lib: lib.XMLAdapter(),
    "baml": lambda lib: lib.adapters.baml_adapter.BAMLAdapter(),
    "two steps": lambda lib: lib.TwoStepAdapter(lib.BaseLM("model")),
}
DIFFERENT = {
    ("two steps", "history"): "DSPy writes the object's repr into the prompt",
    ("two steps", "history with tool calls"): "DSPy writes the object's repr into the prompt",
    ("two steps", "custom types"): "DSPy does not make content parts of them",
    ("baml", "thoughts and code"): "DSPy tells the LM of its Reasoning class, with the docstring",
}


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_messages_are_the_same(case: Case, adapter: str) -> None:
    theirs = ADAPTERS[adapter](dspy).format(case.signature(dspy), case.demos, case.given(dspy))
    signature = case.signature(OURS)
    for _ in range(2):  # rendered, then from the cache
        ours = ADAPTERS[adapter](OURS).format(signature, case.demos, case.given(OURS))
        assert (list(ours) == theirs) is ((adapter, case.name) not in DIFFERENT)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fine_tuning_rows_are_the_same(case: Case) -> None:
    def row(library: Any) -> Any:
        signature = case.signature(library)
        outputs = dict.fromkeys(signature.output_fields, "x")
        return library.ChatAdapter().format_finetune_data(signature, case.demos, case.given(library), outputs)

    assert row(OURS) == row(dspy)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_signatures_are_saved_and_shown_the_same(case: Case) -> None:
    ours, theirs = case.signature(OURS), case.signature(dspy)
    assert ours.dump_state() == theirs.dump_state()
    assert ours.signature == theirs.signature
    assert {n: f.json_schema_extra for n, f in ours.fields.items()} == {
        n: f.json_schema_extra for n, f in theirs.fields.items()
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_changed_signatures_prompt_the_same(case: Case) -> None:
    def changed(library: Any) -> Any:
        signature = case.signature(library)
        last = list(signature.output_fields)[-1]
        return (
            signature.prepend("reasoning", library.OutputField(desc="think"), str)
            .append("note", library.InputField())
            .insert(-2, "aside", library.OutputField(le=3), int)
            .with_updated_fields(last, desc="changed", prefix="P:")
            .append_instructions("More.")
            .delete("aside")
        )

    theirs = dspy.ChatAdapter().format_system_message(changed(dspy))
    assert OURS.ChatAdapter().format_system_message(changed(OURS)) == theirs
