"""DSPy's ``dspy.dsp.utils.dpr``: does a passage hold an answer, as Dense Passage Retrieval asks it."""

from dspex.text.dpr_tokens import (
    DPR_normalize,
    DPR_tokenize,
    SimpleTokenizer,
    STokenizer,
    Tokenizer,
    Tokens,
    has_answer,
    locate_answers,
    strip_accents,
)

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
