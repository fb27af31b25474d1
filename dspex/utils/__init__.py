"""DSPy's ``dspy.utils``: names that user code imports from there. Most live elsewhere; each is loaded at first use."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from dspex.utils.syncify import syncify  # not later: a submodule that is imported first would take the name

_HOMES = {
    "BaseCallback": "dspex.callback",
    "DummyLM": "dspex.utils.dummies",
    "DummyVectorizer": "dspex.utils.dummies",
    "StatusMessage": "dspex.streaming.messages",
    "StatusMessageProvider": "dspex.streaming.messages",
    "download": "dspex.utils.fetching",
    "dummy_rm": "dspex.utils.dummies",
    "experimental": "dspex.utils.annotation",
    "pretty_print_history": "dspex.utils.inspect_history",
    "with_callbacks": "dspex.callback_methods",
}

__all__ = [
    "BaseCallback",
    "DummyLM",
    "DummyVectorizer",
    "StatusMessage",
    "StatusMessageProvider",
    "download",
    "dummy_rm",
    "exceptions",
    "experimental",
    "pretty_print_history",
    "syncify",
    "with_callbacks",
]

if TYPE_CHECKING:
    from dspex.callback import BaseCallback
    from dspex.callback_methods import with_callbacks
    from dspex.streaming.messages import StatusMessage, StatusMessageProvider
    from dspex.utils import exceptions
    from dspex.utils.annotation import experimental
    from dspex.utils.dummies import DummyLM, DummyVectorizer, dummy_rm
    from dspex.utils.fetching import download
    from dspex.utils.inspect_history import pretty_print_history


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is not None:
        value = getattr(importlib.import_module(home), name)
        globals()[name] = value
        return value
    if not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}") is not None:
        return importlib.import_module(f"{__name__}.{name}")  # as DSPy has it: its submodules are there without import
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
