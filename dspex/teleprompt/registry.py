"""The optimizers by the names of the command line, and their arguments from text."""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dspex.errors import UsageError
from dspex.teleprompt.bootstrap import BootstrapFewShot
from dspex.teleprompt.labeled import LabeledFewShot
from dspex.teleprompt.optimizer import Optimizer

OPTIMIZERS: dict[str, type[Optimizer[Any]]] = {each.name: each for each in (LabeledFewShot, BootstrapFewShot)}

_CODE = ("metric", "teacher_settings")
"""Arguments that are code or hold secrets: they travel by name, not as values."""


def make_optimizer(name: str, arguments: Mapping[str, Any] | None = None, **code: Any) -> Optimizer[Any]:
    """Make an optimizer by its name.

    Args:
        name: Its name on the command line, such as ``"bootstrap"``.
        arguments: The constructor's arguments as JSON values.
        code: The metric and other live objects; those that the constructor does not take are left out.

    Raises:
        UsageError: no such optimizer or argument, or a value that does not fit.
    """
    cls = _class(name)
    taken = inspect.signature(cls.__init__).parameters
    _refuse_unknown(name, arguments or {}, [key for key in taken if key != "self"])
    return cls(**{**(arguments or {}), **{key: value for key, value in code.items() if key in taken}})


def arguments_from_text(name: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Convert ``key=value`` texts to an optimizer's arguments, by the types of its constructor.

    Args:
        name: The optimizer's name.
        texts: The texts, by argument.

    Raises:
        UsageError: no such optimizer or argument, or a text that is not of the argument's type.
    """
    cls = _class(name)
    hints = typing.get_type_hints(cls.__init__)
    known = [key for key in inspect.signature(cls.__init__).parameters if key != "self" and key not in _CODE]
    arguments: dict[str, Any] = {}
    _refuse_unknown(name, texts, known)
    for key, text in texts.items():
        arguments[key] = _parse(name, key, text, hints[key])
    make_optimizer(name, arguments)  # refuse values that do not fit now, not in the worker
    return arguments


def takes_metric(name: str) -> bool:
    """Whether the optimizer called `name` scores anything while it optimizes."""
    return "metric" in inspect.signature(_class(name).__init__).parameters


def _class(name: str) -> type[Optimizer[Any]]:
    if name not in OPTIMIZERS:
        near = difflib.get_close_matches(name, OPTIMIZERS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"There is no optimizer {name!r}.{hint} Optimizers: {', '.join(OPTIMIZERS)}.")
    return OPTIMIZERS[name]


def _refuse_unknown(name: str, given: Iterable[str], known: Sequence[str]) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"The optimizer {name!r} has no argument {key!r}.{hint} Arguments: {', '.join(known)}.")


def _parse(optimizer: str, key: str, text: str, annotation: Any) -> Any:
    optional = type(None) in typing.get_args(annotation) and isinstance(annotation, types.UnionType)
    if optional and text.lower() in ("none", "null"):
        return None
    try:
        return TypeAdapter(annotation).validate_strings(text)
    except ValidationError as error:
        wanted = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        raise UsageError(f"--set {key}={text}: the argument {key!r} of {optimizer!r} is {wanted}.") from error
