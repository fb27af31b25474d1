"""DSPy's ``dspy.experimental``: names that may still change.

Not here: DSPy's decision types (`Choice`, `Noul`, `Score`), the `TypeSafe` client and the `ReAnchor` optimizer that
fits their thresholds.
"""

from __future__ import annotations

from typing import Any

from dspex.adapters.types.citation import Citations
from dspex.adapters.types.document import Document

__all__ = ["Citations", "Document"]

_NOT_HERE = ("Choice", "Noul", "ReAnchor", "Score", "TypeSafe")


def __getattr__(name: str) -> Any:
    if name in _NOT_HERE:
        raise AttributeError(
            f"dspex has no {name}: DSPy's experimental decision types are not a part of it. For a choice, give an "
            "output field the type Literal[...] or an Enum."
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
