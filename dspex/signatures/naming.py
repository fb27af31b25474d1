"""From the name of a field to words: ``HTMLParser`` becomes ``HTML Parser``, ``text2number`` ``Text 2 Number``."""

from __future__ import annotations

import re

# Where a new word begins, in the order in which the rules apply.
_WORD_BREAKS = (
    re.compile(r"(.)([A-Z][a-z]+)"),
    re.compile(r"([a-z0-9])([A-Z])"),
    re.compile(r"([a-zA-Z])(\d)"),
    re.compile(r"(\d)([a-zA-Z])"),
)


def infer_prefix(attribute_name: str) -> str:
    """Turn a field's name into capitalized words; acronyms stay as they are."""
    for boundary in _WORD_BREAKS:
        attribute_name = boundary.sub(r"\1_\2", attribute_name)
    return " ".join(word if word.isupper() else word.capitalize() for word in attribute_name.split("_"))
