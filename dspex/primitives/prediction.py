"""`Prediction`: what a module returns; `Completions`: all the answers behind it."""

from __future__ import annotations

from collections.abc import ItemsView, Mapping, Sequence
from typing import Any, Self

from dspex.errors import UsageError
from dspex.primitives.example import Example


class Prediction(Example):
    """A module's outputs as fields. With several completions the fields are the first one's.

    A prediction with a `score` counts as that number in comparisons and arithmetic, so a metric can return one.
    """

    _completions: Completions | Sequence[Mapping[str, Any]] | Mapping[str, list[Any]] | None
    _signature: Any
    _lm_usage: dict[str, Any] | None

    def __init__(self, base: Example | Mapping[str, Any] | None = None, **fields: Any) -> None:
        """Make a prediction of fields.

        Args:
            base: An example, prediction or mapping whose fields to copy.
            **fields: More fields; they win over those of `base`.
        """
        super().__init__(base, **fields)
        own = self.__dict__
        own["_completions"] = None
        own["_signature"] = None
        own["_lm_usage"] = None

    @classmethod
    def from_completions(
        cls, list_or_dict: Sequence[Mapping[str, Any]] | Mapping[str, list[Any]], signature: Any = None
    ) -> Self:
        """Make a prediction of completions; its own fields are those of the first.

        Args:
            list_or_dict: One dictionary of outputs for each completion, or for each output the list of its values.
            signature: The signature that was answered.
        """
        prediction = cls()
        own = prediction.__dict__
        own["_completions"] = list_or_dict
        own["_signature"] = signature
        if isinstance(list_or_dict, list) and len(list_or_dict) == 1:
            own["_store"] = dict(list_or_dict[0])
        else:
            own["_store"] = {name: values[0] for name, values in _columns(list_or_dict).items()}
        return prediction

    @property
    def completions(self) -> Completions | None:
        """All completions, or None for a prediction that was not made of completions."""
        found = self._completions
        if found is not None and not isinstance(found, Completions):
            found = self.__dict__["_completions"] = Completions(found, signature=self._signature)
        return found

    def get_lm_usage(self) -> dict[str, Any] | None:
        """Tokens used by model, where `settings.track_usage` was on."""
        return self._lm_usage

    def set_lm_usage(self, value: dict[str, Any] | None) -> None:
        """Set what `get_lm_usage` returns: token counts by model."""
        self._lm_usage = value

    def __repr__(self) -> str:
        lines = [f"{key}={value!r}" for key, value in self._store.items()]
        count = 1 if self.completions is None else len(self.completions)
        if count > 1:
            lines.append("completions=Completions(...)")
        body = "Prediction(\n    " + ",\n    ".join(lines) + "\n)"
        return body if count <= 1 else f"{body} ({count - 1} completions omitted)"

    # The score as a number

    def __float__(self) -> float:
        if "score" not in self._store:
            raise UsageError("Prediction object does not have a 'score' field to convert to float.")
        return float(self._store["score"])

    def __add__(self, other: Any) -> float:
        return float(self) + _number(other, "addition")

    def __radd__(self, other: Any) -> float:
        return _number(other, "addition") + float(self)

    def __truediv__(self, other: Any) -> float:
        return float(self) / _number(other, "division")

    def __rtruediv__(self, other: Any) -> float:
        return _number(other, "division") / float(self)

    def __lt__(self, other: Any) -> bool:
        return float(self) < _number(other, "comparison")

    def __le__(self, other: Any) -> bool:
        return float(self) <= _number(other, "comparison")

    def __gt__(self, other: Any) -> bool:
        return float(self) > _number(other, "comparison")

    def __ge__(self, other: Any) -> bool:
        return float(self) >= _number(other, "comparison")


class UnevenCompletionsError(UsageError, AssertionError):
    """Completions that do not all have the same fields."""


class Completions:
    """The completions of a prediction: ``completions[i]`` is the i-th, ``completions.field`` the field's values."""

    def __init__(
        self, list_or_dict: Sequence[Mapping[str, Any]] | Mapping[str, list[Any]], signature: Any = None
    ) -> None:
        """Hold the completions of one call.

        Args:
            list_or_dict: One dictionary of outputs for each completion, or for each output the list of its values.
            signature: The signature that was answered.
        """
        self.signature = signature
        self._completions = _columns(list_or_dict)

    def items(self) -> ItemsView[str, list[Any]]:
        """Pairs of a field's name and its values, one for each completion."""
        return self._completions.items()

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, str):
            return self._completions[key]
        if not 0 <= key < len(self):
            raise IndexError(f"Index out of range: there is no completion {key} of {len(self)}.")
        return Prediction({name: values[key] for name, values in self._completions.items()})

    def __getattr__(self, name: str) -> Any:
        columns = self.__dict__.get("_completions", {})
        if name in columns:
            return columns[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __len__(self) -> int:
        return len(next(iter(self._completions.values()), ()))

    def __contains__(self, key: object) -> bool:
        return key in self._completions

    def __repr__(self) -> str:
        return "Completions(\n    " + ",\n    ".join(f"{k}={v!r}" for k, v in self._completions.items()) + "\n)"


def _columns(list_or_dict: Sequence[Mapping[str, Any]] | Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    if isinstance(list_or_dict, Mapping):
        columns.update(list_or_dict)
    else:
        for completion in list_or_dict:
            for name, value in completion.items():
                columns.setdefault(name, []).append(value)
    if not all(isinstance(values, list) for values in columns.values()):
        raise UnevenCompletionsError(
            "All values must be lists: completions are a list of dictionaries or a dictionary of lists."
        )
    if len({len(values) for values in columns.values()}) > 1:
        raise UnevenCompletionsError(
            "All lists must have the same length: every completion has the same fields. "
            f"Got {', '.join(f'{len(values)} of {name}' for name, values in columns.items())}."
        )
    return columns


def _number(other: Any, use: str) -> float:
    if isinstance(other, float | int | Prediction):
        return float(other)
    raise TypeError(f"Unsupported type for {use}: {type(other)}. A prediction counts as its score, a number.")
