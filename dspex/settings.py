"""Process-wide configuration and overrides that hold for a block of code.

`configure` sets the process's defaults, from any thread. `context` overrides them for the code inside the ``with``,
through a context variable: tasks, threads started by dspex and greenlets inherit it, and never see one another's. Names
and defaults are DSPy's (``dspy.settings``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Any

from dspex.errors import UsageError

_DEFAULTS: dict[str, Any] = {
    "lm": None,
    "adapter": None,
    "rm": None,
    "trace": None,
    "callbacks": [],
    "async_max_workers": 8,
    "num_threads": 64,
    "max_errors": 10,
    "provide_traceback": False,
    "track_usage": False,
    "usage_tracker": None,
    "disable_history": False,
    "max_history_size": 10000,
    "max_trace_size": 10000,
    "warn_on_type_mismatch": True,
    "allow_tool_async_sync_conversion": False,
    "send_stream": None,
    "stream_listeners": [],
    "caller_predict": None,
    "caller_modules": None,
    "temporal": None,
    "store": None,
    "task_queue": None,
}

_process: dict[str, Any] = dict(_DEFAULTS)
_overrides: ContextVar[Mapping[str, Any]] = ContextVar("dspex_overrides", default=MappingProxyType({}))


class Settings:
    """The configuration in force where it is read: ``settings.lm``, ``settings.adapter``, ..."""

    def __getattr__(self, name: str) -> Any:
        overrides = _overrides.get()
        if name in overrides:
            return overrides[name]
        try:
            return _process[name]
        except KeyError:
            raise AttributeError(f"dspex has no setting {name!r}. Settings: {', '.join(sorted(_DEFAULTS))}") from None

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __contains__(self, name: str) -> bool:
        return name in _process or name in _overrides.get()

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name) if name in self else default

    def configure(self, **values: Any) -> None:
        configure(**values)

    def context(self, **values: Any) -> Any:
        return context(**values)

    def copy(self) -> dict[str, Any]:
        return {**_process, **_overrides.get()}

    def __repr__(self) -> str:
        return f"Settings({self.copy()!r})"


settings = Settings()


def configure(**values: Any) -> None:
    """Set defaults for the whole process, e.g. ``configure(lm=LM("openai/gpt-4o-mini"), temporal="localhost:7233")``.

    Inside a `context` block an override of the same name still wins.

    Raises:
        UsageError: for an unknown setting, or an LM given by name instead of as an `LM`.
    """
    _refuse_mistakes(values)
    _process.update(values)


@contextmanager
def context(**values: Any) -> Iterator[None]:
    """Override settings for the code inside the block, and for nothing else that runs at the same time."""
    _refuse_mistakes(values)
    token = _overrides.set({**_overrides.get(), **values})
    try:
        yield
    finally:
        _overrides.reset(token)


def override(name: str, value: Any) -> Token[Mapping[str, Any]]:
    """Override one setting until `restore`: `context` for hot paths, without its checks."""
    return _overrides.set({**_overrides.get(), name: value})


def restore(token: Token[Mapping[str, Any]]) -> None:
    """Undo `override`."""
    _overrides.reset(token)


def reset() -> None:
    """Forget everything configured (for tests)."""
    _process.clear()
    _process.update(_DEFAULTS)


def _refuse_mistakes(values: Mapping[str, Any]) -> None:
    unknown = sorted(set(values) - set(_DEFAULTS))
    if unknown:
        raise UsageError(f"Unknown setting {', '.join(unknown)}. Settings: {', '.join(sorted(_DEFAULTS))}")
    lm = values.get("lm")
    if isinstance(lm, str):
        raise UsageError(f'An LM is not given by name. Instead of lm="{lm}" write lm=dspex.LM("{lm}").')


def __getattr__(name: str) -> Any:
    """``dspex.settings`` is this module, and reads as DSPy's object of that name does: ``dspex.settings.lm``."""
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(settings, name)
