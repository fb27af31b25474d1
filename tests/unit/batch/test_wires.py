"""Each provider's batches, against the practice model: submitted, found again, collected, cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import dspex
from dspex.clients.batch.progress import BatchProgress
from dspex.clients.batch.routing import target_of
from dspex.clients.batch.submitter import BatchSubmitter
from dspex.clients.batch.target import Target
from dspex.clients.batch.wires import batch_wire_of, wire_of
from dspex.clients.canonical.answer import usage_of
from dspex.clients.cost.pricing import cost_usd
from dspex.clients.prepare import prepare
from dspex.errors import LMConfigurationError
from dspex.store import Store
from dspex.store.records.batch import BatchRequest
from dspex.store.records.budget import CostUpperBound
from dspex_practice import PracticeOptions, PracticeServer

KINDS = ["openai", "anthropic", "gemini"]


def target(kind: str, server: PracticeServer) -> Target:
    v1, v1beta = server.url, server.url + "beta"
    model = {"openai": "gpt-4o-mini", "anthropic": "claude-3-5-haiku-latest", "gemini": "gemini-2.5-flash"}[kind]
    wire, base, endpoint = {
        "openai": ("chat", v1, "/chat/completions"),
        "anthropic": ("anthropic", v1, "/messages"),
        "gemini": ("gemini", v1beta, f"/models/{model}"),
    }[kind]
    return Target(kind, wire, base, endpoint, f"{kind}/{model}", "")


def request(to: Target, text: str) -> BatchRequest:
    encoded = wire_of(to).encode(to.model.partition("/")[2], [{"role": "user", "content": text}], {"max_tokens": 50})
    return BatchRequest(encoded.key(to.base), to.text(), encoded.body, "a run", CostUpperBound(0, None))


async def advance_until(submitter: BatchSubmitter, over: Callable[[BatchProgress], Any]) -> BatchProgress:
    """Advance until `over`; what was collected meanwhile is added up."""
    sum_ = BatchProgress()
    for _ in range(500):
        sum_ += (now := await submitter.advance())
        if over(now):
            return sum_
        await asyncio.sleep(0.01)
    raise AssertionError(f"It never came to that: {sum_}")


def ended(progress: BatchProgress) -> bool:
    return not progress.under_way


@pytest.mark.parametrize("kind", KINDS)
async def test_answers_of_a_batch_are_in_the_ledger_at_half_the_price(
    kind: str, practice: PracticeServer, store: Store
) -> None:
    to = target(kind, practice)
    wanted = [request(to, f"Say the word w{number}") for number in range(5)]
    await store.batches.ask("me", wanted)
    progress = await advance_until(BatchSubmitter(store, "me"), ended)
    assert (progress.answered, progress.refused, progress.again) == (5, 0, 0)
    for one in wanted:
        entry = await store.ledger.lookup(one.key)
        assert entry is not None
        reply = wire_of(to).decode(entry.response)
        assert reply.choices[0].message.content
        assert (entry.run_id, entry.model) == ("a run", to.model)
        assert entry.prompt_tokens > 0
        assert entry.cost_usd is not None
    full = cost_usd(to.model, usage_of(reply))
    assert full is not None
    assert entry.cost_usd == pytest.approx(full / 2)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_batch_whose_creation_was_not_heard_of_is_found_again(
    kind: str, practice: PracticeServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = target(kind, practice)
    wire: Any = batch_wire_of(to)
    create = type(wire).create
    created = 0

    async def and_die(self: Any, *args: Any) -> str:
        nonlocal created
        created += 1
        await create(self, *args)
        raise asyncio.CancelledError

    await store.batches.ask("me", [request(to, f"w{number}") for number in range(3)])
    monkeypatch.setattr(type(wire), "create", and_die)
    with pytest.raises(asyncio.CancelledError):
        await BatchSubmitter(store, "me").advance()
    (known,) = await store.batches.in_progress("me")
    assert (known.status, known.provider_id) == ("intent", None)
    progress = await advance_until(BatchSubmitter(store, "me"), ended)
    assert (created, progress.answered) == (1, 3)


@pytest.mark.parametrize("kind", KINDS)
async def test_another_batch_is_not_taken_for_ours(kind: str, practice: PracticeServer, store: Store) -> None:
    to = target(kind, practice)
    await store.batches.ask("other", [request(to, f"w{number}") for number in range(3)])
    await advance_until(BatchSubmitter(store, "other"), ended)
    mine = [request(to, f"v{number}") for number in range(3)]
    await store.batches.ask("me", mine)
    await store.batches.plan("mine", "me", to.text(), [one.key for one in mine])
    assert await store.batches.sending("mine", unless_since=0.0)
    progress = await advance_until(BatchSubmitter(store, "me", uncertain_seconds=0.0), ended)
    assert progress.answered == 3
    ours = await store.batches.get("mine")
    (others,) = await store.batches.of("other")
    assert ours is not None
    assert ours.provider_id != others.provider_id


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cancelled_batch_keeps_what_it_had_done(kind: str, store: Store) -> None:
    with PracticeServer(PracticeOptions(batch_seconds=3600.0)) as server:
        to = target(kind, server)
        await store.batches.ask("me", [request(to, f"w{number}") for number in range(3)])
        submitter = BatchSubmitter(store, "me")
        await advance_until(submitter, lambda progress: progress.under_way and not progress.trouble)
        await submitter.cancel()
        for _ in range(500):
            progress = await submitter.advance(submit=False)
            if not progress.under_way:
                break
            await asyncio.sleep(0.01)
        assert (progress.under_way, progress.answered, progress.again) == (0, 0, 3)
        (batch,) = await store.batches.of("me")
        assert batch.status == "done"


async def test_a_server_without_batches_is_refused_by_name(store: Store, practice: PracticeServer) -> None:
    to = target("openai", practice)
    nowhere = Target(**{**{name: getattr(to, name) for name in Target.__slots__}, "base": f"{practice.url}/nothing"})
    with pytest.raises(LMConfigurationError, match="has no batch API"):
        await BatchSubmitter(store, "me").check(nowhere)


@pytest.mark.parametrize(
    ("model", "base", "place"),
    [
        (
            "openai/gpt-4o",
            "https://api.openai.com/v1",
            ("https://api.openai.com/v1/batches?limit=1", "/chat/completions"),
        ),
        ("groq/llama", None, ("https://api.groq.com/openai/v1/batches?limit=1", "/chat/completions")),
        (
            "azure/mine",
            "https://me.openai.azure.com",
            ("https://me.openai.azure.com/openai/batches?limit=1&api-version=2024-10-21", "/chat/completions"),
        ),
        (
            "azure/mine",
            "https://me.openai.azure.com/openai/v1",
            ("https://me.openai.azure.com/openai/v1/batches?limit=1", "/chat/completions"),
        ),
        ("anthropic/claude", None, ("https://api.anthropic.com/v1/batches?limit=1", "/messages")),
        (
            "gemini/gemini-2.5-flash",
            None,
            ("https://generativelanguage.googleapis.com/v1beta/batches?limit=1", "/models/gemini-2.5-flash"),
        ),
    ],
)
def test_batches_are_where_the_provider_has_them(model: str, base: str | None, place: tuple[str, str]) -> None:
    lm = dspex.LM(model, api_base=base, api_key="sk-not-a-key-at-all")
    to = target_of(prepare(lm, "hi", None, lm.kwargs))
    assert (to.url("/batches?limit=1"), to.endpoint) == place
    assert to == Target.parse(to.text())


@pytest.mark.parametrize("model", ["mistral/mistral-small", "deepseek/deepseek-chat", "ollama/llama3"])
def test_providers_without_batches_are_refused_by_name(model: str) -> None:
    lm = dspex.LM(model, api_key="sk-not-a-key-at-all")
    with pytest.raises(LMConfigurationError, match=f"{model}.*batch API"):
        target_of(prepare(lm, "hi", None, lm.kwargs))
