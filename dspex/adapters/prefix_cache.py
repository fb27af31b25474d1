"""The cache of rendered prefixes, by signature and by the content of the demos, whichever object holds them.

Demos are mutable, so a prefix is looked up by their content. That is made cheap: as long as the very same values are in
the very same places, comparing identities is enough; only values that can change in place (lists, dicts, models) are
compared by content at each call.
"""

from __future__ import annotations

import marshal
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from operator import is_
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from dspex.clients.canonical.prompt import Prefix

T = TypeVar("T")

_IMMUTABLE = frozenset({str, int, float, bool, type(None), bytes})
_FORMAT = 2  # the last format of `marshal` whose bytes depend on the value alone


class PrefixCache:
    """The prefixes used last, at most `size` of them."""

    def __init__(self, size: int = 256) -> None:
        self._seen: _Latest[_Seen] = _Latest(size)
        self._by_content: _Latest[Prefix] = _Latest(size)

    def get(self, key: Hashable, demos: Sequence[Any], render: Callable[[], Prefix]) -> Prefix:
        """Return the prefix of a prompt, from `render` if it is not known or the demos have changed.

        Args:
            key: Whatever the prefix depends on beside the demos, such as the signature.
            demos: The demos in the prompt.
            render: Makes the prefix.
        """
        flat = flatten(demos)
        if flat is None:
            return render()
        place = (key, id(demos))
        seen = self._seen.get(place)
        if seen is not None and seen.unchanged(flat):
            return seen.prefix
        content = _frozen(flat)
        if content is None:
            return render()
        prefix = self._by_content.get((key, content))
        if prefix is None:
            prefix = render()
            self._by_content.put((key, content), prefix)
        self._seen.put(place, _Seen(flat, _changeable(flat), prefix))
        return prefix


def flatten(demos: Sequence[Any]) -> list[Any] | None:
    """List the keys and values of all demos, each demo's after their number; None for demos of unknown kinds."""
    flat: list[Any] = []
    for demo in demos:
        fields = demo if type(demo) is dict else getattr(demo, "_store", None)
        if type(fields) is not dict:
            return None
        flat.append(len(fields))
        flat.extend(fields)
        flat.extend(fields.values())
    return flat


@dataclass(frozen=True, slots=True)
class _Seen:
    """Demos as they were when `prefix` was made of them. It keeps their values alive, so identities stay theirs."""

    flat: list[Any]
    changeable: list[tuple[int, bytes | None]]
    prefix: Prefix

    def unchanged(self, flat: list[Any]) -> bool:
        if len(flat) != len(self.flat) or not all(map(is_, flat, self.flat)):
            return False
        return all(_frozen(flat[index]) == content for index, content in self.changeable)


def _changeable(flat: list[Any]) -> list[tuple[int, bytes | None]]:
    return [(index, _frozen(value)) for index, value in enumerate(flat) if type(value) not in _IMMUTABLE]


def _frozen(value: Any) -> bytes | None:
    """The content of `value`, telling types apart (1, 1.0 and True); None for what we cannot compare by content."""
    try:
        return marshal.dumps(value, _FORMAT)
    except ValueError:
        pass
    try:
        return marshal.dumps(_plain(value), _FORMAT)
    except (ValueError, TypeError, RecursionError):
        return None


def _plain(value: Any) -> Any:
    """`value` in builtin types that differ wherever the values differ."""
    kind = type(value)
    if kind in _IMMUTABLE:
        return value
    if kind in (list, tuple):
        return (kind.__name__, [_plain(one) for one in value])
    if kind is dict:
        return ("dict", [(_plain(key), _plain(one)) for key, one in value.items()])
    name = f"{kind.__module__}.{kind.__qualname__}@{id(kind)}"
    if isinstance(value, Enum):
        return (name, value.name)
    if isinstance(value, BaseModel) and not value.__pydantic_private__:
        return (name, _plain(dict(value.__dict__)), _plain(value.__pydantic_extra__))
    raise TypeError(f"{kind.__name__} cannot be compared by content")


class _Latest(Generic[T]):
    """A dict of at most `size` items that forgets what was not used for longest. Safe to use from several threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        with self._lock:
            found = self._items.get(key)
            if found is not None:
                self._items.move_to_end(key)
            return found

    def put(self, key: Hashable, value: T) -> None:
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            if len(self._items) > self._size:
                self._items.popitem(last=False)
