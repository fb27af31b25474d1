"""Signatures written as text: what they may say, and what is said about mistakes in them."""

from __future__ import annotations

from typing import Any, Literal

import pytest

import dspex.adapters
from dspex.errors import UsageError
from dspex.signatures import Signature, make_signature


class Passage:
    """A type of this module, found by its bare name."""


class Shelf:
    class Book:
        """A type reached by a dotted name."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a -> b", str),
        ("a: int -> b", int),
        ("a: list[str] -> b", list[str]),
        ("a: dict[str, list[int]] -> b", dict[str, list[int]]),
        ("a: Optional[int] -> b", int | None),
        ("a: int | None -> b", int | None),
        ("a: Union[int, str] -> b", int | str),
        ("a: Literal['x, y', 'p->q', -1, True] -> b", Literal["x, y", "p->q", -1, True]),
        ("a: tuple[int, ...] -> b", tuple[int, ...]),
        ("a: Any -> b", Any),
        ("a: Passage -> b", Passage),
        ("a: list[Passage] -> b", list[Passage]),
        ("a: Shelf.Book -> b", Shelf.Book),
        ("a: datetime.date -> b", __import__("datetime").date),
        ("a: None -> b", type(None)),
        (" a:int , -> b", int),
    ],
)
def test_a_type_in_text_is_the_type_it_names(text: str, expected: Any) -> None:
    assert Signature(text).fields["a"].annotation == expected


def test_a_type_of_the_calling_function_is_found() -> None:
    class Local:
        pass

    assert Signature("a -> b: dict[str, Local]").fields["b"].annotation == dict[str, Local]


def test_the_types_of_a_program_of_dspys_are_ours() -> None:
    assert Signature("turns: dspy.History -> b").fields["turns"].annotation is dspex.adapters.History


def test_what_is_not_pythons_syntax_is_a_syntax_error_too() -> None:
    for text in ("a b -> c", "a: ( -> b", "a -> class"):
        with pytest.raises(ValueError if "(" in text else SyntaxError):
            Signature(text)


def test_custom_types_come_before_everything_else() -> None:
    signature = make_signature("a: Passage -> b", custom_types={"Passage": int})
    assert signature.fields["a"].annotation is int


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("question", "must contain exactly one '->'"),
        ("a -> b -> c", "There are 2, at characters 3, 8"),
        ("a -> a", "the field name 'a' is used twice"),
        ("a, a -> b", "the field name 'a' is used twice"),
        ("a ->", "no output field"),
        ("", "There is none"),
        ("a b -> c", "input field 1, 'a b', is not a name"),
        ("a,, b -> c", "input field 2 is empty"),
        ("a -> class", "output field 1, 'class', is not a name"),
        ("_a -> b", "starts with an underscore"),
        ("a: Nope -> b", "Unknown name: Nope"),
        ("a: list[Nope] -> b", "custom_types={'Nope': ...}"),
        ("a: -> b", "cannot be read"),
        ("a: list[ -> b", "There is none"),
        ("a: int = 3 -> b", "has a default"),
        ("a: 3 -> b", "cannot be part of a type"),
        ("a: Passage.Nope -> b", "Unknown attribute: Nope on Passage"),
        ("a: int[str] -> b", "is not a type"),
        ("a: (lambda: 1)() -> b", "cannot be part of a type"),
        ("a: __import__('os').getcwd() -> b", "cannot be part of a type"),
        ("a -> instructions", "Rename the field"),
    ],
)
def test_a_mistake_is_said_with_its_place_and_its_remedy(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Signature(text)
    assert said in str(caught.value)
    assert isinstance(caught.value, ValueError)
