"""Unpickle programs, DSPy's too: what they name under ``dspy`` is taken from the same place under ``dspex``."""

from __future__ import annotations

import importlib
import io
from typing import Any

from dspex.moved import MovedUnpickler


def unpickle(content: bytes) -> Any:
    """Load the pickled object in `content`. This runs what code the content says."""
    return ProgramUnpickler(io.BytesIO(content)).load()


class ProgramUnpickler(MovedUnpickler):
    """Finds what DSPy pickled, and what earlier versions of dspex pickled, where it is now."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Find a class by the name in the file; names of DSPy's stand for this library's classes."""
        if module_name in ("cloudpickle", "cloudpickle.cloudpickle") and global_name == "subimport":
            return _import
        if module_name == "dspy.clients.lm" and global_name == "LM":
            return _DspyLM
        try:
            return super().find_class(_ours(module_name), global_name)
        except (ImportError, AttributeError):
            if module_name.startswith("dspy.clients."):
                return _Unneeded
            raise


def _import(name: str) -> Any:
    """A module that the code of a pickled function or class refers to."""
    return importlib.import_module(_ours(name))


def _ours(module: str) -> str:
    return "dspex" + module[len("dspy") :] if module == "dspy" or module.startswith("dspy.") else module


class _DspyLM:
    """A pickled LM of DSPy's: it becomes ours, of the same model and request parameters."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        from dspex.clients import LM

        options = {name: state[name] for name in ("model_type", "cache", "num_retries") if name in state}
        lm = LM(state["model"], **options, **state["kwargs"])
        self.__dict__.update(vars(lm))
        self.__class__ = LM  # type: ignore[assignment]


class _Unneeded:
    """A part of DSPy's client, such as an LM's provider, that ours does without."""
