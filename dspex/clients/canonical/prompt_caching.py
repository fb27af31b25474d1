"""How a caller wants a provider to cache the beginning of prompts: the `prompt_cache` of an `LM` or of a call.

Providers that cache by themselves (OpenAI, Gemini, DeepSeek, ...) need no marks, and do it always. Anthropic
caches what is marked, at 1.25 times the price of reading it once and a tenth of it from then on. So by default (None)
that is marked which a predictor sends in every call, its system message and demos, where it is long enough to be
cached. ``True`` marks it whatever its length, and the system message of any other call too; ``"1h"`` does so for an
hour instead of five minutes, at twice the price; ``False`` marks nothing. DSPy's ``CacheConfig`` says the same in its
words (`mode`, `retention`, `prefix`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dspex.errors import LMUnsupportedFeatureError, UsageError

PAYS_FROM_BYTES = 4096
"""About 1024 tokens, the least that most models cache. A mark on less is ignored, at no cost."""

_ELSEWHERE = {
    "key": "pass prompt_cache_key=, which OpenAI has",
    "resource": 'pass cachedContent=, which Gemini has, such as "cachedContents/123"',
    "prefix_until_index": "put cache_control on that message",
}


@dataclass(frozen=True, slots=True)
class PromptCaching:
    """What to mark: nothing, what is worth it, or all that is stable; and `history`: the last message too."""

    wanted: bool | None = None
    ttl: str | None = None
    history: bool = False

    @property
    def marker(self) -> dict[str, str]:
        """The value of ``cache_control`` on a marked block."""
        return {"type": "ephemeral"} if self.ttl is None else {"type": "ephemeral", "ttl": self.ttl}

    def marks(self, size: int) -> bool:
        """Tell whether to mark a stable beginning of `size` bytes."""
        return size >= PAYS_FROM_BYTES if self.wanted is None else self.wanted


AUTOMATIC = PromptCaching()
_WORDS = {True: PromptCaching(True), False: PromptCaching(False), "5m": PromptCaching(True)}
_WORDS["1h"] = PromptCaching(True, "1h")


def prompt_caching(asked: Any) -> PromptCaching:
    """Read what an LM's `prompt_cache` asks for.

    Raises:
        UsageError: it is neither a known word nor a ``CacheConfig``.
        LMUnsupportedFeatureError: it asks for more than marks.
    """
    if asked is None:
        return AUTOMATIC
    if isinstance(asked, (bool, str)) and asked in _WORDS:
        return _WORDS[asked]
    config = _config(asked)
    for name, instead in _ELSEWHERE.items():
        if config.get(name) is not None:
            raise LMUnsupportedFeatureError(f"prompt_cache with {name}= is not supported: {instead}.", feature=name)
    if config["mode"] == "off":
        return _WORDS[False]
    ttl = "1h" if config.get("retention") == "long" else None
    return PromptCaching(True, ttl, history=config.get("prefix") == "history")


def as_plain(asked: Any) -> Any:
    """Check `asked`, and return it in a form that can be saved: a word, or a dict of what a ``CacheConfig`` says."""
    prompt_caching(asked)
    return asked if asked is None or isinstance(asked, (bool, str)) else _config(asked)


def _config(asked: Any) -> dict[str, Any]:
    names = ("mode", "retention", "prefix", *_ELSEWHERE)
    said = {name: asked.get(name) if isinstance(asked, Mapping) else getattr(asked, name, None) for name in names}
    config = {name: value for name, value in said.items() if value is not None}
    if config.get("mode") not in ("auto", "off"):
        raise UsageError(f'prompt_cache={asked!r} is not one of True, False, "5m", "1h", nor a CacheConfig')
    return config
