"""DSPy's small functions of old beside ours."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import dspy.dsp.utils
import dspy.dsp.utils.dpr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dspex.dsp.utils
import dspex.dsp.utils.dpr

OURS: Any = dspex.dsp.utils
THEIRS: Any = dspy.dsp.utils

CASES: dict[str, Callable[[Any], Any]] = {
    "deduplicate": lambda lib: lib.deduplicate(["b", "a", "b"]),
    "batch": lambda lib: list(lib.batch([1, 2, 3, 4, 5], 2)),
    "batch with offsets": lambda lib: list(lib.batch([1, 2, 3], 2, provide_offset=True)),
    "flatten": lambda lib: lib.flatten([[1], [2, 3], []]),
    "zipstar": lambda lib: lib.zipstar([(1, 2), (3, 4)]),
    "zipstar of nothing": lambda lib: lib.zipstar([]),
    "zipstar of much": lambda lib: lib.zipstar([list(range(120))] * 2),
    "zip_first": lambda lib: lib.zip_first([1, 2], [3, 4, 5]),
    "int_or_float": lambda lib: [lib.int_or_float("3"), lib.int_or_float("3.5")],
    "groupby_first_item": lambda lib: dict(lib.groupby_first_item([(1, 2), (1, 3), (2, 4, 5)])),
    "process_grouped": lambda lib: list(lib.process_grouped_by_first_item([(1, 2), (1, 3), (2, 4, 5), (3, 6)]))[:2],
    "grouper": lambda lib: list(lib.grouper("ABCDE", 2, "x")),
    "lengths2offsets": lambda lib: list(lib.lengths2offsets([2, 0, 3])),
    "timestamp": lambda lib: re.sub(r"\\d", "0", lib.timestamp() + lib.timestamp(daydir=True)),
    "dotdict": lambda lib: (lib.dotdict(a=1).a, copy.deepcopy(lib.dotdict(a=[1])), hasattr(lib.dotdict(), "a")),
    "dotdict_lax": lambda lib: (lib.dotdict_lax(a=1).a, lib.dotdict_lax().b),
    "has_answer": lambda lib: [lib.has_answer([["new", "york"]], text) for text in ("In New York!", "York new", "")],
    "strip_accents": lambda lib: lib.strip_accents("Zürich é"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_function_gives_the_same(case: Callable[[Any], Any]) -> None:
    assert case(OURS) == case(THEIRS)


def test_zip_first_wants_enough_seconds() -> None:
    for lib in (OURS, THEIRS):
        with pytest.raises(AssertionError):
            lib.zip_first([1, 2], [3])


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cn", "Cs"])))
def test_words_are_cut_alike(text: str) -> None:
    assert dspex.dsp.utils.dpr.DPR_normalize(text) == dspy.dsp.utils.dpr.DPR_normalize(text)


def test_messages_are_printed_alike(capsys: pytest.CaptureFixture[str]) -> None:
    said = [(lib.print_message("a", 1, pad=True)[17:], capsys.readouterr().out[18:]) for lib in (OURS, THEIRS)]
    assert said[0] == said[1]
