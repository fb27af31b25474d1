"""`Retrieve`: passages for a query, from the configured retrieval model."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from dspex.callback_methods import with_callbacks
from dspex.errors import UsageError
from dspex.predict.invoker import ASYNC, SYNC, Invoker, run_steps
from dspex.primitives.parameter import Parameter
from dspex.primitives.prediction import Prediction
from dspex.settings import settings


class NoRetrievalModelError(UsageError, AssertionError):
    """There is nothing to search in (DSPy asserts it)."""


class Retrieve(Parameter):
    """Finds the `k` passages for a query: ``Retrieve(k=3)("who wrote it?").passages``.

    It asks ``settings.rm``: any function of ``(query, k=...)``, also an asynchronous one, that returns passages: texts,
    objects or dictionaries with `long_text`, or a prediction with `passages`. A program that holds it is saved with its
    `k`.

    Args:
        k: The most passages.
        callbacks: Called at the start and end of each call.
    """

    name: ClassVar[str] = "Search"
    input_variable: ClassVar[str] = "query"
    desc: ClassVar[str] = "takes a search query and returns one or more potentially relevant passages from a corpus"

    def __init__(self, k: int = 3, callbacks: Sequence[Any] | None = None) -> None:
        self.stage = random.randbytes(8).hex()  # a name, no part of any result
        self.k = k
        self.callbacks = list(callbacks or ())

    def reset(self) -> None:
        """There is nothing to forget."""

    def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
        """Its `k`."""
        return {"k": self.k}

    def load_state(self, state: Mapping[str, Any], *, allow_unsafe_lm_state: bool = False) -> None:
        """Take over a saved state.

        Args:
            state: What `dump_state`, or DSPy's, returned.
            allow_unsafe_lm_state: As for other parts of a program; of no effect, as there is no LM here.

        Raises:
            UsageError: the state holds no `k`.
        """
        if not isinstance(state, Mapping) or not isinstance(state.get("k"), int):
            raise UsageError(f"Retrieve: a state holds the number of passages as `k`; this one is {state!r}.")
        self.k = state["k"]

    @with_callbacks
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Search for the passages for a query: see `forward`."""
        return self.forward(*args, **kwargs)

    @with_callbacks
    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Search from asynchronous code: see `forward`."""
        return await self.aforward(*args, **kwargs)

    def forward(self, query: str, k: int | None = None, **kwargs: Any) -> Prediction:
        """Search for the passages for a query.

        Args:
            query: What to search for.
            k: The most passages, in place of this object's own number.
            **kwargs: Further arguments for the retrieval model.

        Returns:
            A prediction whose `passages` are texts, best first.

        Raises:
            NoRetrievalModelError: none is configured.
        """
        return run_steps(self._search(SYNC, query, k, kwargs))

    async def aforward(self, query: str, k: int | None = None, **kwargs: Any) -> Prediction:
        """`forward`, for asynchronous code."""
        return await self._search(ASYNC, query, k, kwargs)

    async def _search(self, invoker: Invoker, query: str, k: int | None, kwargs: dict[str, Any]) -> Prediction:
        rm = settings.rm
        if not rm:
            raise NoRetrievalModelError(
                "No RM is loaded. Configure a retrieval model: dspex.configure(rm=...), a function of (query, k=...)."
            )
        most = self.k if k is None else k
        found = await invoker.run(lambda: rm(query, k=most, **kwargs))
        return Prediction(passages=[_text(passage) for passage in _passages(found)])


def single_query_passage(passages: Sequence[Mapping[str, Any]]) -> Prediction:
    """Passages as dictionaries with the same keys, as one prediction of lists; ``long_text`` is named ``passages``."""
    columns: dict[str, list[Any]] = {key: [] for key in passages[0]}
    for passage in passages:
        for key, value in passage.items():
            columns[key].append(value)
    if "long_text" in columns:
        columns["passages"] = columns.pop("long_text")
    return Prediction(columns)


def _passages(found: Any) -> Iterable[Any]:
    if isinstance(found, Prediction) and "passages" in found:
        return found.passages  # type: ignore[no-any-return]
    one = isinstance(found, str | Mapping) or hasattr(found, "long_text") or not isinstance(found, Iterable)
    return [found] if one else found


def _text(passage: Any) -> str:
    if isinstance(passage, str):
        return passage
    text = passage.get("long_text") if isinstance(passage, Mapping) else getattr(passage, "long_text", None)
    if text is None:
        raise UsageError(f"Retrieve: the retrieval model returned a {type(passage).__name__} without `long_text`.")
    return str(text)
