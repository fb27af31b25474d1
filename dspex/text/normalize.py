"""Texts made comparable, as question answering does it (SQuAD, HotPotQA, DPR)."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from dspex.text.dpr_tokens import DPR_normalize, has_answer

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CLOSED_ANSWERS = ("yes", "no", "noanswer")


def normalize_text(s: str) -> str:
    """`s` decomposed (NFD), in lower case, without ASCII punctuation, English articles and extra white space."""
    text = unicodedata.normalize("NFD", s).lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def em_score(prediction: str, ground_truth: str) -> bool:
    """Check whether two texts are the same when normalized (`normalize_text`): "exact match".

    Args:
        prediction: What was answered.
        ground_truth: The right answer.

    Source: Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text" (2016).
    """
    return normalize_text(prediction) == normalize_text(ground_truth)


def f1_score(prediction: str, ground_truth: str) -> float:
    """Return the harmonic mean of the precision and the recall of the prediction's words, normalized, from 0 to 1.

    Args:
        prediction: What was answered.
        ground_truth: The right answer.

    Source: Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text" (2016).
    """
    return _f1(normalize_text(prediction).split(), normalize_text(ground_truth).split())


def hotpot_f1_score(prediction: str, ground_truth: str) -> float:
    """Return `f1_score`, except that yes, no and noanswer match themselves alone.

    Args:
        prediction: What was answered.
        ground_truth: The right answer.

    Source: Yang et al., "HotpotQA: A Dataset for Diverse, Explainable Multi-hop Question Answering" (2018).
    """
    said, true = normalize_text(prediction), normalize_text(ground_truth)
    if said != true and (said in _CLOSED_ANSWERS or true in _CLOSED_ANSWERS):
        return 0.0
    return _f1(said.split(), true.split())


def precision_score(prediction: str, ground_truth: str) -> float:
    """Return the share of the prediction's words, normalized, that are in the truth, from 0 to 1.

    Args:
        prediction: What was answered.
        ground_truth: The right answer.
    """
    said = normalize_text(prediction).split()
    common = _overlap(said, normalize_text(ground_truth).split())
    return common / len(said) if common else 0.0


def holds_answer(passage: str, answer: str) -> bool:
    """Check whether the words of an answer stand in a passage, one after another; both are normalized.

    Args:
        passage: The text to search.
        answer: The text to find.
    """
    return has_answer([DPR_normalize(normalize_text(answer))], normalize_text(passage))


def _f1(said: Sequence[str], true: Sequence[str]) -> float:
    common = _overlap(said, true)
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(true)
    return 2 * precision * recall / (precision + recall)


def _overlap(said: Sequence[str], true: Sequence[str]) -> int:
    return (Counter(said) & Counter(true)).total()
