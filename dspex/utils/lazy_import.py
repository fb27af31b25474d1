"""Optional packages: imported when they are first used, with word of how to get them where they are missing."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import threading
import types
from typing import Any, NoReturn

_EXTRAS = {"langchain_core": "langchain"}
"""Packages whose extra has another name."""

_lock = threading.RLock()


@functools.cache
def is_available(module: str) -> bool:
    """Say whether `module` can be imported, without doing so."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def require(module: str, *, extra: str | None = None, feature: str | None = None) -> Any:
    """`module`, or what stands for it: it is imported when an attribute of it is first asked for.

    Args:
        module: Its dotted name.
        extra: Which extra of dspex installs it.
        feature: What it is needed for, for the message.

    Returns:
        A stand-in whose attributes are the module's. Where the package is not installed, asking for one raises an
        `ImportError` that says how to install it, and who required it.
    """
    if module in sys.modules:
        return sys.modules[module]
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # the package that it is a part of
        found = None
    if found is not None and found.loader is not None:
        return _Later(module)
    package = module.partition(".")[0]
    caller = sys._getframe(1)
    return _Missing(
        module,
        f"{package} is required to use {feature or 'this feature'}. Install it with "
        f"`pip install dspex[{extra or _EXTRAS.get(package, package)}]` or `pip install {package}`. "
        f"(It is required by {caller.f_code.co_filename}, line {caller.f_lineno}, in {caller.f_code.co_name}.)",
    )


class _Later(types.ModuleType):
    """A module that is imported when it is first used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._load(), name, value)

    def __dir__(self) -> list[str]:
        return dir(self._load())

    def _load(self) -> types.ModuleType:
        with _lock:  # so that no thread sees it half made
            return importlib.import_module(self.__name__)


class _Missing(types.ModuleType):
    """A module that is not there."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name)
        self._message = message

    def __getattr__(self, name: str) -> NoReturn:
        raise ImportError(self._message)
