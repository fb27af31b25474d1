"""DSPy's path to OpenAI's fine-tuning provider: ``from dspex.clients.openai import OpenAIProvider``."""

from __future__ import annotations

from typing import Any

from dspex.clients.training_providers import training_provider


def __getattr__(name: str) -> Any:
    if name == "OpenAIProvider":
        return training_provider("openai")
    if name == "TrainingJobOpenAI":
        return training_provider("openai")().TrainingJob
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
