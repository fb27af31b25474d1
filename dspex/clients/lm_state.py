"""What the saved state of an `LM` says, also of one that DSPy saved: its arguments, its engine."""

from __future__ import annotations

import importlib
from typing import Any

from dspex.clients.base_lm import CLASS_KEY

_ENGINES = ("engine", "async_engine")


def lm_arguments(state: dict[str, Any], allow_custom_class: bool = False) -> dict[str, Any]:
    """Read the arguments of `LM` from a saved state, also from one that DSPy saved.

    Args:
        state: The dict from `LM.dump_state`, or from DSPy.
        allow_custom_class: Whether the state may name an engine class of the user's, which is then imported.

    Raises:
        ValueError: the state names an engine class and `allow_custom_class` is false.
        ImportError: that class cannot be imported.
    """
    arguments = {name: value for name, value in state.items() if name != CLASS_KEY and name not in _ENGINES}
    if state.get("engine") == "litellm":
        arguments["engine"] = "litellm"
    for name in ("engine", "async_engine"):
        if isinstance(state.get(name), dict):
            arguments[name] = _load_engine(state[name], name, allow_custom_class)
    if "max_completion_tokens" in arguments:
        tokens = arguments.pop("max_completion_tokens")
        arguments.setdefault("max_tokens", tokens)
    return arguments


def dumped_engine(engine: Any, name: str) -> Any:
    """Return what to save of an engine: its name, or an object's class and the state that it dumps itself.

    Args:
        engine: A known name such as "auto", or an engine object.
        name: Which argument of `LM` it is, for messages: "engine" or "async_engine".

    Raises:
        TypeError: the object cannot dump its state, or its class could not be imported again.
    """
    if isinstance(engine, str):
        return engine
    cls = type(engine)
    if not callable(getattr(engine, "dump_state", None)) or not callable(getattr(cls, "load_state", None)):
        raise TypeError(
            f"{name}={cls.__name__} cannot be saved: it needs dump_state() -> dict (JSON, no secrets) and the "
            "classmethod load_state(state). Or save the program without this LM, and set it again after loading."
        )
    path = f"{cls.__module__}:{cls.__qualname__}"
    if _engine_class(path) is not cls:
        raise TypeError(f"{name}={cls.__name__} cannot be saved: its class is not importable as {path}")
    state = engine.dump_state()
    if not isinstance(state, dict):
        raise TypeError(f"{name}.dump_state() must return a dict, not a {type(state).__name__}")
    return {"class": path, "state": state}


def _load_engine(record: dict[str, Any], name: str, allowed: bool) -> Any:
    path = str(record.get("class"))
    if not allowed:
        raise ValueError(
            f"The saved {name} is of the class {path}, which loading would import. If the file is trusted, allow it "
            "with allow_unsafe_lm_state=True."
        )
    cls = _engine_class(path)
    if cls is None:
        raise ImportError(f"There is no class {path} for the saved {name}")
    return cls.load_state(record.get("state", {}))


def _engine_class(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return found
