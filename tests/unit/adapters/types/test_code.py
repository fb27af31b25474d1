"""``Code["java"]`` is one type, wherever it is written, and its values travel."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import cloudpickle
import pytest

from dspex import Code


def test_a_language_is_one_type() -> None:
    assert Code["java"] is Code["java"]
    assert Code["java"] is not Code["c"]
    assert (Code.language, Code["java"].language, Code["java"].__name__) == ("python", "java", "Code_java")


@pytest.mark.parametrize("made", [Code, Code["java"], Code["c++"]["java"]])
def test_values_are_pickled_and_copied(made: Any) -> None:
    value = made(code="```not fenced again```").model_copy(update={"code": "```a\n```"})
    for copied in (
        pickle.loads(pickle.dumps(value)),
        pickle.loads(cloudpickle.dumps(value)),
        copy.deepcopy(value),
        copy.copy(value),
        value.model_copy(),
    ):
        assert type(copied) is made
        assert copied.code == value.code
