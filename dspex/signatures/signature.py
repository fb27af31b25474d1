"""`Signature`: what goes into an LM program and what is to come out, as a class.

Three ways to write the same one::

    class QA(dspex.Signature):
        "Answer the question."
        question = dspex.InputField()
        answer: str = dspex.OutputField(desc="one word")

    dspex.Signature("question -> answer", "Answer the question.")
    dspex.Signature({"question": (str, dspex.InputField()), "answer": (str, dspex.OutputField())}, "Answer ...")

Signatures are immutable once something uses them: every change makes a new class, so that predictors may share one.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.fields import FieldInfo

from dspex.errors import UsageError
from dspex.signatures.field import TYPE_UNDEFINED, InputField, OutputField, extra_of, role_of
from dspex.signatures.meta import FieldTypeError, SignatureMeta, default_instructions, seal
from dspex.signatures.naming import infer_prefix
from dspex.signatures.text import parse_signature_text
from dspex.signatures.type_names import is_type, names_in_reach

Fields = Mapping[str, "FieldInfo | tuple[Any, FieldInfo]"]


class NoSuchFieldError(UsageError, KeyError):
    """A signature has no field of that name."""

    __str__ = Exception.__str__


class Signature(BaseModel, metaclass=SignatureMeta):
    """"""

    # The docstring is empty because it would become the instructions of every signature without its own.
    # The pydantic model behind a signature is hardly ever used as one, so it is built when it is.
    model_config = ConfigDict(defer_build=True, arbitrary_types_allowed=True)

    @staticmethod
    def __make_signature__(*args: Any, **kwargs: Any) -> type[Signature]:
        """What ``Signature(...)`` does: see `SignatureMeta.__call__`."""
        return make_signature(*args, **kwargs)

    @classmethod
    def with_instructions(cls, instructions: str) -> type[Signature]:
        """Return a signature of the same fields under other instructions."""
        return make_signature(cls.fields, instructions)

    @classmethod
    def append_instructions(cls, instructions: str) -> type[Signature]:
        """Return a signature of the same fields, with `instructions` added as a paragraph."""
        return make_signature(cls.fields, f"{cls.instructions}\n\n{instructions}")

    @classmethod
    def with_updated_fields(cls, name: str, type_: Any = None, **extra: Any) -> type[Signature]:
        """Return the signature with one field changed; this class stays as it is.

        Args:
            name: The field to change.
            type_: Its new type; None keeps the old one.
            **extra: Other properties to change, such as ``desc="..."``.

        Raises:
            NoSuchFieldError: there is no field `name`.
        """
        fields = cls.fields
        if name not in fields:
            raise NoSuchFieldError(f"The signature has no field {name!r}. Its fields: {', '.join(fields)}.")
        fields[name] = _changed(fields[name], type_, extra)
        return make_signature(fields, cls.instructions)

    @classmethod
    def prepend(cls, name: str, field: Any, type_: Any = None) -> type[Signature]:
        """Return the signature with one more field, first among the inputs or outputs.

        Args:
            name: The field's name.
            field: An `InputField` or an `OutputField`.
            type_: Its type; by default the one that `field` carries, else `str`.
        """
        return cls.insert(0, name, field, type_)

    @classmethod
    def append(cls, name: str, field: Any, type_: Any = None) -> type[Signature]:
        """Return the signature with one more field, last among the inputs or outputs.

        Args:
            name: The field's name.
            field: An `InputField` or an `OutputField`.
            type_: Its type; by default the one that `field` carries, else `str`.
        """
        return cls.insert(-1, name, field, type_)

    @classmethod
    def insert(cls, index: int, name: str, field: Any, type_: Any = None) -> type[Signature]:
        """Return the signature with one more field.

        Args:
            index: Its place among the inputs or outputs; negative indices count from the end, -1 being behind the last.
            name: The field's name.
            field: An `InputField` or an `OutputField`.
            type_: Its type; by default the one that `field` carries, else `str`.

        Raises:
            FieldTypeError: `field` is neither an input nor an output field.
            UsageError: there is no such place.
        """
        role = role_of(field) if isinstance(field, FieldInfo) else None
        if role is None:
            raise FieldTypeError(f"The field {name!r} must be an InputField or an OutputField, not {field!r}.")
        inputs, outputs = list(cls.input_fields.items()), list(cls.output_fields.items())
        among: list[Any] = inputs if role == "input" else outputs
        position = index + len(among) + 1 if index < 0 else index
        if not 0 <= position <= len(among):
            raise UsageError(
                f"Invalid index to insert: {index}, for the field {name!r}. There are {len(among)} {role} fields, "
                f"so it must be from {-len(among) - 1} to {len(among)}."
            )
        among.insert(position, (name, (type_ or field.annotation or str, field)))
        return make_signature(dict(inputs + outputs), cls.instructions)

    @classmethod
    def delete(cls, name: str) -> type[Signature]:
        """Return the signature without the field `name`; the same fields if there is none of that name."""
        fields = cls.fields
        fields.pop(name, None)
        return make_signature(fields, cls.instructions)

    @classmethod
    def equals(cls, other: Any) -> bool:
        """Check whether `other` has the same instructions and the same fields, types aside."""
        if not isinstance(other, SignatureMeta) or cls.instructions != other.instructions:
            return False
        return {name: extra_of(field) for name, field in cls.fields.items()} == {
            name: extra_of(field) for name, field in other.fields.items()
        }

    @classmethod
    def dump_state(cls) -> dict[str, Any]:
        """What a saved program keeps of a signature, in DSPy's format: fields by position, without names or types."""
        fields = [extra_of(field) for field in cls.fields.values()]
        described = [{"prefix": extra["prefix"], "description": extra["desc"]} for extra in fields]
        return {"instructions": cls.instructions, "fields": described}

    @classmethod
    def load_state(cls, state: Mapping[str, Any]) -> type[Signature]:
        """This signature with the instructions and descriptions of a `dump_state`."""
        fields = cls.fields
        for (name, field), saved in zip(list(fields.items()), state["fields"], strict=False):
            fields[name] = _changed(field, None, {"prefix": saved["prefix"], "desc": saved["description"]})
        loaded = make_signature(fields, state["instructions"])
        loaded.instructions = state["instructions"]  # also when they are empty, which above means the default ones
        return loaded


