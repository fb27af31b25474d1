"""DSPy's ``dspy.dsp.utils.dpr``: does a passage hold an answer, as Dense Passage Retrieval asks it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

__all__ = ["DPR_normalize", "has_answer", "strip_accents"]

_WORD = re.compile(r"A+|B")


def DPR_normalize(text: str) -> list[str]:
    """The words of `text` in lower case: runs of letters, digits and marks, and other visible characters singly."""
    decomposed = unicodedata.normalize("NFD", text)
    kinds = "".join(map(_kind, decomposed))
    return [decomposed[found.start() : found.end()].lower() for found in _WORD.finditer(kinds)]


def has_answer(tokenized_answers: Sequence[Sequence[str]], text: str) -> bool:
    """Whether the words of an answer stand in `text`, one after another."""
    words = DPR_normalize(text)
    return any(
        words[start : start + len(answer)] == list(answer)
        for answer in tokenized_answers
        for start in range(len(words) - len(answer) + 1)
    )


def strip_accents(text: str) -> str:
    """`text` decomposed and without its accents."""
    return "".join(each for each in unicodedata.normalize("NFD", text) if unicodedata.category(each) != "Mn")


def _kind(character: str) -> str:
    """A for what words are made of, B for what is a word by itself, a space for what parts words."""
    category = unicodedata.category(character)[0]
    return "A" if category in "LNM" else " " if category in "ZC" else "B"
