"""An LM over a network and a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client_fakes import BASE, KEY, FakeTransport, MemoryLedger

from dspex import settings as configuration
from dspex.clients import LM, prepare
from dspex.clients.resilience import retry


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    yield
    configuration.reset()


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> MemoryLedger:
    memory = MemoryLedger()
    monkeypatch.setattr(prepare, "current_ledger", lambda: memory)
    monkeypatch.setattr("dspex.clients.calls.current_ledger.current_ledger", lambda: memory)
    return memory


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits before tries, in seconds; none of them is waited for."""
    taken: list[float] = []

    async def nap(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(retry, "rest", nap)
    return taken


@pytest.fixture
def make_lm(ledger: MemoryLedger) -> Callable[..., Any]:
    def make(transport: FakeTransport | None = None, model: str = "openai/gpt-4o-mini", **options: Any) -> LM:
        options = {"api_base": BASE, "api_key": KEY, **options}
        return LM(model, transport=transport or FakeTransport(), **options)

    return make
