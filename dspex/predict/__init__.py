"""Modules that ask a language model. The less common ones are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dspex.predict.chain_of_thought import ChainOfThought
from dspex.predict.parallel import Parallel
from dspex.predict.parameter import Parameter
from dspex.predict.predict import Predict

if TYPE_CHECKING:
    from dspex.adapters.types.tool import Tool
    from dspex.predict.aggregation import majority
    from dspex.predict.best_of_n import BestOfN
    from dspex.predict.code_act import CodeAct
    from dspex.predict.knn import KNN
    from dspex.predict.multi_chain_comparison import MultiChainComparison
    from dspex.predict.program_of_thought import ProgramOfThought
    from dspex.predict.react import ReAct
    from dspex.predict.react_v2 import ReActV2
    from dspex.predict.refine import Refine
    from dspex.predict.rlm import RLM

_HOMES = {
    "BestOfN": "dspex.predict.best_of_n",
    "CodeAct": "dspex.predict.code_act",
    "KNN": "dspex.predict.knn",
    "MultiChainComparison": "dspex.predict.multi_chain_comparison",
    "ProgramOfThought": "dspex.predict.program_of_thought",
    "RLM": "dspex.predict.rlm",
    "ReAct": "dspex.predict.react",
    "ReActV2": "dspex.predict.react_v2",
    "Refine": "dspex.predict.refine",
    "Tool": "dspex.adapters.types.tool",
    "majority": "dspex.predict.aggregation",
}

__all__ = [
    "KNN",
    "RLM",
    "BestOfN",
    "ChainOfThought",
    "CodeAct",
    "MultiChainComparison",
    "Parallel",
    "Parameter",
    "Predict",
    "ProgramOfThought",
    "ReAct",
    "ReActV2",
    "Refine",
    "Tool",
    "majority",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
