"""Say so when user code calls ``module.forward(...)`` instead of ``module(...)``, past callbacks and histories."""

from __future__ import annotations

import logging
import sys
from types import FrameType, FunctionType
from typing import Any

logger = logging.getLogger("dspex.primitives.module")


class Forward:
    """The `forward` of a module class: the user's function, with an eye on who asks for it.

    A descriptor costs nothing until it is read; a `__getattribute__` would slow down every attribute of a module.
    """

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    @staticmethod
    def watch(cls: type) -> None:
        """Put a `Forward` in the place of the function `forward` that `cls` defines, if it does."""
        function = vars(cls).get("forward")
        if isinstance(function, FunctionType):
            cls.forward = Forward(function)  # type: ignore[attr-defined]

    def __get__(self, module: Any, owner: type | None = None) -> Any:
        if module is None:
            return self.function
        asking = sys._getframe(1)
        if asking.f_globals.get("__name__") != "dspex.primitives.module" and not _may_ask(asking, module):
            logger.warning(
                "Calling module.forward(...) on %s directly is discouraged. Please use module(...) instead, "
                "which also keeps history and tells callbacks.",
                type(module).__name__,
            )
        return self.function.__get__(module, owner)


def _may_ask(asking: FrameType, module: Any) -> bool:
    """Whether the caller is dspex, a `__call__` that the user wrote, or an override that extends this `forward`."""
    code = asking.f_code
    if code.co_name == "__call__" or str(asking.f_globals.get("__name__")).startswith("dspex."):
        return True
    return code.co_name == "forward" and bool(code.co_argcount) and asking.f_locals[code.co_varnames[0]] is module
