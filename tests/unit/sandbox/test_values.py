"""Values cross the sandbox's wall unchanged, as far as JSON knows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dspex.primitives import PythonInterpreter
from dspex.sandbox.values import NotSendableError, received, sendable

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = TEXT | st.integers() | st.booleans() | st.none()
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def interpreter() -> Iterator[PythonInterpreter]:
    with PythonInterpreter() as made:
        made.tools["echo"] = lambda value: value
        yield made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PLAIN)
def test_plain_values_go_in_and_out_unchanged(interpreter: PythonInterpreter, value: Any) -> None:
    assert interpreter.execute("[value, echo(value)]", {"value": value}) == [value, value]


@given(PLAIN)
def test_plain_values_are_left_alone(value: Any) -> None:
    assert sendable(value) == received(value) == value


@given(st.sets(st.integers() | TEXT))
def test_sets_come_in_the_same_order_each_time(values: set[Any]) -> None:
    backwards = dict.fromkeys(reversed(list(values)))
    assert sendable(values) == sendable(set(backwards)) == received(frozenset(values))


def test_values_that_contain_themselves_are_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises((NotSendableError, RecursionError)):
        sendable(loop)