def make_signature(
    signature: str | Fields,
    instructions: str | None = None,
    signature_name: str = "StringSignature",
    custom_types: Mapping[str, Any] | None = None,
) -> type[Signature]:
    """Make a signature class from text or from fields by name.

    Args:
        signature: ``"question, context: list[str] -> answer"``, or ``{name: (type, InputField() or OutputField())}``.
        instructions: what the LM is asked to do; by default, to produce the outputs from the inputs.
        signature_name: the name of the class.
        custom_types: what type names in the text stand for, where they cannot be found in the calling code.

    Raises:
        UsageError: when the text or the fields do not make a signature; the message says what to change.
    """
    fields = _fields_of_text(signature, custom_types) if isinstance(signature, str) else _checked(signature)
    made = cast(Any, create_model)(signature_name, __base__=Signature, __doc__=instructions, **fields)
    if instructions is None:
        made.__doc__ = default_instructions(made)
    return cast("type[Signature]", made)


def ensure_signature(signature: Any, instructions: str | None = None) -> Any:
    """Make a signature class of whatever stands for one, ready to be shared by predictors.

    Args:
        signature: Text such as ``"question -> answer"``, a `Signature` class, or None, which stays None.
        instructions: What the LM is asked to do; only for a signature given as text.

    Raises:
        UsageError: it is no signature, or instructions were given beside a class.
    """
    if signature is None:
        return None
    if isinstance(signature, str):
        signature = make_signature(signature, instructions)
    elif instructions is not None:
        raise UsageError(
            "Don't specify instructions when initializing with a Signature: pass signature.with_instructions(...)."
        )
    elif not isinstance(signature, SignatureMeta):
        raise UsageError(f"A signature is text such as 'question -> answer', or a Signature class, not {signature!r}.")
    seal(signature)
    return signature


__all__ = ["Signature", "SignatureMeta", "ensure_signature", "infer_prefix", "make_signature"]


def _fields_of_text(text: str, custom_types: Mapping[str, Any] | None) -> dict[str, tuple[Any, Any]]:
    fields = {}
    for role, name, type_ in parse_signature_text(text, names_in_reach(custom_types)):
        declared = InputField(**{TYPE_UNDEFINED: type_ is None}) if role == "input" else OutputField()
        fields[name] = (str if type_ is None else type_, declared)
    return fields


def _checked(fields: Fields) -> dict[str, tuple[Any, FieldInfo]]:
    checked = {}
    for name, declared in fields.items():
        if not isinstance(name, str):
            raise UsageError(f"Field names must be strings, but received: {name!r}.")
        type_, field = _type_and_field(name, declared)
        if type_ is not None and not is_type(type_):
            raise UsageError(f"Field types must be types, but received: {type_!r}, for the field {name!r}.")
        checked[name] = (str if type_ is None else type_, field)
    return checked


def _type_and_field(name: str, declared: Any) -> tuple[Any, FieldInfo]:
    match declared:
        case FieldInfo():
            return declared.annotation, declared
        case (type_, FieldInfo() as field):
            return type_, field
        case tuple():
            problem = f"Field values must be Field instances, but received: {declared!r}"
        case _:
            problem = f"Field values must be tuples, but received: {declared!r}"
    raise UsageError(f"{problem}. Give {name!r} as (type, InputField()) or (type, OutputField()).")


def _changed(field: FieldInfo, type_: Any, extra: Mapping[str, Any]) -> FieldInfo:
    changed = copy(field)
    changed.json_schema_extra = {**extra_of(field), **extra}
    if type_ is not None:
        changed.annotation = type_
    return changed
