"""`Embeddings`: the passages of a corpus that are nearest to a query."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dspex.bridge import wait_for
from dspex.callback_methods import with_callbacks
from dspex.clients.embedding import Embedder
from dspex.errors import UsageError
from dspex.primitives.prediction import Prediction
from dspex.retrievers import faiss_index, saved_index
from dspex.retrievers.gathering import Gathering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[Any]

Found = tuple[list[str], list[int], list[float]]
_NEAR_ZERO = 1e-10


class NoCachingError(UsageError, AssertionError):
    """A cache was asked for (DSPy asserts that it is not)."""


class Embeddings:
    """Searches a corpus: ``Embeddings(corpus, embedder, k=5)("query").passages``.

    The prediction has `passages`, the nearest first, and `indices`, their places in the corpus. Every passage is
    compared, exactly; from `brute_force_threshold` passages on a FAISS index finds ten times `k` candidates first.

    Args:
        corpus: The passages. They are embedded at once.
        embedder: An `Embedder`, or a function from a list of texts to a matrix with a row for each.
        k: How many passages to find.
        callbacks: Called at the start and end of each search.
        cache: Not supported: must be False.
        brute_force_threshold: The size of corpus that needs FAISS (``pip install faiss-cpu``).
        normalize: Whether to compare directions alone, whatever the vectors' lengths.

    Source: DSPy's class of this name; its saved folders load here.
    """

    def __init__(
        self,
        corpus: list[str],
        embedder: Any,
        k: int = 5,
        callbacks: list[Any] | None = None,
        cache: bool = False,
        brute_force_threshold: int = 20_000,
        normalize: bool = True,
    ) -> None:
        if cache is not False:
            raise NoCachingError("Caching is not supported for embeddings-based retrievers: leave out `cache`.")
        _check(corpus, embedder, k)
        if len(corpus) >= brute_force_threshold:
            faiss_index.faiss()  # fails here, before anything is embedded
        self.corpus = corpus
        self.embedder = embedder
        self.k = k
        self.callbacks = callbacks or []
        self.normalize = normalize
        self.corpus_embeddings: Vectors = self._embedded(corpus)
        self.index = self._build_faiss() if len(corpus) >= brute_force_threshold else None
        self._gathering = Gathering(self._batch_forward)

    @with_callbacks
    def __call__(self, query: str) -> Prediction:
        """Search for the passages nearest to `query`: see `forward`."""
        return self.forward(query)

    @with_callbacks
    async def acall(self, query: str) -> Prediction:
        """Search from asynchronous code."""
        return await self.aforward(query)

    def forward(self, query: str) -> Prediction:
        """Find the passages nearest to `query`."""
        return self._prediction(self.search_fn(query))

    async def aforward(self, query: str) -> Prediction:
        """`forward`, for asynchronous code."""
        return self._prediction(await self._search(query))

    def search_fn(self, query: str) -> Found:
        """Passages, their indices and their scores. Queries of many programs at once are embedded together."""
        return wait_for(self._search(query))

    async def _search(self, query: str) -> Found:
        if not isinstance(query, str):
            raise UsageError(f"{type(self).__name__}: a query is a text, not a {type(query).__name__}.")
        if isinstance(self.embedder, Embedder) and isinstance(self.embedder.model, str):
            # Asked for one by one: the ledger knows a query again, but not the company it came in.
            return self._found(self._scaled(await self.embedder.acall([query])))[0]
        found: Found = await self._gathering.ask(query)
        return found

    def _prediction(self, found: Found) -> Prediction:
        passages, indices, _ = found
        return Prediction(passages=passages, indices=indices)

    def _batch_forward(self, queries: list[str]) -> list[Found]:
        return self._found(self._embedded(queries))

    def _found(self, queries: Vectors) -> list[Found]:
        if queries.shape[1] != self.corpus_embeddings.shape[1]:
            raise UsageError(
                f"{type(self).__name__}: the embedder gives vectors of {queries.shape[1]} numbers, and the corpus was "
                f"embedded with {self.corpus_embeddings.shape[1]}. Use the embedder of the corpus."
            )
        candidates = self._faiss_search(queries, self.k * 10) if self.index is not None else None
        return self._rerank_and_predict(queries, candidates)

    def _rerank_and_predict(self, q_embeds: Vectors, candidate_indices: Vectors | None) -> list[Found]:
        if candidate_indices is None:
            self.corpus_embeddings = np.ascontiguousarray(self.corpus_embeddings)
            scores = np.einsum("qd,kd->qk", q_embeds, self.corpus_embeddings, order="C")
            places = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
        else:
            scores = np.einsum("qd,qkd->qk", q_embeds, self.corpus_embeddings[candidate_indices])
            places = candidate_indices
            scores[places < 0] = -np.inf  # FAISS fills up with -1 where it finds too few
        best = np.argsort(-scores, axis=1)[:, : self.k]
        return [self._row(places[row][best[row]], scores[row][best[row]]) for row in range(len(scores))]

    def _row(self, indices: Vectors, scores: Vectors) -> Found:
        real = indices >= 0
        chosen: list[int] = indices[real].tolist()
        return [self.corpus[index] for index in chosen], chosen, scores[real].tolist()

    def _embedded(self, texts: list[str]) -> Vectors:
        return self._scaled(self.embedder(texts))

    def _scaled(self, embeddings: Any) -> Vectors:
        embeddings = np.asarray(embeddings)
        if embeddings.ndim != 2:
            raise UsageError(
                f"{type(self).__name__}: the embedder must give a matrix with a row for each text, and gave an array "
                f"of shape {embeddings.shape}."
            )
        return self._normalize(embeddings) if self.normalize else embeddings

    def _normalize(self, embeddings: Vectors) -> Vectors:
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        return embeddings / np.maximum(lengths, _NEAR_ZERO)  # type: ignore[no-any-return]

    def _build_faiss(self) -> Any:
        return faiss_index.build(self.corpus_embeddings)

    def _faiss_search(self, query_embeddings: Vectors, num_candidates: int) -> Vectors:
        return self.index.search(query_embeddings, num_candidates)[1]  # type: ignore[no-any-return, union-attr]

    # On disk, in DSPy's format

    def save(self, path: str | PathLike[str]) -> None:
        """Save corpus, vectors, settings and FAISS index, if there is one, to the folder `path`."""
        saved_index.write(path, self.k, self.normalize, self.corpus, self.corpus_embeddings, self.index)

    def load(self, path: str | PathLike[str], embedder: Any) -> Self:
        """Take over what `save` wrote, without embedding the corpus again, and return this object.

        Args:
            path: The folder.
            embedder: Embeds queries; it must be the one that embedded the corpus, or the vectors do not compare.

        Raises:
            FileNotFoundError: the folder or a file in it is not there.
            ValueError: its ``config.json`` lacks a setting.
        """
        saved = saved_index.read(path)
        self.k, self.normalize, self.corpus = saved.k, saved.normalize, saved.corpus
        self.embedder = embedder
        self.corpus_embeddings = saved.embeddings
        self.index = saved.index
        return self

    @classmethod
    def from_saved(cls, path: str | PathLike[str], embedder: Any) -> Self:
        """Make a retriever of what `save` wrote, without embedding the corpus again. See `load` for the errors.

        Args:
            path: The folder.
            embedder: Embeds queries; it must be the one that embedded the corpus.
        """
        instance = cls.__new__(cls)
        instance.callbacks = []
        instance._gathering = Gathering(instance._batch_forward)
        return instance.load(path, embedder)

    def __getstate__(self) -> dict[str, Any]:
        """Copied and pickled without the queries in progress."""
        return {name: value for name, value in vars(self).items() if name != "_gathering"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._gathering = Gathering(self._batch_forward)


class EmbeddingsWithScores(Embeddings):
    """`Embeddings` whose predictions also have `scores`: the similarity of each passage to the query."""

    def _prediction(self, found: Found) -> Prediction:
        passages, indices, scores = found
        return Prediction(passages=passages, indices=indices, scores=scores)


def _check(corpus: Any, embedder: Any, k: Any) -> None:
    if isinstance(corpus, str) or not isinstance(corpus, Sequence) or not corpus:
        raise UsageError("Embeddings: the corpus is a list of texts, and holds one at least.")
    if not callable(embedder):
        raise UsageError(f"Embeddings: embedder={embedder!r} is neither a dspex.Embedder nor a function of texts.")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise UsageError(f"Embeddings: k={k!r} is not a number of passages, one or more.")
