"""The metaclass of signatures: it completes and checks a new signature class, and guards it once it is used."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dspex.errors import UsageError
from dspex.signatures.field import TYPE_UNDEFINED, FrozenExtra, extra_of, role_of
from dspex.signatures.naming import infer_prefix
from dspex.signatures.type_names import names_in_reach, parse_type


class FieldTypeError(UsageError, TypeError):
    """A member of a signature is neither an `InputField` nor an `OutputField`."""


class SharedSignatureError(UsageError, AttributeError):
    """The instructions of a signature in use were assigned to."""


class SignatureMeta(type(BaseModel)):  # type: ignore[misc]
    """Makes `Signature(...)` give a class, and gives signature classes their properties."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        make = vars(cls).get("__make_signature__")  # `Signature` itself has it, and none of its subclasses
        return super().__call__(*args, **kwargs) if make is None else make(*args, **kwargs)

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> Any:
        untyped = _annotate(namespace)
        cls = super().__new__(mcs, name, bases, namespace, **kwargs)
        _refuse_strangers(cls)
        _complete_fields(cls, untyped)
        if cls.__doc__ is None:
            cls.__doc__ = _inherited_instructions(bases) or default_instructions(cls)
        return cls

    def __setattr__(cls, name: str, value: Any) -> None:
        if name == "__doc__" and is_sealed(cls) and value != cls.__doc__:
            raise SharedSignatureError(
                f"{cls.__name__} is in use: assigning its instructions would change every predictor that shares it. "
                "Give one predictor new instructions with "
                "predictor.signature = predictor.signature.with_instructions(...)."
            )
        super().__setattr__(name, value)

    @property
    def instructions(cls) -> str:
        """What the LM is asked to do: the docstring. May be assigned until something uses the signature."""
        return inspect.cleandoc(cls.__doc__ or "")

    @instructions.setter
    def instructions(cls, instructions: str) -> None:
        cls.__doc__ = instructions

    @property
    def fields(cls) -> dict[str, FieldInfo]:
        """All fields by name, inputs first."""
        return {**cls.input_fields, **cls.output_fields}

    @property
    def input_fields(cls) -> dict[str, FieldInfo]:
        """The input fields by name, in order."""
        return {name: field for name, field in cls.__pydantic_fields__.items() if role_of(field) == "input"}

    @property
    def output_fields(cls) -> dict[str, FieldInfo]:
        """The output fields by name, in order."""
        return {name: field for name, field in cls.__pydantic_fields__.items() if role_of(field) == "output"}

    @property
    def signature(cls) -> str:
        """The names alone: ``"question, context -> answer"``."""
        return f"{', '.join(cls.input_fields)} -> {', '.join(cls.output_fields)}"

    def __repr__(cls) -> str:
        fields = "\n    ".join(f"{name} = Field({field})" for name, field in cls.fields.items())
        return f"{cls.__name__}({cls.signature}\n    instructions={cls.instructions!r}\n    {fields}\n)"


def seal(signature: SignatureMeta) -> None:
    """From now on refuse assignments to the instructions of `signature`: something uses it."""
    if not is_sealed(signature):
        type.__setattr__(signature, "__signature_sealed__", True)


def is_sealed(signature: SignatureMeta) -> bool:
    """Say whether something uses `signature`: see `seal`."""
    return "__signature_sealed__" in vars(signature)


_RESERVED = frozenset({"instructions", "fields", "input_fields", "output_fields", "signature"})


def _annotate(namespace: dict[str, Any]) -> set[str]:
    """Put the annotations into the order of the fields, with `str` for those that have none; return these."""
    given = dict(namespace.get("__annotations__", {}))
    fields = [name for name, value in namespace.items() if isinstance(value, FieldInfo) and not name.startswith("__")]
    for name in _RESERVED.intersection(fields):
        raise UsageError(f"A field cannot be named {name!r}, which is a property of every signature. Rename the field.")
    untyped = {name for name in fields if name not in given}
    ordered = {name: str if name in untyped else _resolved(given[name]) for name in fields}
    namespace["__annotations__"] = {**ordered, **{name: type_ for name, type_ in given.items() if name not in ordered}}
    return untyped


def _resolved(annotation: Any) -> Any:
    """An annotation left as text by ``from __future__ import annotations``, where the text names known types.

    pydantic sees the module's names only; the class may stand inside a function. What we cannot read is left to it.
    """
    if not isinstance(annotation, str):
        return annotation
    try:
        return parse_type(annotation, names_in_reach(modules=False))
    except UsageError:
        return annotation


def _refuse_strangers(cls: SignatureMeta) -> None:
    for name, field in cls.__pydantic_fields__.items():
        if role_of(field) is None:
            raise FieldTypeError(
                f"Field `{name}` in `{cls.__name__}` must be declared with InputField or OutputField: "
                f"{name}: ... = dspex.InputField()."
            )


def _complete_fields(cls: SignatureMeta, untyped: set[str]) -> None:
    for name, field in cls.__pydantic_fields__.items():
        extra = dict(extra_of(field))
        if name in untyped:
            extra[TYPE_UNDEFINED] = True
        extra.setdefault("prefix", f"{infer_prefix(name)}:")
        extra.setdefault("desc", f"${{{name}}}")
        field.json_schema_extra = FrozenExtra(extra)


def _inherited_instructions(bases: tuple[type, ...]) -> str:
    inherited = [base.__doc__ for base in bases if isinstance(base, SignatureMeta) and base.__doc__]
    return inherited[-1] if inherited else ""


def default_instructions(cls: SignatureMeta) -> str:
    """Write the instructions of a signature that has none: to produce the outputs from the inputs."""
    inputs, outputs = (", ".join(f"`{name}`" for name in names) for names in (cls.input_fields, cls.output_fields))
    return f"Given the fields {inputs}, produce the fields {outputs}."
