"""`Embedder`: vectors for texts, from a provider's HTTP API or from a function of the user's."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dspex.bridge import as_coroutine, run_sync, wait_for
from dspex.clients.canonical.secrets import Secret
from dspex.errors import UsageError

if TYPE_CHECKING:
    import numpy as np


class Embedder:
    """Turns texts into vectors: ``Embedder("openai/text-embedding-3-small")(["hello", "world"])``.

    A model is called as an `LM` is: through the same rate limits, retries and connections, and the ledger keeps its
    answers where `caching` is on. Batches are requested at the same time. A function is called in the caller's own
    thread, batch by batch, and its results are never cached: two closures cannot be distinguished.

    Args:
        model: ``provider/name``, or with `api_base` any name at a server that speaks OpenAI's format; or a function
            (also an asynchronous one) from a list of texts to a matrix with one row a text.
        batch_size: Texts in one request, or in one call of the function.
        caching: Whether to look answers up in the ledger, and keep them there.
        **kwargs: Parameters of every request (``dimensions``, ...) or call of the function. Also an LM's `api_base`,
            `api_key`, `api_key_env`, `timeout` (seconds), `num_retries`, `max_concurrency`.

    Raises:
        UsageError: `batch_size` is not a whole number above zero.
    """

    def __init__(
        self,
        model: str | Callable[..., Any],
        batch_size: int = 200,
        caching: bool = True,
        **kwargs: Any,
    ) -> None:
        self.model = model
        self.batch_size = _checked_size(batch_size)
        self.caching = caching
        self.default_kwargs = _with_secret(kwargs)

    def __call__(
        self,
        inputs: str | Sequence[str],
        batch_size: int | None = None,
        caching: bool | None = None,
        **kwargs: Any,
    ) -> np.ndarray[Any, Any]:
        """Embed texts.

        Args:
            inputs: One text, or any number of them.
            batch_size: Texts in one request. None: the embedder's.
            caching: Whether the ledger may answer. None: the embedder's choice.
            **kwargs: Parameters of this request; they win over the embedder's.

        Returns:
            float32 of shape (texts, dimensions); for one text alone, its vector of shape (dimensions,).

        Raises:
            UsageError: an input is not a text, or the model is neither a name nor a function. A ValueError.
            LMError: the provider could not be asked, or refused.
        """
        if isinstance(self.model, str):
            return wait_for(self.acall(inputs, batch_size, caching, **kwargs))
        batches, params = self._prepared(inputs, batch_size, kwargs)
        rows: list[Any] = []
        for batch in batches:
            found = self._function()(batch, **params)
            rows.extend(wait_for(as_coroutine(found)) if inspect.isawaitable(found) else found)
        return _matrix(rows, single=isinstance(inputs, str))

    async def acall(
        self,
        inputs: str | Sequence[str],
        batch_size: int | None = None,
        caching: bool | None = None,
        **kwargs: Any,
    ) -> np.ndarray[Any, Any]:
        """Embed texts, from asynchronous code. A function that is not asynchronous runs in the caller's thread.

        Args:
            inputs: One text, or any number of them.
            batch_size: Texts in one request. None: the embedder's.
            caching: Whether the ledger may answer. None: the embedder's choice.
            **kwargs: Parameters of this request; they win over the embedder's.

        Returns:
            float32 of shape (texts, dimensions); for one text alone, its vector of shape (dimensions,).

        Raises:
            UsageError: an input is not a text, or the model is neither a name nor a function. A ValueError.
            LMError: the provider could not be asked, or refused.
        """
        batches, params = self._prepared(inputs, batch_size, kwargs)
        cached = self.caching if caching is None else caching
        rows: list[Any] = []
        if isinstance(self.model, str):
            for found in await _together([_ask(self.model, batch, cached, params) for batch in batches]):
                rows.extend(found)
        else:
            for batch in batches:
                found = await run_sync(self._function(), batch, **params)
                rows.extend(await found if inspect.isawaitable(found) else found)
        return _matrix(rows, single=isinstance(inputs, str))

    def _function(self) -> Callable[..., Any]:
        if not callable(self.model):
            raise UsageError(
                f"`model` in `dspex.Embedder` must be a string or a callable, but got {type(self.model)}. "
                'Pass a model\'s name such as "openai/text-embedding-3-small", or a function of a list of texts.'
            )
        return self.model

    def _prepared(
        self, inputs: str | Sequence[str], batch_size: int | None, kwargs: dict[str, Any]
    ) -> tuple[list[list[str]], dict[str, Any]]:
        texts = [inputs] if isinstance(inputs, str) else list(inputs)
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise UsageError(f"All inputs must be strings. inputs[{number}] is a {type(text).__name__}.")
        size = _checked_size(batch_size or self.batch_size)
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]
        return batches, {**self.default_kwargs, **_with_secret(kwargs)}

    def __getstate__(self) -> dict[str, Any]:
        """A pickled embedder has no key."""
        public = {name: value for name, value in self.default_kwargs.items() if not isinstance(value, Secret)}
        return {**vars(self), "default_kwargs": public}

    def __deepcopy__(self, memo: dict[int, Any]) -> Embedder:
        new = object.__new__(type(self))
        vars(new).update({**vars(self), "default_kwargs": dict(self.default_kwargs)})
        return new


async def _ask(model: str, texts: list[str], caching: bool, params: dict[str, Any]) -> list[Any]:
    """The vectors of one batch."""
    from dspex.clients.calls.pipeline import answer
    from dspex.clients.embedding_call import embedding_call

    reply, _ = await answer(embedding_call(model, texts, caching, params))
    return [row["embedding"] for row in reply["data"]]


async def _together(questions: list[Any]) -> list[Any]:
    """All answers, in order; when one fails the others are broken off."""
    tasks = [asyncio.ensure_future(question) for question in questions]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        raise


def _matrix(rows: list[Any], single: bool) -> np.ndarray[Any, Any]:
    import numpy as np

    found = np.array(rows, dtype=np.float32)
    return found[0] if single else found


def _checked_size(batch_size: Any) -> int:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise UsageError(f"Embedder: batch_size={batch_size!r} is not a number of texts, one or more.")
    return batch_size


def _with_secret(kwargs: dict[str, Any]) -> dict[str, Any]:
    key = kwargs.get("api_key")
    return {**kwargs, "api_key": Secret(key)} if isinstance(key, str) else kwargs
