"""Where answers are kept follows what the user configures; inside a run it is the ledger in any case."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from client_fakes import FakeTransport, MemoryLedger

import dspex
from dspex.clients import LM, Cache
from dspex.clients.cache.current import cache_if_any, use_cache
from dspex.clients.cache.response_cache import LedgerIfPossible, outside_of_runs
from dspex.clients.calls.call import CallLedger
from dspex.clients.calls.scope import CallScope, call_scope
from dspex.errors import StoreError

Make = Callable[..., LM]


@pytest.fixture(autouse=True)
def _cache_of_before() -> Iterator[None]:
    before = cache_if_any()
    yield
    use_cache(before)


async def test_answers_are_in_the_ledger_as_long_as_nothing_is_configured(make_lm: Make, ledger: MemoryLedger) -> None:
    network = FakeTransport()
    await make_lm(network).acall("hi")
    assert len(ledger.entries) == 1
    use_cache(None)
    assert isinstance(dspex.cache, Cache)
    await make_lm(network).acall("hi")
    assert len(network.sent) == 1


async def test_without_any_cache_each_call_is_made(make_lm: Make, ledger: MemoryLedger) -> None:
    dspex.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    network = FakeTransport()
    lm = make_lm(network)
    await lm.acall("hi")
    await lm.acall("hi")
    assert len(network.sent) == 2
    assert ledger.asked == 0


async def test_run_records_its_answers_though_caches_are_off(make_lm: Make, ledger: MemoryLedger) -> None:
    network = FakeTransport()
    await make_lm(network).acall("hi")  # before, with the ledger as cache
    dspex.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
    for _ in range(2):  # the second is the run that goes on
        with call_scope(CallScope(run_id="r", path="0")):
            await make_lm(network).acall("hi")
    assert len(network.sent) == 2
    assert len(ledger.entries) == 2


async def test_in_memory_only_nothing_goes_to_the_ledger(make_lm: Make, ledger: MemoryLedger) -> None:
    dspex.configure_cache(enable_disk_cache=False)
    network = FakeTransport()
    lm = make_lm(network)
    first, second = await lm.aforward("hi"), await lm.aforward("hi")
    assert first.choices[0].message.content == second.choices[0].message.content == "Paris"
    assert (first.cache_hit, second.cache_hit) == (False, True)
    assert (len(network.sent), ledger.asked) == (1, 0)
    dspex.cache.reset_memory_cache()
    await lm.acall("hi")
    assert len(network.sent) == 2


async def test_answers_are_kept_in_the_directory_named(make_lm: Make, ledger: MemoryLedger, tmp_path: Path) -> None:
    network = FakeTransport()
    for _ in range(2):
        dspex.configure_cache(disk_cache_dir=tmp_path / "here")
        await make_lm(network).acall("hi")
    assert (len(network.sent), ledger.asked) == (1, 0)
    assert (tmp_path / "here").exists()


async def test_answer_found_is_free_and_known_as_found(make_lm: Make, tmp_path: Path) -> None:
    dspex.configure_cache(disk_cache_dir=tmp_path)
    lm = make_lm()
    with dspex.track_usage() as tracker:
        await lm.acall("hi")
        await lm.acall("hi")
    assert [entry["usage"].get("total_tokens") for entry in lm.history] == [15, None]
    assert lm.history[0]["cost"] == lm.history[1]["cost"] > 0
    assert tracker.get_total_tokens()["openai/gpt-4o-mini"]["total_tokens"] == 15


async def test_nobody_can_change_what_another_finds(make_lm: Make) -> None:
    dspex.configure_cache(enable_disk_cache=False)
    lm = make_lm()
    (await lm.aforward("hi"))["choices"].clear()
    (await lm.aforward("hi"))["choices"].clear()
    assert await lm.acall("hi") == ["Paris"]


@pytest.mark.parametrize("more", [{"rollout_id": 1}, {"temperature": 0.5}, {"cache": False}])
async def test_other_rollouts_and_parameters_are_other_requests(make_lm: Make, more: dict[str, Any]) -> None:
    dspex.configure_cache(enable_disk_cache=False)
    network = FakeTransport()
    lm = make_lm(network)
    await lm.acall("hi")
    await lm.acall("hi", **more)
    assert len(network.sent) == 2


async def test_cache_of_the_users_own_decides_what_is_the_same(make_lm: Make) -> None:
    asked: list[dict[str, Any]] = []

    class ByMessages(Cache):
        def cache_key(self, request: dict[str, Any], ignored_args_for_cache_key: Any = None) -> str:
            asked.append(request)
            return json.dumps(request["messages"])

    dspex.cache = ByMessages(enable_disk_cache=False, enable_memory_cache=True, disk_cache_dir=None)
    network = FakeTransport()
    lm = make_lm(network)
    await lm.acall("hi", temperature=0.1)
    await lm.acall("hi", temperature=0.9)
    assert len(network.sent) == 1
    assert (asked[0]["model"], asked[0]["temperature"]) == ("openai/gpt-4o-mini", 0.1)
    assert not any("key" in name for name in asked[0])


async def test_cache_that_fails_to_keep_an_answer_does_not_lose_it(
    make_lm: Make, caplog: pytest.LogCaptureFixture
) -> None:
    class Full(Cache):
        def put(self, *args: Any, **kwargs: Any) -> None:
            raise OSError("no room")

    dspex.cache = Full(enable_disk_cache=False, enable_memory_cache=True, disk_cache_dir=None)
    assert await make_lm().acall("hi") == ["Paris"]
    assert "no room" in caplog.text


class Unreachable(MemoryLedger):
    async def claim(self, key: str, run_id: Any = None) -> Any:
        raise StoreError("The store cannot be opened.")


async def test_store_that_nobody_named_may_be_missing(
    make_lm: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("DSPEX_STORE")
    monkeypatch.setattr("dspex.clients.prepare.current_ledger", Unreachable)
    assert await make_lm().acall("hi") == ["Paris"]
    assert "DSPEX_STORE" in caplog.text


async def test_store_that_somebody_named_must_work(make_lm: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dspex.clients.prepare.current_ledger", Unreachable)
    with pytest.raises(StoreError):
        await make_lm().acall("hi")


def test_ledger_that_works_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch, ledger: MemoryLedger) -> None:
    found: CallLedger = outside_of_runs(ledger)
    assert found is ledger
    monkeypatch.delenv("DSPEX_STORE")
    assert isinstance(outside_of_runs(ledger), LedgerIfPossible)
