"""`Embedder` over real HTTP: batches, the ledger, retries, and what a provider may answer."""

from __future__ import annotations

import asyncio
import copy
import pickle
import sys
from typing import Any

import numpy as np
import pytest

import dspex
from dspex.bridge import run_sync
from dspex.clients.wires.openai.embeddings import EmbeddingsWire
from dspex.errors import LMAuthError, LMInvalidRequestError, LMNotConfiguredError, LMUnexpectedError, UsageError
from dspex.store import Store
from dspex_practice import PracticeServer
from dspex_practice.api.options import PracticeOptions

pytestmark = pytest.mark.usefixtures("store")


def embedder(server: PracticeServer, **options: Any) -> dspex.Embedder:
    return dspex.Embedder("openai/practice", api_base=server.url, **options)


def test_near_texts_have_near_vectors(practice: PracticeServer) -> None:
    found = embedder(practice)(["refund my card", "a card refund please", "the weather in Paris"])
    assert (found.shape, found.dtype) == ((3, 256), np.float32)
    assert found[0] @ found[1] > found[0] @ found[2]


async def test_one_text_is_one_vector_however_it_is_asked_for(practice: PracticeServer) -> None:
    embed = embedder(practice, dimensions=16)
    found = [embed("x"), await embed.acall("x"), await run_sync(embed, "x"), (await embed.acall(["x"]))[0]]
    assert all(each.shape == (16,) and (each == found[0]).all() for each in found)
    assert practice.stats()["calls"] == 1


def test_batches_are_asked_for_once_and_come_in_order(practice: PracticeServer) -> None:
    texts = [f"text {n}" for n in range(25)]
    embed = embedder(practice, batch_size=10)
    apart = np.array([embed(text, caching=False) for text in texts])
    practice.reset_stats()
    assert (embed(texts) == apart).all()
    assert practice.stats()["calls"] == 3
    embed(texts)
    assert practice.stats()["calls"] == 3
    embed(texts, batch_size=25)
    embed(texts, batch_size=25, caching=False)
    assert practice.stats()["calls"] == 5


async def test_a_call_is_in_the_bill_once(practice: PracticeServer, store: Store) -> None:
    for _ in range(2):
        await embedder(practice).acall(["twelve chars"])
    bill = await store.ledger.bill_total()
    assert (bill.calls, bill.prompt_tokens, bill.completion_tokens) == (1, 3, 0)


def test_refusals_of_the_moment_are_waited_out() -> None:
    with PracticeServer(PracticeOptions(error_rate=0.3, retry_after=0.01, seed=1)) as server:
        embed = embedder(server, batch_size=1, num_retries=9)
        assert embed([f"t{n}" for n in range(12)]).shape == (12, 256)
        assert server.stats()["errors"]


def test_what_the_provider_refuses_is_raised(practice: PracticeServer) -> None:
    with pytest.raises(LMInvalidRequestError, match="none of them empty"):
        embedder(practice)([""])
    with PracticeServer(PracticeOptions(api_key="right")) as server, pytest.raises(LMAuthError) as caught:
        embedder(server, api_key="wrong-and-secret")("x")
    assert "secret" not in str(caught.value)


def test_without_a_key_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_BASE", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delitem(sys.modules, "litellm", raising=False)
    with pytest.raises(LMNotConfiguredError, match="OPENAI_API_KEY"):
        dspex.Embedder("openai/text-embedding-3-small")("x")


def test_a_key_is_neither_pickled_nor_shown() -> None:
    embed = dspex.Embedder("openai/x", api_key="secret")
    assert "secret" not in repr(vars(embed))
    assert b"secret" not in pickle.dumps(embed)
    assert copy.deepcopy(embed).default_kwargs["api_key"].reveal() == "secret"


# Functions


def lengths(texts: list[str], scale: int = 1) -> list[list[float]]:
    return [[scale * float(len(text)), 1.0] for text in texts]


