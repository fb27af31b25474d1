"""What is known of Gemini models by their names."""

from __future__ import annotations

import re
from functools import lru_cache

_NUMBERED = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


@lru_cache(maxsize=256)
def generation(model: str) -> tuple[int, int]:
    """Return the generation of a Gemini model, such as (2, 5).

    One without a number (``gemini-flash-latest``) is the newest; a model that is not called Gemini (Gemma, ...) is
    (0, 0).
    """
    name = model.rsplit("/", 1)[-1].lower()
    found = _NUMBERED.search(name)
    if found is not None:
        return int(found[1]), int(found[2] or 0)
    return (99, 0) if name.startswith("gemini") else (0, 0)


def takes_levels(model: str) -> bool:
    """Tell whether the model takes a level of thinking, not a budget of tokens."""
    return generation(model) >= (3, 0)


def thinks(model: str) -> bool:
    """Tell whether the model takes a reasoning effort. One that is not called Gemini is assumed to."""
    return generation(model) >= (2, 5) or generation(model) == (0, 0)
