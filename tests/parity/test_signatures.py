"""Signature classes beside DSPy's: the same code makes equal ones, and fails on the same mistakes."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from enum import Enum
from typing import Any, Generic, Literal, Optional, TypeVar, Union

import cloudpickle
import dspy
import pydantic
import pytest
from dspy.signatures import field as dspys_field

import dspex
from dspex import signatures
from dspex.signatures import field as our_field


class Colour(Enum):
    RED = "red"


class Address(pydantic.BaseModel):
    street: str

    class Zone(pydantic.BaseModel):
        code: int


TEXTS = [
    "question -> answer",
    "a, b: int, c: list[str] -> d: float, e",
    "  a:int ,b ->c : bool  ",
    "a -> b: Optional[int]",
    "a -> b: int | None",
    "a -> b: None | int",
    "a -> b: int | str | None",
    "a -> b: Union[int, None, str]",
    "a: dict[str, Union[int, list[str]]] -> b: Any",
    "a: typing.List[int] -> b: Dict[str, Any]",
    "a: tuple[int, str] -> b: tuple[int, ...]",
    "a: Literal['x', 'y, z'] -> b: Literal[1, True, None]",
    "a: Colour -> b: list[Colour]",
    "a: Address.Zone -> b: Optional[Address]",
    "a: datetime.date -> b: bytes",
    "a: list -> b: dict",
    "text2number, HTMLPage, camelCase -> snake_case_2",
    "-> b",
    "a: set[int] -> b: frozenset[str]",
]
MISTAKES = [
    "", "question", "a -> b -> c", "a -> a", "a b -> c", "a: Nope -> b", "a: list[Nope] -> b", "a -> b: 3",
    "class -> b", "a: Optional[int, str] -> b", "a: Address.Nope -> b", "a,, b -> c", "a: -> b",
]  # fmt: skip


def shown(signature: Any) -> str:
    return repr(signature).replace("FrozenExtra(", "(")


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_spells_the_same_signature(text: str) -> None:
    ours, theirs = dspex.Signature(text, "Do."), dspy.Signature(text, "Do.")
    assert shown(ours) == shown(theirs)
    assert [each.annotation for each in ours.fields.values()] == [each.annotation for each in theirs.fields.values()]
    assert shown(dspex.Signature(text)) == shown(dspy.Signature(text))


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_text_raises_what_code_for_dspy_catches(text: str) -> None:
    with pytest.raises(Exception) as theirs:
        dspy.Signature(text)
    with pytest.raises(type(theirs.value)):
        dspex.Signature(text)


def declared(lib: Any) -> Any:
    class Declared(lib.Signature):  # type: ignore[misc]
        """Do it.

        Well.
        """

        untyped = lib.InputField()
        late: int = lib.OutputField(desc="comes last", ge=1, le=9, multiple_of=2)
        colour: Colour = lib.InputField(description="of what", default=Colour.RED)
        maybe: Optional[list[Address]] = lib.InputField(min_length=1, max_length=3)  # noqa: UP045
        either: Union[int, str] = lib.OutputField(gt=0.5, lt=2)  # noqa: UP007
        word: Literal["a", "b"] = lib.OutputField()

    return Declared


def mixed(lib: Any) -> Any:
    class Mixed(lib.Signature):  # type: ignore[misc]
        a: str = lib.InputField()
        b = lib.InputField()
        c: int = lib.OutputField()
        d = lib.OutputField()

    return Mixed


def child(lib: Any) -> Any:
    class Child(declared(lib)):  # type: ignore[misc]
        more: str = lib.OutputField()
        late: float = lib.OutputField()

    return Child


def grandchild(lib: Any) -> Any:
    class Empty(lib.Signature):  # type: ignore[misc]
        pass

    class Full(Empty):
        question: str = lib.InputField()
        answer: str = lib.OutputField()

    return Full


T = TypeVar("T")


def generic(lib: Any) -> Any:
    class Box(lib.Signature, Generic[T]):  # type: ignore[misc]
        """Unpack."""

        given: str = lib.InputField()
        found: T = lib.OutputField()

    return Box[list[int]]


BUILT: dict[str, Callable[[Any], Any]] = {
    "class": declared,
    "mixed": mixed,
    "child": child,
    "empty": lambda lib: type("Empty", (lib.Signature,), {}),
    "grandchild": grandchild,
    "generic": generic,
    "dict": lambda lib: lib.Signature({"a": (str, lib.InputField(desc="x")), "b": (list[int], lib.OutputField())}),
    "fields alone": lambda lib: lib.Signature({"a": lib.InputField(), "b": lib.OutputField()}, "Do."),
    "no type": lambda lib: lib.Signature({"a": (None, lib.InputField()), "b": (None, lib.OutputField())}, "Do."),
    "named": lambda lib: lib.Signature("a -> b", signature_name="Named"),
    "make_signature": lambda lib: lib.make_signature("a -> b: Sky", "Do.", custom_types={"Sky": Colour}),
    "ensure_signature": lambda lib: lib.ensure_signature("a -> b", "Do."),
    "of a signature": lambda lib: lib.ensure_signature(declared(lib)),
    "of its fields": lambda lib: lib.Signature(declared(lib).fields, "Other."),
    "with_instructions": lambda lib: declared(lib).with_instructions("  Other.\n    And more."),
    "with no instructions": lambda lib: declared(lib).with_instructions(""),
    "append_instructions": lambda lib: declared(lib).append_instructions("Other."),
    "with_updated_fields": lambda lib: declared(lib).with_updated_fields("late", type_=str, desc="d", own=1),
    "with_updated_fields, no type": lambda lib: declared(lib).with_updated_fields("colour", desc="d"),
    "prepend": lambda lib: declared(lib).prepend("first", lib.InputField(desc="d")),
    "prepend an output": lambda lib: declared(lib).prepend("first", lib.OutputField(), type_=list[str]),
    "append": lambda lib: declared(lib).append("last", lib.InputField(), int),
    "append one that is there": lambda lib: mixed(lib).append("c", lib.InputField(), bool),
    "insert": lambda lib: declared(lib).insert(1, "second", lib.OutputField()),
    "insert from the end": lambda lib: declared(lib).insert(-2, "second", lib.OutputField()),
    "delete": lambda lib: declared(lib).delete("late").delete("colour"),
    "delete nothing": lambda lib: declared(lib).delete("nothing"),
    "load_state": lambda lib: declared(lib).load_state(mixed(lib).dump_state()),
    "deepcopy": lambda lib: copy.deepcopy(declared(lib)),
    "cloudpickle": lambda lib: pickle.loads(cloudpickle.dumps(lib.Signature("a: list[int] -> b", "Do."))),
}  # fmt: skip


@pytest.mark.parametrize("build", BUILT.values(), ids=BUILT)
def test_the_same_code_builds_the_same_signature(build: Callable[[Any], Any]) -> None:
    ours, theirs = build(dspex), build(dspy)
    assert shown(ours) == shown(theirs)
    assert (ours.__name__, ours.__doc__, ours.instructions) == (theirs.__name__, theirs.__doc__, theirs.instructions)
    assert ours.signature == theirs.signature
    for kind in ("fields", "input_fields", "output_fields"):
        assert list(getattr(ours, kind)) == list(getattr(theirs, kind))
    assert [each.annotation for each in ours.fields.values()] == [each.annotation for each in theirs.fields.values()]
    assert ours.dump_state() == theirs.dump_state()


def wrong_member(lib: Any) -> Any:
    return type("Wrong", (lib.Signature,), {"__annotations__": {"a": str}, "a": pydantic.Field()})


WRONG: dict[str, Callable[[Any], Any]] = {
    "member": wrong_member,
    "name": lambda lib: lib.Signature({1: (str, lib.InputField())}),
    "value": lambda lib: lib.Signature({"a": str}),
    "type": lambda lib: lib.Signature({"a": (3, lib.InputField())}),
    "field": lambda lib: lib.Signature({"a": (str, 3)}),
    "too far": lambda lib: mixed(lib).insert(7, "x", lib.InputField()),
    "too far back": lambda lib: mixed(lib).insert(-7, "x", lib.InputField()),
    "no such field": lambda lib: mixed(lib).with_updated_fields("x", desc="d"),
    "instructions": lambda lib: lib.ensure_signature(mixed(lib), "Do."),
    "nothing": lambda lib: lib.Signature(),
    "value of an instance": lambda lib: mixed(lib)(a=1),
}


@pytest.mark.parametrize("mistake", WRONG.values(), ids=WRONG)
def test_a_mistake_raises_what_code_for_dspy_catches(mistake: Callable[[Any], Any]) -> None:
    with pytest.raises(Exception) as theirs:
        mistake(dspy)
    with pytest.raises(type(theirs.value)) as ours:
        mistake(dspex)
    if isinstance(theirs.value, ValueError):
        assert str(theirs.value).strip("'").split(":")[0] in str(ours.value)


def test_equals_agrees() -> None:
    for lib in (dspex, dspy):
        one: Any = declared(lib)
        assert one.equals(one.with_instructions(one.instructions))
        assert not one.equals(one.append_instructions("x"))
        assert not one.equals(one.delete("late"))
        assert not one.equals(one.append("x", lib.InputField()))
        assert not one.equals("a -> b")


@pytest.mark.parametrize("argument", ["prefix", "format", "parser"])
def test_arguments_of_old_are_warned_of(argument: str) -> None:
    for lib in (dspex, dspy):
        for declare in (lib.InputField, lib.OutputField):
            with pytest.warns(DeprecationWarning, match=f"The '{argument}' argument in InputField/OutputField is depr"):
                declare(**{argument: "x"})


def test_the_helpers_of_a_field_give_the_same() -> None:
    given: dict[str, Any] = {"desc": "d", "ge": 1, "max_length": 3, "prefix": "P", "title": "t", "allow_inf_nan": True}
    assert our_field.move_kwargs(**given) == dspys_field.move_kwargs(**given)
    assert our_field.PYDANTIC_CONSTRAINT_MAP == dspys_field.PYDANTIC_CONSTRAINT_MAP
    assert our_field.DSPY_FIELD_ARG_NAMES == dspys_field.DSPY_FIELD_ARG_NAMES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = (declared(lib).fields["late"] for lib in (dspex, dspy))
    assert repr(our_field.new_to_old_field(ours)) == repr(dspys_field.new_to_old_field(theirs))


def test_old_fields_finish_alike() -> None:
    for kind in ("OldInputField", "OldOutputField"):
        made = [getattr(lib, kind)(desc=None) for lib in (signatures, dspy)]
        for each in made:
            each.finalize("key", "Key")
        assert repr(made[0]) == repr(made[1])
        assert made[0] == getattr(signatures, kind)(prefix="Key:", desc="${key}")