async def test_functions_are_called_batch_by_batch_with_their_arguments() -> None:
    batches: list[int] = []

    def noting(texts: list[str], scale: int) -> Any:
        batches.append(len(texts))
        return np.array(lengths(texts, scale))

    async def later(texts: list[str], scale: int) -> Any:
        await asyncio.sleep(0)
        return noting(texts, scale)

    for function in (noting, later):
        batches.clear()
        embed = dspex.Embedder(function, batch_size=2, scale=3)
        assert (await embed.acall(["a", "bb", "ccc"])).tolist() == [[3, 1], [6, 1], [9, 1]]
        assert (await run_sync(embed, "a", scale=5)).tolist() == [5, 1]
        assert batches == [2, 1, 1]


def test_shapes_of_functions() -> None:
    embed = dspex.Embedder(lengths)
    assert (embed("abc").shape, embed(["abc"]).shape, embed([]).shape) == ((2,), (1, 2), (0,))
    assert embed("abc").dtype == np.float32


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"All inputs must be strings\. inputs\[1\] is a int"):
        dspex.Embedder(lengths)(["a", 2])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="must be a string or a callable"):
        dspex.Embedder(3)("a")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="batch_size=0"):
        dspex.Embedder(lengths, batch_size=0)


# Through litellm


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What litellm's two functions were asked; they answer with the lengths of the texts."""
    module = pytest.importorskip("litellm")
    asked: list[dict[str, Any]] = []

    def embedding(**request: Any) -> Any:
        asked.append(request)
        data = [{"embedding": [float(len(text)), 0.5], "index": n} for n, text in enumerate(request["input"])]
        return module.EmbeddingResponse(model=request["model"], data=data, usage=module.Usage(prompt_tokens=2))

    async def aembedding(**request: Any) -> Any:
        return embedding(**request, awaited=True)

    monkeypatch.setattr(module, "embedding", embedding)
    monkeypatch.setattr(module, "aembedding", aembedding)
    return asked


async def test_other_providers_are_asked_through_litellm_and_kept_all_the_same(litellm: list[dict[str, Any]]) -> None:
    embed = dspex.Embedder("cohere/embed-v4", api_key="secret", input_type="query")
    for _ in range(2):
        assert embed(["a", "bb"]).tolist() == [[1, 0.5], [2, 0.5]]
    assert (await embed.acall(["ccc"])).tolist() == [[3, 0.5]]
    sync = {"model": "cohere/embed-v4", "input": ["a", "bb"], "caching": False, "api_key": "secret"}
    assert litellm == [
        {**sync, "input_type": "query"},
        {**sync, "input_type": "query", "input": ["ccc"], "awaited": True},
    ]


def test_litellm_may_have_the_key_that_is_missing_here(
    litellm: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    assert dspex.Embedder("text-embedding-3-small")("abc").tolist() == [3, 0.5]


def test_litellms_errors_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("litellm")

    def refuse(**request: Any) -> Any:
        raise module.AuthenticationError("no", llm_provider="cohere", model="embed-v4")

    monkeypatch.setattr(module, "embedding", refuse)
    with pytest.raises(LMAuthError):
        dspex.Embedder("cohere/embed-v4", num_retries=0)("a")


# What may come back


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>", "not JSON"),
        (b'{"choices": []}', "no embeddings"),
        (b'{"data": [{"embedding": []}]}', "no embeddings"),
        (b'{"data": [{"embedding": [1]}]}', "1 embeddings for 2 texts"),
    ],
)
def test_an_answer_without_a_vector_for_each_text_is_no_answer(body: bytes, told: str) -> None:
    with pytest.raises(LMUnexpectedError, match=told):
        EmbeddingsWire(2).decode(body)


def test_vectors_are_put_in_the_order_of_the_texts() -> None:
    body = b'{"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]}'
    assert [row["embedding"] for row in EmbeddingsWire(2).decode(body)["data"]] == [[1], [2]]
