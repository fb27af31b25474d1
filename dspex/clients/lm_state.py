"""Building an LM from the state that it, or DSPy's, dumped."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dspex.clients.base_lm import BaseLM

BUILTIN = "dspy.clients.lm.LM"
_OURS = {None, BUILTIN, "dspy.LM", "dspex.clients.lm.LM"}
_ENGINES = ("engine", "async_engine")


def load_lm(state: dict[str, Any], allow_custom_lm_class: bool) -> BaseLM:
    """The LM of `state`. A state without a class is an `LM`'s.

    Raises:
        ValueError: the class is the user's own and `allow_custom_lm_class` is false.
        ImportError: it cannot be imported.
        TypeError: it is no `BaseLM`.
    """
    from dspex.clients.base_lm import CLASS_KEY, BaseLM
    from dspex.clients.lm import LM

    path = state.get(CLASS_KEY)
    if path in _OURS:
        return LM.load_state(state, allow_custom_lm_class=allow_custom_lm_class)
    if not allow_custom_lm_class:
        raise ValueError(
            f"Refusing to import custom serialized LM class `{path}`. If the file is trusted, allow it with "
            "allow_unsafe_lm_state=True."
        )
    found = _import_class(str(path))
    if not issubclass(found, BaseLM):
        raise TypeError(f"Serialized LM class `{path}` must be a subclass of dspy.BaseLM.")
    return found.load_state(state)


def lm_arguments(state: dict[str, Any], allow_custom_class: bool = False) -> dict[str, Any]:
    """The arguments of `LM` in a saved state, also in one of DSPy's with things that are its own."""
    from dspex.clients.base_lm import CLASS_KEY

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
    """What to save of an engine: its name, or an object's class and the state that it dumps itself.

    Raises:
        TypeError: the object cannot dump its state, or could not be found again.
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


def _import_class(path: str) -> type:
    """The class at a dotted path: a module, then a class, perhaps inside others."""
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:end])
        try:
            found: Any = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
                raise
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        if found is None:
            break
        if not isinstance(found, type):
            raise TypeError(f"Serialized LM class `{path}` did not resolve to a class.")
        return found
    raise ImportError(f"Could not import serialized LM class `{path}`: there is none of that name.")
