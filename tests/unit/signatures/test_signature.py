"""Signature classes: how they are made, changed into new ones, compared and saved."""

from __future__ import annotations

import copy
import pickle

import cloudpickle
import pydantic
import pytest

from dspex.errors import UsageError
from dspex.signatures import InputField, OutputField, Signature, ensure_signature, infer_prefix, make_signature


class Rating(Signature):
    """Rate the review.

    Be strict.
    """

    review = InputField()
    hint: str = InputField(desc="may help", max_length=20)
    stars: int = OutputField(ge=1, le=5, desc="how many")


def test_class_form_keeps_order_roles_types_and_instructions() -> None:
    assert Rating.signature == "review, hint -> stars"
    assert Rating.instructions == "Rate the review.\n\nBe strict."
    assert list(Rating.fields) == ["review", "hint", "stars"]
    assert Rating.fields["stars"].annotation is int
    assert Rating.fields["review"].annotation is str


def test_what_user_code_reads_of_a_field_lies_under_dspys_keys() -> None:
    assert Rating.fields["stars"].json_schema_extra == {
        "__dspy_field_type": "output",
        "desc": "how many",
        "prefix": "Stars:",
        "constraints": "greater than or equal to: 1, less than or equal to: 5",
    }
    assert Rating.fields["review"].json_schema_extra == {
        "__dspy_field_type": "input",
        "IS_TYPE_UNDEFINED": True,
        "prefix": "Review:",
        "desc": "${review}",
    }


def test_default_instructions_name_the_fields() -> None:
    assert Signature("a, b -> c").instructions == "Given the fields `a`, `b`, produce the fields `c`."


def test_a_subclass_without_docstring_has_its_parents_instructions_and_fields() -> None:
    class More(Rating):
        why: str = OutputField()

    assert More.instructions == Rating.instructions
    assert More.signature == "review, hint -> stars, why"
    assert "why" not in Rating.fields


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.with_instructions("Other."),
        lambda s: s.append_instructions("Other."),
        lambda s: s.with_updated_fields("hint", desc="other"),
        lambda s: s.with_updated_fields("hint", type_=int),
        lambda s: s.prepend("first", InputField()),
        lambda s: s.append("last", OutputField(), list[str]),
        lambda s: s.insert(1, "second", InputField(), int),
        lambda s: s.delete("hint"),
        lambda s: s.load_state({**s.dump_state(), "instructions": "Other."}),
    ],
)
def test_every_change_makes_a_new_class_and_leaves_the_old_one(change) -> None:  # type: ignore[no-untyped-def]
    before = repr(Rating)
    changed = change(Rating)
    assert changed is not Rating
    assert repr(changed) != before
    assert repr(Rating) == before


def test_changes_say_what_they_mean() -> None:
    assert Rating.append_instructions("Other.").instructions == "Rate the review.\n\nBe strict.\n\nOther."
    assert Rating.insert(-1, "why", OutputField()).signature == "review, hint -> stars, why"
    assert Rating.insert(-2, "why", OutputField()).signature == "review, hint -> why, stars"
    assert Rating.prepend("why", OutputField(), bool).fields["why"].annotation is bool
    assert Rating.with_updated_fields("stars", type_=float, desc="d").fields["stars"].annotation is float
    assert Rating.delete("nothing").equals(Rating)


def test_equals_looks_at_instructions_and_fields() -> None:
    assert Rating.equals(Rating.with_instructions(Rating.instructions))
    assert not Rating.equals(Rating.with_instructions("x"))
    assert not Rating.equals(Rating.with_updated_fields("hint", desc="x"))
    assert not Rating.equals(Rating.delete("hint"))
    assert not Rating.equals("review, hint -> stars")


def test_state_is_dspys_and_round_trips() -> None:
    state = Rating.dump_state()
    assert state == {
        "instructions": "Rate the review.\n\nBe strict.",
        "fields": [
            {"prefix": "Review:", "description": "${review}"},
            {"prefix": "Hint:", "description": "may help"},
            {"prefix": "Stars:", "description": "how many"},
        ],
    }
    other = Signature("review, hint: str -> stars: int").load_state(state)
    assert other.dump_state() == state
    assert other.load_state({**state, "instructions": ""}).instructions == ""


