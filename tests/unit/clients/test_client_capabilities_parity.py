"""An adapter chooses its prompt by what the model can do: so DSPy and dspex must agree on it."""

from __future__ import annotations

import pytest

from dspex.clients import LM

MODELS = [
    "openai/gpt-4o-mini",
    "openai/gpt-4.1",
    "openai/gpt-5-mini",
    "openai/gpt-5-chat",
    "openai/o3",
    "openai/o1-mini",
    "openai/gpt-4",
    "openai/gpt-3.5-turbo",
    "openai/gpt-4o-2024-05-13",
    "openai/practice",
    "openai/meta-llama/Llama-3-8B",
]


@pytest.mark.parity
@pytest.mark.parametrize("model", MODELS)
def test_capabilities_are_those_that_dspy_knows(model: str) -> None:
    dspy = pytest.importorskip("dspy")
    theirs, ours = dspy.LM(model, api_key="x"), LM(model, api_key="x")
    for name in ("supports_function_calling", "supports_reasoning", "supports_response_schema", "supported_params"):
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parity
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("openai/gpt-4o-mini", {"temperature": 0.3, "max_tokens": 100}),
        ("openai/gpt-4o-mini", {"rollout_id": 3, "temperature": 1.0}),
        ("openai/gpt-5", {}),
    ],
)
def test_state_is_dspys_and_loads_on_either_side(model: str, options: dict[str, object]) -> None:
    dspy = pytest.importorskip("dspy")
    theirs, ours = dspy.LM(model, api_key="x", **options), LM(model, api_key="x", **options)  # type: ignore[arg-type]
    assert ours.dump_state() == theirs.dump_state()
    assert dspy.BaseLM.load_state(ours.dump_state()).dump_state() == ours.dump_state()
    assert LM.load_state(theirs.dump_state()).dump_state() == theirs.dump_state()
