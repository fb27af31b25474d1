"""Searching a corpus: alone, together, saved, copied; and what is refused before anything is embedded."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dspex
from dspex.bridge import run_sync
from dspex.errors import UsageError
from dspex.retrievers import Embeddings, EmbeddingsWithScores

CORPUS = ["a cat", "a dog", "cat and dog", "nothing"]


def embed(texts: list[str]) -> Any:
    return np.array([[float("cat" in text), float("dog" in text), 0.1] for text in texts], dtype=np.float32)


def test_the_nearest_passages_come_first_with_their_places_and_scores() -> None:
    found = EmbeddingsWithScores(CORPUS, embed, k=2)("dog")
    assert found.passages == ["a dog", "cat and dog"]
    assert found.indices == [1, 2]
    assert found.scores == sorted(found.scores, reverse=True)


async def test_all_ways_of_asking_find_the_same() -> None:
    search = Embeddings(CORPUS, dspex.Embedder(embed), k=1)
    found = [search("cat"), await search.acall("cat"), await search.aforward("cat"), await run_sync(search, "cat")]
    assert [each.passages for each in found] == [["a cat"]] * 4


async def test_queries_at_the_same_time_are_embedded_together() -> None:
    batches: list[list[str]] = []

    def noting(texts: list[str]) -> Any:
        batches.append(texts)
        return embed(texts)

    search = Embeddings(CORPUS, noting, k=1)
    batches.clear()
    found = await asyncio.gather(*(search.acall(query) for query in ["cat", "dog"] * 20))
    assert [each.passages[0] for each in found] == ["a cat", "a dog"] * 20
    assert [len(batch) for batch in batches] == [32, 8]


async def test_a_cancelled_query_leaves_the_others_alone() -> None:
    gate = threading.Event()

    def slow(texts: list[str]) -> Any:
        if texts != CORPUS:
            gate.wait()
        return embed(texts)

    search = Embeddings(CORPUS, slow, k=1)
    gone, stays = asyncio.ensure_future(search.acall("cat")), asyncio.ensure_future(search.acall("dog"))
    await asyncio.sleep(0)
    gone.cancel()
    gate.set()
    assert (await stays).passages == ["a dog"]
    assert gone.cancelled()


def test_a_failing_embedder_fails_the_query() -> None:
    search = Embeddings(CORPUS, embed)
    search.embedder = lambda texts: 1 / 0
    with pytest.raises(ZeroDivisionError):
        search("cat")


def test_saved_copied_and_pickled_searches_find_the_same(tmp_path: Path) -> None:
    search = EmbeddingsWithScores(CORPUS, embed, k=2, normalize=False)
    search.save(tmp_path / "index")
    other = EmbeddingsWithScores(["x"], embed).load(tmp_path / "index", embed)
    for again in (
        EmbeddingsWithScores.from_saved(tmp_path / "index", embed),
        other,
        copy.deepcopy(search),
        pickle.loads(pickle.dumps(search)),
    ):
        assert again("dog") == search("dog")


def test_another_embedder_than_the_corpus_had_is_told(tmp_path: Path) -> None:
    Embeddings(CORPUS, embed).save(tmp_path / "index")
    search = Embeddings.from_saved(tmp_path / "index", lambda texts: embed(texts)[:, :2])
    with pytest.raises(UsageError, match=r"vectors of 2 numbers.*embedded with 3"):
        search("cat")


def test_a_folder_that_lacks_something_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with pytest.raises(FileNotFoundError, match="Save directory not found"):
        Embeddings.from_saved(folder, embed)
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match="Config file not found"):
        Embeddings.from_saved(folder, embed)
    (folder / "config.json").write_text(json.dumps({"k": 1, "normalize": True, "corpus": []}))
    with pytest.raises(FileNotFoundError, match="Embeddings file not found"):
        Embeddings.from_saved(folder, embed)
    np.save(folder / "corpus_embeddings.npy", embed(["a"]))
    with pytest.raises(ValueError, match="missing required field 'has_faiss_index'"):
        Embeddings.from_saved(folder, embed)
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        Embeddings.from_saved(folder, embed)


@pytest.mark.parametrize(
    ("given", "kind", "told"),
    [
        ({"corpus": []}, UsageError, "corpus"),
        ({"corpus": "text"}, UsageError, "corpus"),
        ({"embedder": "openai/x"}, UsageError, "embedder="),
        ({"k": 0}, UsageError, "k=0"),
        ({"cache": True}, AssertionError, "Caching is not supported"),
    ],
)
def test_bad_arguments_are_refused(given: dict[str, Any], kind: Any, told: str) -> None:
    with pytest.raises(kind, match=told):
        Embeddings(**{"corpus": CORPUS, "embedder": embed, **given})


def test_a_matrix_is_needed() -> None:
    with pytest.raises(UsageError, match="shape"):
        Embeddings(CORPUS, lambda texts: np.zeros(3))


def test_a_query_is_a_text() -> None:
    with pytest.raises(UsageError, match="a query is a text, not a list"):
        Embeddings(CORPUS, embed)(["cat"])  # type: ignore[arg-type]


def test_a_large_corpus_without_faiss_is_refused_before_it_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    asked: list[Any] = []
    with pytest.raises(ImportError, match=r"pip install faiss-cpu.*brute_force_threshold"):
        Embeddings(CORPUS, lambda texts: asked.append(texts), brute_force_threshold=3)
    assert asked == []


def test_callbacks_hear_of_searches() -> None:
    heard: list[str] = []

    class Listener(dspex.utils.BaseCallback):  # type: ignore[misc]
        def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            heard.append(inputs["query"])

    Embeddings(CORPUS, embed, callbacks=[Listener()])("cat")
    assert heard == ["cat"]