def test_instructions_may_be_assigned_until_the_signature_is_in_use() -> None:
    signature = Signature("a -> b")
    signature.instructions = "First."
    signature.__doc__ = f"{signature.instructions} Second."
    assert ensure_signature(signature).instructions == "First. Second."
    with pytest.raises(UsageError, match="with_instructions"):
        signature.instructions = "Third."
    with pytest.raises(AttributeError):
        signature.__doc__ = "Third."
    assert signature.instructions == "First. Second."


def test_a_child_of_a_signature_in_use_can_still_be_given_instructions() -> None:
    ensure_signature(Rating)

    class Child(Rating):
        """Its own."""

    Child.__doc__ = "Changed."
    assert (Child.instructions, Rating.instructions) == ("Changed.", "Rate the review.\n\nBe strict.")


def test_a_field_cannot_be_changed_in_place_but_a_deep_copy_can() -> None:
    with pytest.raises(UsageError, match="with_updated_fields"):
        Rating.fields["hint"].json_schema_extra["desc"] = "x"
    fields = copy.deepcopy(Rating.fields)
    fields["hint"].json_schema_extra["desc"] = "x"
    assert Signature(fields, "i").fields["hint"].json_schema_extra["desc"] == "x"
    assert Rating.fields["hint"].json_schema_extra["desc"] == "may help"


def test_the_fields_one_is_given_are_ones_own() -> None:
    fields = Rating.fields
    fields.clear()
    assert len(Rating.fields) == 3


def test_wrong_members_are_refused_with_the_errors_of_dspy() -> None:
    with pytest.raises(TypeError, match="InputField or OutputField"):

        class Wrong(Signature):
            a: str
            b: str = OutputField()

    with pytest.raises(TypeError, match="InputField or OutputField"):

        class AlsoWrong(Signature):
            a: str = pydantic.Field()

    with pytest.raises(ValueError, match="InputField"):
        Signature({"a": 3})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="must be types"):
        Signature({"a": ("x", InputField())})
    with pytest.raises(ValueError, match="no field 'x'"):
        Rating.with_updated_fields("x", desc="d")
    with pytest.raises(ValueError, match="Invalid index"):
        Rating.insert(4, "x", InputField())
    with pytest.raises(TypeError, match="must be an InputField"):
        Rating.append("x", str)
    with pytest.raises(ValueError, match="not 3"):
        ensure_signature(3)
    with pytest.raises(ValueError, match="with_instructions"):
        ensure_signature(Rating, "x")


def test_dict_form_takes_fields_with_or_without_types() -> None:
    signature = make_signature({"a": InputField(), "b": (list[int], OutputField())}, "Do.")
    assert signature.fields["a"].annotation is str
    assert signature.fields["b"].annotation == list[int]


def test_instances_hold_values() -> None:
    assert Rating(review="r", hint="h", stars=3).stars == 3


def test_annotations_of_local_types_resolve_under_postponed_evaluation() -> None:
    class Local(pydantic.BaseModel):
        x: int

    class Uses(Signature):
        a: list[Local] = InputField()
        b: str = OutputField()

    assert Uses.fields["a"].annotation == list[Local]


def test_dynamic_signatures_travel_by_cloudpickle() -> None:
    signature = Signature("a: list[int] -> b: bool", "Do it.")
    ensure_signature(signature)
    assert repr(pickle.loads(cloudpickle.dumps(signature))) == repr(signature)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("camelCaseText", "Camel Case Text"),
        ("snake_case_text", "Snake Case Text"),
        ("text2number", "Text 2 Number"),
        ("HTMLParser", "HTML Parser"),
    ],
)
def test_infer_prefix(name: str, words: str) -> None:
    assert infer_prefix(name) == words
