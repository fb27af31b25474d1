"""dspex: program language models, with optimization runs that cannot be lost.

The names are DSPy's, so that ``import dspex as dspy`` runs a DSPy program. Importing this package loads nothing heavy:
each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from dspex.logs import configure_dspy_loggers, disable_logging, enable_logging

__version__ = "0.1.0"

_HOMES = {
    "dspex.dsp.colbertv2": ("ColBERTv2",),
    "dspex.retrievers": (
        "Embeddings",
        "EmbeddingsWithScores",
        "Retrieve",
    ),
    "dspex.adapters": ("Adapter", "ChatAdapter", "JSONAdapter", "TwoStepAdapter", "XMLAdapter"),
    "dspex.adapters.types": (
        "Audio",
        "Code",
        "File",
        "History",
        "Image",
        "Reasoning",
        "Tool",
        "ToolCallResults",
        "ToolCalls",
        "Type",
    ),
    "dspex.clients.batch.local": ("batch_api",),
    "dspex.clients.cost.budget": ("Budget",),
    "dspex.clients": (
        "BaseLM",
        "Embedder",
        "LM",
        "Provider",
        "TrainingJob",
        "configure_cache",
        "disable_litellm_logging",
        "enable_litellm_logging",
        "inspect_history",
    ),
    "dspex.evaluate": ("Evaluate", "EvaluationResult"),
    "dspex.predict": (
        "BestOfN",
        "ChainOfThought",
        "CodeAct",
        "KNN",
        "MultiChainComparison",
        "Parallel",
        "Predict",
        "ProgramOfThought",
        "RLM",
        "ReAct",
        "ReActV2",
        "Refine",
        "majority",
    ),
    "dspex.primitives": (
        "BaseModule",
        "CodeExecutionError",
        "CodeInterpreter",
        "CodeInterpreterError",
        "Completions",
        "Example",
        "FinalOutput",
        "LocalInterpreter",
        "Module",
        "Prediction",
        "PythonInterpreter",
        "SandboxSerializable",
        "track_usage",
        "resolve_interpreter_factory",
    ),
    "dspex.primitives.asyncify": ("asyncify",),
    "dspex.primitives.syncify": ("syncify",),
    "dspex.settings": ("configure", "context", "load_settings"),
    "dspex.signatures": (
        "InputField",
        "OldField",
        "OldInputField",
        "OldOutputField",
        "OutputField",
        "Signature",
        "SignatureMeta",
        "ensure_signature",
        "infer_prefix",
        "make_signature",
    ),
    "dspex.store": ("Store",),
    "dspex.streaming": ("streamify",),
    "dspex.teleprompt": ("BootstrapFewShot", "LabeledFewShot", "Optimizer", "Teleprompter"),
    "dspex.temporal": ("Client", "Run", "RunResult"),
    "dspex.utils.saving": ("load",),
}
_ERRORS = (
    "AdapterParseError",
    "BudgetExceededError",
    "ContextWindowExceededError",
    "DSPyError",
    "LMAuthError",
    "LMBillingError",
    "LMCollectionLimitError",
    "LMConfigurationError",
    "LMError",
    "LMInvalidRequestError",
    "LMLockTimeoutError",
    "LMNotConfiguredError",
    "LMProviderError",
    "LMRateLimitError",
    "LMServerError",
    "LMStreamAssemblyError",
    "LMTimeoutError",
    "LMTransportError",
    "LMUnexpectedError",
    "LMUnsupportedFeatureError",
    "LMUnsupportedModelError",
    "UsageError",
    "is_retryable_lm_error",
)
_HOME_OF = {name: home for home, names in {**_HOMES, "dspex.errors": _ERRORS}.items() for name in names}

__all__ = [
    "KNN",
    "LM",
    "RLM",
    "Adapter",
    "AdapterParseError",
    "Audio",
    "BaseLM",
    "BaseModule",
    "BestOfN",
    "BootstrapFewShot",
    "Budget",
    "BudgetExceededError",
    "ChainOfThought",
    "ChatAdapter",
    "Client",
    "Code",
    "CodeAct",
    "CodeExecutionError",
    "CodeInterpreter",
    "CodeInterpreterError",
    "ColBERTv2",
    "Completions",
    "ContextWindowExceededError",
    "DSPyError",
    "Embedder",
    "Embeddings",
    "EmbeddingsWithScores",
    "Evaluate",
    "EvaluationResult",
    "Example",
    "File",
    "FinalOutput",
    "History",
    "Image",
    "InputField",
    "JSONAdapter",
    "LMAuthError",
    "LMBillingError",
    "LMCollectionLimitError",
    "LMConfigurationError",
    "LMError",
    "LMInvalidRequestError",
    "LMLockTimeoutError",
    "LMNotConfiguredError",
    "LMProviderError",
    "LMRateLimitError",
    "LMServerError",
    "LMStreamAssemblyError",
    "LMTimeoutError",
    "LMTransportError",
    "LMUnexpectedError",
    "LMUnsupportedFeatureError",
    "LMUnsupportedModelError",
    "LabeledFewShot",
    "LocalInterpreter",
    "Module",
    "MultiChainComparison",
    "OldField",
    "OldInputField",
    "OldOutputField",
    "Optimizer",
    "OutputField",
    "Parallel",
    "Predict",
    "Prediction",
    "ProgramOfThought",
    "Provider",
    "PythonInterpreter",
    "ReAct",
    "ReActV2",
    "Reasoning",
    "Refine",
    "Retrieve",
    "Run",
    "RunResult",
    "SandboxSerializable",
    "Signature",
    "SignatureMeta",
    "Store",
    "Teleprompter",
    "Tool",
    "ToolCallResults",
    "ToolCalls",
    "TrainingJob",
    "TwoStepAdapter",
    "Type",
    "UsageError",
    "XMLAdapter",
    "__version__",
    "asyncify",
    "batch_api",
    "configure",
    "configure_cache",
    "configure_dspy_loggers",
    "context",
    "disable_litellm_logging",
    "disable_logging",
    "enable_litellm_logging",
    "enable_logging",
    "ensure_signature",
    "infer_prefix",
    "inspect_history",
    "is_retryable_lm_error",
    "load",
    "load_settings",
    "majority",
    "make_signature",
    "resolve_interpreter_factory",
    "settings",
    "streamify",
    "syncify",
    "track_usage",
]

if TYPE_CHECKING:
    cache: Any
    from dspex import settings
    from dspex.adapters import Adapter, ChatAdapter, JSONAdapter, TwoStepAdapter, XMLAdapter
    from dspex.adapters.types import (
        Audio,
        Code,
        File,
        History,
        Image,
        Reasoning,
        Tool,
        ToolCallResults,
        ToolCalls,
        Type,
    )
    from dspex.clients import (
        LM,
        BaseLM,
        Embedder,
        Provider,
        TrainingJob,
        configure_cache,
        disable_litellm_logging,
        enable_litellm_logging,
        inspect_history,
    )
    from dspex.clients.batch.local import batch_api
    from dspex.clients.cost.budget import Budget
    from dspex.dsp.colbertv2 import ColBERTv2
    from dspex.errors import (
        AdapterParseError,
        BudgetExceededError,
        ContextWindowExceededError,
        DSPyError,
        LMAuthError,
        LMBillingError,
        LMCollectionLimitError,
        LMConfigurationError,
        LMError,
        LMInvalidRequestError,
        LMLockTimeoutError,
        LMNotConfiguredError,
        LMProviderError,
        LMRateLimitError,
        LMServerError,
        LMStreamAssemblyError,
        LMTimeoutError,
        LMTransportError,
        LMUnexpectedError,
        LMUnsupportedFeatureError,
        LMUnsupportedModelError,
        UsageError,
        is_retryable_lm_error,
    )
    from dspex.evaluate import Evaluate, EvaluationResult
    from dspex.predict import (
        KNN,
        RLM,
        BestOfN,
        ChainOfThought,
        CodeAct,
        MultiChainComparison,
        Parallel,
        Predict,
        ProgramOfThought,
        ReAct,
        ReActV2,
        Refine,
        majority,
    )
    from dspex.primitives import (
        BaseModule,
        CodeExecutionError,
        CodeInterpreter,
        CodeInterpreterError,
        Completions,
        Example,
        FinalOutput,
        LocalInterpreter,
        Module,
        Prediction,
        PythonInterpreter,
        SandboxSerializable,
        resolve_interpreter_factory,
        track_usage,
    )
    from dspex.primitives.asyncify import asyncify
    from dspex.primitives.syncify import syncify
    from dspex.retrievers import Embeddings, EmbeddingsWithScores, Retrieve
    from dspex.settings import configure, context, load_settings
    from dspex.signatures import (
        InputField,
        OldField,
        OldInputField,
        OldOutputField,
        OutputField,
        Signature,
        SignatureMeta,
        ensure_signature,
        infer_prefix,
        make_signature,
    )
    from dspex.store import Store
    from dspex.streaming import streamify
    from dspex.teleprompt import BootstrapFewShot, LabeledFewShot, Optimizer, Teleprompter
    from dspex.temporal import Client, Run, RunResult
    from dspex.utils.saving import load


def __getattr__(name: str) -> Any:
    if name == "settings":  # the module reads as DSPy's object of that name
        return importlib.import_module("dspex.settings")
    if name == "cache":  # made when it is first read, for `configure_cache` to be in time
        return globals().setdefault("cache", importlib.import_module("dspex.clients.cache.configuration").usual_cache())
    home = _HOME_OF.get(name)
    if home is None:
        return _room(name)
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def _room(name: str) -> Any:
    """``dspex.utils`` and the like are there without an import of their own, as DSPy's are."""
    if name.startswith("_") or importlib.util.find_spec(f"dspex.{name}") is None:
        raise AttributeError(f"module 'dspex' has no attribute {name!r}")
    return importlib.import_module(f"dspex.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


configure_dspy_loggers(__name__)
