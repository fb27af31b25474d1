import copy
import pickle

import pytest
from pydantic import BaseModel

from dspex.errors import UsageError
from dspex.primitives import Example


class Person(BaseModel):
    name: str


def test_fields_are_attributes_and_keys() -> None:
    example = Example({"question": "q"}, answer="a")
    example.hint = "h"
    example["more"] = 1
    assert (example.question, example["answer"], example.hint, example.more) == ("q", "a", "h", 1)
    assert dict(**example) == {"question": "q", "answer": "a", "hint": "h", "more": 1}
    assert "hint" in example
    assert example.get("none", 7) == 7
    del example["hint"]
    assert "hint" not in example
    with pytest.raises(AttributeError, match="hint"):
        _ = example.hint


def test_internal_fields_are_left_out_unless_asked_for() -> None:
    example = Example(question="q", dspy_uuid="1")
    assert len(example) == 1
    assert example.keys() == ["question"]
    assert example.keys(include_dspy=True) == ["question", "dspy_uuid"]
    assert example.items() == [("question", "q")]
    assert example.values() == ["q"]


def test_inputs_and_labels_divide_the_fields() -> None:
    example = Example(question="q", context="c", answer="a").with_inputs("question", "context")
    assert example.inputs().toDict() == {"question": "q", "context": "c"}
    assert example.labels().toDict() == {"answer": "a"}
    assert example.inputs().inputs() == example.inputs()


def test_inputs_without_input_keys_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"with_inputs.*") as caught:
        Example(question="q", answer="a").inputs()
    assert "question, answer" in str(caught.value)


def test_copies_keep_input_keys_and_leave_the_original_alone() -> None:
    example = Example(question="q", answer="a", extra=1).with_inputs("question")
    assert example.copy(question="other").inputs().question == "other"
    assert example.without("extra").labels().toDict() == {"answer": "a"}
    assert Example(example, answer="b").inputs().toDict() == {"question": "q"}
    assert example.toDict() == {"question": "q", "answer": "a", "extra": 1}


@pytest.mark.parametrize("value", [[1, [2]], {"a": [1]}, {1, 2}, Person(name="x"), 1.0, None, bytearray(b"x")])
def test_equal_examples_have_equal_hashes_whatever_they_hold(value: object) -> None:
    one, other = Example(field=value), Example(field=copy.deepcopy(value)).with_inputs("field")
    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other}) == 1


def test_to_dict_goes_all_the_way_down() -> None:
    example = Example(people=[Person(name="x")], inner=Example(a=1), table={"k": Person(name="y")})
    assert example.toDict() == {"people": [{"name": "x"}], "inner": {"a": 1}, "table": {"k": {"name": "y"}}}


def test_survives_pickling_and_deep_copying() -> None:
    example = Example(question=["q"]).with_inputs("question")
    for copied in (pickle.loads(pickle.dumps(example)), copy.deepcopy(example)):
        assert copied == example
        assert copied.inputs() == example.inputs()
    deep = copy.deepcopy(example)
    deep.question.append("more")
    assert example.question == ["q"]
