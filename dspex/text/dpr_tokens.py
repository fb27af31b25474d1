"""Texts cut into words, as DPR does it: to find answers in passages."""

from __future__ import annotations

import copy
import logging
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

logger = logging.getLogger(__name__)

Span = tuple[int, int]
Token = tuple[str, str, Span]
"""A token: its text, its text with the white space after it, and where it starts and ends in the whole."""


class Tokens:
    """A text as tokens. What an annotator adds to each (part of speech, lemma, entity) follows in the tuples."""

    TEXT = 0
    TEXT_WS = 1
    SPAN = 2
    POS = 3
    LEMMA = 4
    NER = 5

    def __init__(self, data: Sequence[Any], annotators: Any, opts: dict[str, Any] | None = None) -> None:
        """Hold the tokens of one text.

        Args:
            data: The tokens, in order.
            annotators: The names of the annotations that they have.
            opts: DPR's options.
        """
        self.data = data
        self.annotators = annotators
        self.opts = opts or {}

    def __len__(self) -> int:
        return len(self.data)

    def slice(self, i: int | None = None, j: int | None = None) -> Self:
        """Return the tokens from `i` to before `j`, as a Python slice.

        Args:
            i: The first token; from the beginning if None.
            j: The token after the last; to the end if None.
        """
        part = copy.copy(self)
        part.data = self.data[i:j]
        return part

    def untokenize(self) -> str:
        """The text, as it was."""
        return "".join(self._column(self.TEXT_WS)).strip()

    def words(self, uncased: bool = False) -> list[str]:
        """Return the tokens' texts, in lower case if `uncased`."""
        words = self._column(self.TEXT)
        return [word.lower() for word in words] if uncased else words

    def offsets(self) -> list[Span]:
        """Where each token starts and ends, in characters."""
        return self._column(self.SPAN)

    def pos(self) -> list[Any] | None:
        """Parts of speech, or None without the annotator ``pos``."""
        return self._annotated("pos", self.POS)

    def lemmas(self) -> list[Any] | None:
        """Lemmas, or None without the annotator ``lemma``."""
        return self._annotated("lemma", self.LEMMA)

    def entities(self) -> list[Any] | None:
        """Entity tags, or None without the annotator ``ner``."""
        return self._annotated("ner", self.NER)

    def ngrams(
        self,
        n: int = 1,
        uncased: bool = False,
        filter_fn: Callable[[list[str]], Any] | None = None,
        as_strings: bool = True,
    ) -> list[Any]:
        """List all runs of 1 to `n` words.

        Args:
            n: The most words of a run.
            uncased: Whether to use words in lower case.
            filter_fn: Runs for which it is true are left out.
            as_strings: Whether to return texts; else pairs of (start, end), counted in words.
        """
        words = self.words(uncased)
        spans = [
            (start, end)
            for start in range(len(words))
            for end in range(start + 1, min(start + n, len(words)) + 1)
            if filter_fn is None or not filter_fn(words[start:end])
        ]
        return [" ".join(words[start:end]) for start, end in spans] if as_strings else spans

    def entity_groups(self) -> list[tuple[str, Any]] | None:
        """Neighbouring tokens of one entity, as (text, tag); None without the annotator ``ner``."""
        entities = self.entities()
        if not entities:
            return None
        groups, start = [], 0
        for place in range(1, len(entities) + 1):
            if place < len(entities) and entities[place] == entities[start]:
                continue
            if entities[start] != self.opts.get("non_ent", "O"):
                groups.append((self.slice(start, place).untokenize(), entities[start]))
            start = place
        return groups

    def _column(self, index: int) -> list[Any]:
        return [token[index] for token in self.data]

    def _annotated(self, annotator: str, index: int) -> list[Any] | None:
        return self._column(index) if annotator in self.annotators else None


class Tokenizer:
    """Base of tokenizers: `tokenize` makes `Tokens` of a text."""

    def tokenize(self, text: str) -> Tokens:
        """Split `text` into tokens."""
        raise NotImplementedError

    def shutdown(self) -> None:
        """Release what the tokenizer holds. Nothing, here."""


class SimpleTokenizer(Tokenizer):
    """Cuts a text into runs of letters, digits and marks; any other visible character is a token by itself."""

    def __init__(self, **kwargs: Any) -> None:
        if kwargs.get("annotators"):
            logger.warning("%s only tokenizes! Skipping annotators: %s", type(self).__name__, kwargs.get("annotators"))
        self.annotators: set[str] = set()

    def tokenize(self, text: str) -> Tokens:
        """Split `text` into runs of letters, digits and marks, and other visible characters."""
        spans = list(_spans(text))
        next_starts = [start for start, _ in spans[1:]] + [end for _, end in spans[-1:]]
        data = [
            (text[start:end], text[start:next_start], (start, end))
            for (start, end), next_start in zip(spans, next_starts, strict=True)
        ]
        return Tokens(data, self.annotators)


def DPR_tokenize(text: str) -> Tokens:
    """Split `text`, decomposed (NFD), into tokens."""
    return SimpleTokenizer().tokenize(unicodedata.normalize("NFD", text))


def DPR_normalize(text: str) -> list[str]:
    """Split `text` into words, decomposed (NFD) and in lower case."""
    return DPR_tokenize(text).words(uncased=True)


def has_answer(tokenized_answers: Sequence[Sequence[str]], text: str) -> bool:
    """Check whether the words of any answer stand in a text, one after another.

    Args:
        tokenized_answers: The words of each answer, normalized by `DPR_normalize`.
        text: The text to search.

    Source: Karpukhin et al., "Dense Passage Retrieval for Open-Domain Question Answering" (2020).
    """
    words = DPR_normalize(text)
    return any(next(_places(list(answer), words), None) is not None for answer in tokenized_answers)


def locate_answers(tokenized_answers: Sequence[Tokens], text: str) -> list[Span]:
    """Find where answers stand in a text.

    Args:
        tokenized_answers: The tokens of each answer.
        text: The text to search.

    Returns:
        Places as (start, end) in characters of the decomposed (NFD) text, answer by answer.
    """
    tokens = DPR_tokenize(text)
    words, offsets = tokens.words(uncased=True), tokens.offsets()
    return [
        (offsets[place][0], offsets[place + len(answer) - 1][1])
        for answer in (each.words(uncased=True) for each in tokenized_answers)
        for place in _places(answer, words)
    ]


def strip_accents(text: str) -> str:
    """`text`, decomposed (NFD), without its combining marks."""
    return "".join(each for each in unicodedata.normalize("NFD", text) if unicodedata.category(each) != "Mn")


def _places(wanted: list[str], words: list[str]) -> Iterator[int]:
    return (start for start in range(len(words) - len(wanted) + 1) if words[start : start + len(wanted)] == wanted)


def _spans(text: str) -> Iterator[Span]:
    """Runs of letters, digits and marks; any other character that is neither white space nor control by itself."""
    start: int | None = None
    for place, character in enumerate(text):
        kind = unicodedata.category(character)[0]
        if kind in "LNM":
            start = place if start is None else start
            continue
        if start is not None:
            yield start, place
            start = None
        if kind not in "ZC":
            yield place, place + 1
    if start is not None:
        yield start, len(text)


STokenizer = SimpleTokenizer()

__all__ = [
    "DPR_normalize",
    "DPR_tokenize",
    "STokenizer",
    "SimpleTokenizer",
    "Tokenizer",
    "Tokens",
    "has_answer",
    "locate_answers",
    "strip_accents",
]
