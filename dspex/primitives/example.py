"""`Example`: one row of data, with its fields as attributes and as keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import BaseModel

from dspex.errors import UsageError


class Example:
    """A row of a data set: a small dictionary whose fields are attributes too.

    `with_inputs` says which fields a program is given; the others are labels. Equal examples hold equal fields, and
    equal examples have equal hashes, whatever their values are.

    Args:
        base: Fields to start from: a mapping, or another example, whose input keys are kept.
        **fields: More fields; they win over those of `base`.
    """

    _store: dict[str, Any]
    _input_keys: frozenset[str] | None
    _demos: list[Any]

    def __init__(self, base: Example | Mapping[str, Any] | None = None, **fields: Any) -> None:
        own = self.__dict__
        own["_demos"] = []
        own["_input_keys"] = None
        if base is None:
            own["_store"] = fields
        elif isinstance(base, Example):
            own["_store"] = {**base._store, **fields}
            own["_input_keys"] = base._input_keys
        else:
            own["_store"] = {**base, **fields}

    # Fields, as attributes and as keys

    def __getattr__(self, name: str) -> Any:
        store = self.__dict__.get("_store")
        if store is not None and name in store and not (name.startswith("__") and name.endswith("__")):
            return store[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or hasattr(type(self), name):
            object.__setattr__(self, name, value)
        else:
            self._store[name] = value

    def __delattr__(self, name: str) -> None:
        if name in self._store:
            del self._store[name]
        else:
            object.__delattr__(self, name)

    def __getitem__(self, key: str) -> Any:
        return self._store[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._store[key] = value

    def __delitem__(self, key: str) -> None:
        del self._store[key]

    def __contains__(self, key: object) -> bool:
        return key in self._store

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._store))

    def __len__(self) -> int:
        return sum(not key.startswith("dspy_") for key in self._store)

    def keys(self, include_dspy: bool = False) -> list[str]:
        """Return the field names. Fields that start with ``dspy_`` are internal and left out by default."""
        return [key for key in self._store if include_dspy or not key.startswith("dspy_")]

    def values(self, include_dspy: bool = False) -> list[Any]:
        """Return the values of the fields, in the order of `keys`."""
        return [self._store[key] for key in self.keys(include_dspy)]

    def items(self, include_dspy: bool = False) -> list[tuple[str, Any]]:
        """Return pairs of a field's name and its value, in the order of `keys`."""
        return [(key, self._store[key]) for key in self.keys(include_dspy)]

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of the field `key`, or `default` where there is none."""
        return self._store.get(key, default)

    # Inputs and labels

    def with_inputs(self, *keys: str) -> Self:
        """Return a copy in which `keys` are the fields that a program is given."""
        copied = self.copy()
        copied.__dict__["_input_keys"] = frozenset(keys)
        return copied

    def inputs(self) -> Self:
        """The input fields alone.

        Raises:
            UsageError: `with_inputs` was not called on this example.
        """
        keys = self._known_input_keys()
        chosen = type(self)({key: value for key, value in self._store.items() if key in keys})
        chosen.__dict__["_input_keys"] = keys
        return chosen

    def labels(self) -> Self:
        """The fields that are not inputs.

        Raises:
            UsageError: `with_inputs` was not called on this example.
        """
        keys = self._known_input_keys()
        return type(self)({key: value for key, value in self._store.items() if key not in keys})

    def _known_input_keys(self) -> frozenset[str]:
        if self._input_keys is None:
            raise UsageError(
                "Inputs have not been set for this example. Use `example.with_inputs()` to set them: which of its "
                f"fields ({', '.join(self.keys()) or 'none'}) are they?"
            )
        return self._input_keys

    # Copies

    def copy(self, **fields: Any) -> Self:
        """Return a shallow copy with `fields` added or replaced; input keys are kept."""
        return type(self)(self, **fields)

    def without(self, *keys: str) -> Self:
        """Return a copy without `keys`; input keys are kept.

        Raises:
            KeyError: the example has no such field.
        """
        copied = self.copy()
        for key in keys:
            del copied[key]
        return copied

    def toDict(self) -> dict[str, Any]:
        """The fields as plain dictionaries, lists and values, all the way down."""
        return {key: _plain(value) for key, value in self._store.items()}

    # Comparison and display

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Example) and self._store == other._store

    def __hash__(self) -> int:
        return hash(_hashable(self._store))

    def __repr__(self) -> str:
        fields = dict(self.items())
        inputs = None if self._input_keys is None else "{" + ", ".join(map(repr, sorted(self._input_keys))) + "}"
        return f"Example({fields}) (input_keys={inputs})"


def _plain(value: Any) -> Any:
    if hasattr(value, "toDict"):
        return value.toDict()
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _hashable(value: Any) -> Any:
    """Something with a hash that equal values share."""
    if isinstance(value, Mapping):
        return frozenset((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(_hashable(item) for item in value)
    if isinstance(value, set):
        return frozenset(value)
    try:
        hash(value)
    except TypeError:
        return type(value).__qualname__
    return value
