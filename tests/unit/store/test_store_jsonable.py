from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import types
import uuid
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from dspex.errors import UsageError
from dspex.store import to_jsonable
from dspex.store.jsonable import decode, encode


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Name(str):
    """A kind of string."""


class Point(BaseModel):
    x: int
    when: datetime.date = datetime.date(2024, 1, 2)


@dataclasses.dataclass
class Pair:
    left: Any
    right: Any


class Example:
    """As DSPy's examples show themselves."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def toDict(self) -> dict[str, Any]:
        return self.fields


UID = uuid.UUID(int=5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (Name("x"), "x"),
        (Point(x=1), {"x": 1, "when": "2024-01-02"}),
        (Pair((1, 2), {Color.RED: None}), {"left": [1, 2], "right": {"red": None}}),
        (Example(a=Point(x=2)), {"a": {"x": 2, "when": "2024-01-02"}}),
        (datetime.datetime(2024, 1, 2, 3, 4, tzinfo=datetime.UTC), "2024-01-02T03:04:00Z"),
        (datetime.time(3, 4), "03:04:00"),
        (datetime.timedelta(minutes=1), "PT1M"),
        (decimal.Decimal("0.10"), "0.10"),
        (UID, str(UID)),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (b"abc", "abc"),
        (b"\xff\x00", "/wA="),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (numpy.float32(0.5), 0.5),
        (numpy.array([[1, 2]]), [[1, 2]]),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        ({2: "a", None: "b", 0.5: "c", True: "d"}, {"2": "a", "null": "b", "0.5": "c", "true": "d"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_becomes_json(value: Any, expected: Any) -> None:
    assert to_jsonable(value) == expected
    assert type(to_jsonable(value)) is type(expected)
    assert decode(encode(value)) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"tools": [{"call": len}]}, r"'row\.tools\[0\]\.call'.*a builtin_function_or_method"),
        ({"file": open}, r"'row\.file'"),
        ({"class": Point}, r"'row\.class'"),
        ({"outer": {(1, 2): "x"}}, r"'row\.outer' has a key that is a tuple"),
        ({"object": object()}, r"'row\.object'.*an object"),
        ({"gen": (i for i in ())}, r"'row\.gen'.*a generator"),
    ],
    ids=["function", "builtin", "class", "key", "object", "generator"],
)
def test_what_cannot_be_data_is_named(value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        to_jsonable(value, "row")


def test_an_open_file_is_named(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(UsageError, match=r"'log'.*TextIOWrapper"):
        to_jsonable({"log": file})


def test_what_refers_to_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append({"circle": circle})
    with pytest.raises(UsageError, match="refers to itself"):
        to_jsonable(circle)


def test_not_a_number_survives() -> None:
    assert math.isnan(decode(encode({"x": float("nan")}))["x"])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_JSON)
def test_json_is_left_as_it_is(value: Any) -> None:
    assert to_jsonable(value) == value
    assert decode(encode(value)) == value
    assert json.loads(encode(value)) == value
