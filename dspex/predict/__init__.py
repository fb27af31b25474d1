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
    from dspex.predict.knn import KNN
    from dspex.predict.multi_chain_comparison import MultiChainComparison
    from dspex.predict.react import ReAct
    from dspex.predict.react_v2 import ReActV2
    from dspex.predict.refine import Refine

_HOMES = {
    "BestOfN": "dspex.predict.best_of_n",
    "KNN": "dspex.predict.knn",
    "MultiChainComparison": "dspex.predict.multi_chain_comparison",
    "ReAct": "dspex.predict.react",
    "ReActV2": "dspex.predict.react_v2",
    "Refine": "dspex.predict.refine",
    "Tool": "dspex.adapters.types.tool",
    "majority": "dspex.predict.aggregation",
}

__all__ = [
    "KNN",
    "BestOfN",
    "ChainOfThought",
    "MultiChainComparison",
    "Parallel",
    "Parameter",
    "Predict",
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
