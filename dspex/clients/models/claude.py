"""What is known of Claude models by their names. A newer one than any known is taken to be as the newest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_NUMBERED = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:[-.](\d{1,2}))?(?!\d)")
_NEWEST = (99, 0)
_ANY = (4, 6)
"""A model that Claude is not named in takes everything: effort, sampling parameters and schemas."""


@dataclass(frozen=True, slots=True)
class Claude:
    """What a Claude model can do.

    Attributes:
        generation: (3, 7) for Claude 3.7.
        room: The tokens of an answer where the caller sets no limit (Anthropic's API needs one).
    """

    generation: tuple[int, int]
    room: int

    @property
    def thinks(self) -> bool:
        """Whether it has extended thinking."""
        return self.generation >= (3, 7)

    @property
    def thinks_adaptively(self) -> bool:
        """Whether its parameter is an effort, not a budget of tokens."""
        return self.generation >= (4, 6)

    @property
    def takes_sampling(self) -> bool:
        """Whether it takes `temperature`, `top_p` and `top_k`: models from 4.7 on do not."""
        return self.generation < (4, 7)

    @property
    def keeps_to_schemas(self) -> bool:
        """Whether it has structured outputs."""
        return self.generation >= (4, 1)


@lru_cache(maxsize=256)
def claude(model: str) -> Claude:
    """Return what a model can do, by its name; also one that is not Claude and speaks its format."""
    name = model.rsplit("/", 1)[-1].lower()
    if "claude" not in name:
        return Claude(_ANY, 8_192)
    found = _NUMBERED.search(name)
    if found is None:
        return Claude(_NEWEST, 16_000)
    generation = (int(found[1]), int(found[2] or 0))
    if generation < (3, 5):
        return Claude(generation, 4_096)
    return Claude(generation, 8_192 if generation < (3, 7) else 16_000)
