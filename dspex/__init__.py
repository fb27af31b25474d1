"""dspex: program language models, with optimization runs that cannot be lost.

The names are DSPy's, so that ``import dspex as dspy`` runs a DSPy program. Importing this package loads nothing heavy:
each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dspex.logs import configure_dspy_loggers as configure_dspy_loggers
from dspex.logs import disable_logging as disable_logging
from dspex.logs import enable_logging as enable_logging
from dspex.version import VERSION

__version__ = VERSION

_HOMES = {
    "dspex.adapters": "Adapter ChatAdapter JSONAdapter TwoStepAdapter XMLAdapter",
    "dspex.adapters.types": "Audio Code File History Image Reasoning Tool ToolCallResults ToolCalls Type",
    "dspex.clients": (
        "BaseLM configure_cache disable_litellm_logging Embedder enable_litellm_logging inspect_history LM "
        "Provider TrainingJob"
    ),
    "dspex.clients.batch.local": "batch_api",
    "dspex.clients.cost.budget": "Budget",
    "dspex.dsp.colbertv2": "ColBERTv2",
    "dspex.errors": (
        "AdapterParseError BudgetExceededError ContextWindowExceededError DSPyError is_retryable_lm_error "
        "LMAuthError LMBillingError LMCollectionLimitError LMConfigurationError LMError LMInvalidRequestError "
        "LMLockTimeoutError LMNotConfiguredError LMProviderError LMRateLimitError LMServerError "
        "LMStreamAssemblyError LMTimeoutError LMTransportError LMUnexpectedError LMUnsupportedFeatureError "
        "LMUnsupportedModelError UsageError"
    ),
    "dspex.evaluate": "Evaluate EvaluationResult",
    "dspex.predict": (
        "BestOfN ChainOfThought CodeAct KNN majority MultiChainComparison Parallel Predict ProgramOfThought ReAct "
        "ReActV2 Refine RLM"
    ),
    "dspex.primitives": (
        "BaseModule CodeExecutionError CodeInterpreter CodeInterpreterError Completions Example FinalOutput "
        "LocalInterpreter Module Prediction PythonInterpreter resolve_interpreter_factory SandboxSerializable "
        "track_usage"
    ),
    "dspex.primitives.asyncify": "asyncify",
    "dspex.primitives.syncify": "syncify",
    "dspex.retrievers": "Embeddings EmbeddingsWithScores Retrieve",
    "dspex.settings": "configure context load_settings",
    "dspex.signatures": (
        "ensure_signature infer_prefix InputField make_signature OldField OldInputField OldOutputField OutputField "
        "Signature SignatureMeta"
    ),
    "dspex.store": "Store",
    "dspex.streaming": "streamify",
    "dspex.teleprompt": "BootstrapFewShot LabeledFewShot Optimizer Teleprompter",
    "dspex.temporal": "Client Run RunResult",
    "dspex.utils.saving": "load",
}
"""The public names by the module that each is loaded from, when it is first used."""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted([*_HOME_OF, "__version__", "configure_dspy_loggers", "disable_logging", "enable_logging", "settings"])

# What type checkers and editors see. tests/unit/test_project.py holds it and `_HOMES` together.
# isort: off
if TYPE_CHECKING:
    from dspex import settings as settings
    from dspex.adapters import (
        Adapter as Adapter,
        ChatAdapter as ChatAdapter,
        JSONAdapter as JSONAdapter,
        TwoStepAdapter as TwoStepAdapter,
        XMLAdapter as XMLAdapter,
    )
    from dspex.adapters.types import (
        Audio as Audio,
        Code as Code,
        File as File,
        History as History,
        Image as Image,
        Reasoning as Reasoning,
        Tool as Tool,
        ToolCallResults as ToolCallResults,
        ToolCalls as ToolCalls,
        Type as Type,
    )
    from dspex.clients import (
        BaseLM as BaseLM,
        configure_cache as configure_cache,
        disable_litellm_logging as disable_litellm_logging,
        Embedder as Embedder,
        enable_litellm_logging as enable_litellm_logging,
        inspect_history as inspect_history,
        LM as LM,
        Provider as Provider,
        TrainingJob as TrainingJob,
    )
    from dspex.clients.batch.local import batch_api as batch_api
    from dspex.clients.cost.budget import Budget as Budget
    from dspex.dsp.colbertv2 import ColBERTv2 as ColBERTv2
    from dspex.errors import (
        AdapterParseError as AdapterParseError,
        BudgetExceededError as BudgetExceededError,
        ContextWindowExceededError as ContextWindowExceededError,
        DSPyError as DSPyError,
        is_retryable_lm_error as is_retryable_lm_error,
        LMAuthError as LMAuthError,
        LMBillingError as LMBillingError,
        LMCollectionLimitError as LMCollectionLimitError,
        LMConfigurationError as LMConfigurationError,
        LMError as LMError,
        LMInvalidRequestError as LMInvalidRequestError,
        LMLockTimeoutError as LMLockTimeoutError,
        LMNotConfiguredError as LMNotConfiguredError,
        LMProviderError as LMProviderError,
        LMRateLimitError as LMRateLimitError,
        LMServerError as LMServerError,
        LMStreamAssemblyError as LMStreamAssemblyError,
        LMTimeoutError as LMTimeoutError,
        LMTransportError as LMTransportError,
        LMUnexpectedError as LMUnexpectedError,
        LMUnsupportedFeatureError as LMUnsupportedFeatureError,
        LMUnsupportedModelError as LMUnsupportedModelError,
        UsageError as UsageError,
    )
    from dspex.evaluate import Evaluate as Evaluate, EvaluationResult as EvaluationResult
    from dspex.predict import (
        BestOfN as BestOfN,
        ChainOfThought as ChainOfThought,
        CodeAct as CodeAct,
        KNN as KNN,
        majority as majority,
        MultiChainComparison as MultiChainComparison,
        Parallel as Parallel,
        Predict as Predict,
        ProgramOfThought as ProgramOfThought,
        ReAct as ReAct,
        ReActV2 as ReActV2,
        Refine as Refine,
        RLM as RLM,
    )
    from dspex.primitives import (
        BaseModule as BaseModule,
        CodeExecutionError as CodeExecutionError,
        CodeInterpreter as CodeInterpreter,
        CodeInterpreterError as CodeInterpreterError,
        Completions as Completions,
        Example as Example,
        FinalOutput as FinalOutput,
        LocalInterpreter as LocalInterpreter,
        Module as Module,
        Prediction as Prediction,
        PythonInterpreter as PythonInterpreter,
        resolve_interpreter_factory as resolve_interpreter_factory,
        SandboxSerializable as SandboxSerializable,
        track_usage as track_usage,
    )
    from dspex.primitives.asyncify import asyncify as asyncify
    from dspex.primitives.syncify import syncify as syncify
    from dspex.retrievers import (
        Embeddings as Embeddings,
        EmbeddingsWithScores as EmbeddingsWithScores,
        Retrieve as Retrieve,
    )
    from dspex.settings import configure as configure, context as context, load_settings as load_settings
    from dspex.signatures import (
        ensure_signature as ensure_signature,
        infer_prefix as infer_prefix,
        InputField as InputField,
        make_signature as make_signature,
        OldField as OldField,
        OldInputField as OldInputField,
        OldOutputField as OldOutputField,
        OutputField as OutputField,
        Signature as Signature,
        SignatureMeta as SignatureMeta,
    )
    from dspex.store import Store as Store
    from dspex.streaming import streamify as streamify
    from dspex.teleprompt import (
        BootstrapFewShot as BootstrapFewShot,
        LabeledFewShot as LabeledFewShot,
        Optimizer as Optimizer,
        Teleprompter as Teleprompter,
    )
    from dspex.temporal import Client as Client, Run as Run, RunResult as RunResult
    from dspex.utils.saving import load as load

    cache: Any
# isort: on


def __getattr__(name: str) -> Any:
    if name == "settings":  # the module reads as DSPy's object of that name
        return importlib.import_module("dspex.settings")
    home = _HOME_OF.get(name)
    if home is None:
        return _subpackage(name)
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def _subpackage(name: str) -> Any:
    """``dspex.utils`` and the like can be used without an import of their own, as DSPy's can."""
    if name.startswith("_") or importlib.util.find_spec(f"dspex.{name}") is None:
        raise AttributeError(f"module 'dspex' has no attribute {name!r}")
    return importlib.import_module(f"dspex.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package; ``dspex.cache`` is the cache in use, and setting it replaces that."""

    @property
    def cache(self) -> Any:
        return importlib.import_module("dspex.clients.cache.current").current_cache()

    @cache.setter
    def cache(self, cache: Any) -> None:
        importlib.import_module("dspex.clients.cache.current").use_cache(cache)

    @cache.deleter
    def cache(self) -> None:
        importlib.import_module("dspex.clients.cache.current").use_cache(None)

    def __reduce__(self) -> Any:
        return importlib.import_module, (__name__,)  # by name, as any module: pickled programs refer to this one


sys.modules[__name__].__class__ = _Package
configure_dspy_loggers(__name__)
