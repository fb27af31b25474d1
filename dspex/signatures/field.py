"""`InputField` and `OutputField`: what a signature says of a field beyond its name and type.

A field is a pydantic `FieldInfo`. What is dspex's lies in its `json_schema_extra`, under DSPy's keys, because user code
reads it there: the role, `desc`, `prefix`, and `constraints` in words.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

import pydantic
from pydantic.fields import FieldInfo

from dspex.errors import UsageError

Role = Literal["input", "output"]

ROLE = "__dspy_field_type"
TYPE_UNDEFINED = "IS_TYPE_UNDEFINED"
"""Set where the author gave no type, so that `str` is our guess and not a promise."""

DSPY_FIELD_ARG_NAMES = ["desc", "prefix", "format", "parser", ROLE, TYPE_UNDEFINED]
"""The arguments of a field that are not `pydantic.Field`'s."""

_WITHOUT_EFFECT = ("prefix", "format", "parser")
PYDANTIC_CONSTRAINT_MAP = {
    "gt": "greater than: ",
    "ge": "greater than or equal to: ",
    "lt": "less than: ",
    "le": "less than or equal to: ",
    "min_length": "minimum length: ",
    "max_length": "maximum length: ",
    "multiple_of": "a multiple of the given number: ",
    "allow_inf_nan": "allow 'inf', '-inf', 'nan' values: ",
}


def InputField(**kwargs: Any) -> Any:
    """Declare an input of a signature, by `desc` and any argument of `pydantic.Field` (`ge`, `default`, ...)."""
    return _field("input", kwargs)


def OutputField(**kwargs: Any) -> Any:
    """Declare an output of a signature, by `desc` and any argument of `pydantic.Field`.

    Constraints (`ge`, `max_length`, ...) are shown to the LM; they are not enforced on its answer.
    """
    return _field("output", kwargs)


def role_of(field: FieldInfo) -> Role | None:
    """Return the role a field was declared with; None if it is neither an `InputField` nor an `OutputField`."""
    extra = field.json_schema_extra
    role = extra.get(ROLE) if isinstance(extra, dict) else None
    return role if role in ("input", "output") else None  # type: ignore[return-value]


def extra_of(field: FieldInfo) -> dict[str, Any]:
    """Return what dspex knows of a field of a signature; read only."""
    return field.json_schema_extra  # type: ignore[return-value]


def constraints_in_words(constraints: Mapping[str, Any]) -> str:
    """Write the line that tells an LM about constraints such as ``{"ge": 1}``; empty when there are none."""
    return ", ".join(
        f"{PYDANTIC_CONSTRAINT_MAP[name]}{value}"
        for name, value in constraints.items()
        if name in PYDANTIC_CONSTRAINT_MAP
    )


def move_kwargs(**kwargs: Any) -> dict[str, Any]:
    """Turn a field's arguments into those of `pydantic.Field`, the others in `json_schema_extra`."""
    extra = dict(kwargs.pop("json_schema_extra", None) or {})
    extra.update((name, value) for name, value in kwargs.items() if name in DSPY_FIELD_ARG_NAMES)
    if "description" in kwargs:
        extra.setdefault("desc", kwargs["description"])
    if words := constraints_in_words(kwargs):
        extra["constraints"] = words
    for_pydantic = {name: value for name, value in kwargs.items() if name not in DSPY_FIELD_ARG_NAMES}
    return {**for_pydantic, "json_schema_extra": extra}


def _field(role: Role, kwargs: dict[str, Any]) -> Any:
    for name in _WITHOUT_EFFECT:
        if name in kwargs:
            warnings.warn(
                f"The '{name}' argument in InputField/OutputField is deprecated and has no effect on prompts. "
                "Leave it out.",
                DeprecationWarning,
                stacklevel=3,
            )
    return pydantic.Field(**move_kwargs(**kwargs, **{ROLE: role}))


class FrozenExtra(dict[str, Any]):
    """The `json_schema_extra` of a field of a finished signature: read like any dict, changed through a new signature.

    Predictors share signature classes, so a change in place would reach all of them. A copy is a plain dict again.
    """

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise FrozenFieldError(
            "The fields of a signature cannot be changed in place, because every predictor with this signature would "
            "change too. Make a new signature instead: signature = signature.with_updated_fields(name, desc=...)."
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def copy(self) -> dict[str, Any]:
        """A dictionary of the same items, which can be changed."""
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        from copy import deepcopy

        return {key: deepcopy(value, memo) for key, value in self.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenExtra, (dict(self),)


class FrozenFieldError(UsageError, TypeError):
    """A field of a finished signature was changed in place."""


class OldField:
    """DSPy's field class of old, kept so that code that imports it loads."""

    def __init__(self, *, prefix: str | None = None, desc: str | None = None, input: bool, format: Any = None) -> None:
        """Make a field of DSPy's old kind.

        Args:
            prefix: What stands before the value in a prompt; by default it is inferred from the name.
            desc: What the field means.
            input: Whether it is an input.
            format: Turns a value into text.
        """
        self.prefix = prefix
        self.desc = desc
        self.format = format

    def finalize(self, key: str, inferred_prefix: str) -> None:
        """Fill in the prefix and the description where they were not given.

        Args:
            key: The field's name.
            inferred_prefix: The prefix to use, without the colon.
        """
        self.prefix = f"{inferred_prefix}:" if self.prefix is None else self.prefix
        self.desc = f"${{{key}}}" if self.desc is None else self.desc

    def __repr__(self) -> str:
        return f"{type(self).__name__}(prefix={self.prefix}, desc={self.desc})"

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == getattr(other, "__dict__", None)

    __hash__ = None  # type: ignore[assignment]


class OldInputField(OldField):
    """An `OldField` for an input."""

    def __init__(self, *, prefix: str | None = None, desc: str | None = None, format: Any = None) -> None:
        """Make an input field of DSPy's old kind.

        Args:
            prefix: What stands before the value in a prompt; by default it is inferred from the name.
            desc: What the field means.
            format: Turns a value into text.
        """
        super().__init__(prefix=prefix, desc=desc, input=True, format=format)


class OldOutputField(OldField):
    """An `OldField` for an output."""

    def __init__(self, *, prefix: str | None = None, desc: str | None = None, format: Any = None) -> None:
        """Make an output field of DSPy's old kind.

        Args:
            prefix: What stands before the value in a prompt; by default it is inferred from the name.
            desc: What the field means.
            format: Turns a value into text.
        """
        super().__init__(prefix=prefix, desc=desc, input=False, format=format)


def new_to_old_field(field: FieldInfo) -> OldField:
    """`field` of a signature as an `OldField`."""
    extra = extra_of(field)
    kind = OldInputField if role_of(field) == "input" else OldOutputField
    return kind(prefix=extra["prefix"], desc=extra["desc"], format=extra.get("format"))
