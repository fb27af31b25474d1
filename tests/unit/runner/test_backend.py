"""Backends are found by name: those of dspex, a package's, and the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import dspex
from dspex import backend as backends
from dspex.backend import BackendOptions, backend, register_backend
from dspex.errors import UsageError
from dspex.primitives import Example
from dspex.runner.local_backend import LocalBackend
from dspex.settings import configure, reset
from dspex.teleprompt import LabeledFewShot
from dspex.worker.temporal_backend import TemporalBackend


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(backends, "_registered", {})
    reset()
    yield
    reset()


def test_backend_follows_the_settings() -> None:
    assert isinstance(backend(), LocalBackend)
    configure(temporal="localhost:7233")
    assert isinstance(backend(), TemporalBackend)
    assert isinstance(backend("local"), LocalBackend)


def test_checkout_without_installed_metadata_has_its_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoEntryPoints(list[Any]):
        names: frozenset[str] = frozenset()

    monkeypatch.setattr(backends, "entry_points", lambda **where: NoEntryPoints())
    backends._find.cache_clear()
    assert isinstance(backend("temporal"), TemporalBackend)
    assert isinstance(backend("local"), LocalBackend)


def test_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no backend 'cluster'.*local, temporal"):
        backend("cluster")


def test_compile_goes_through_a_backend_that_the_user_registers() -> None:
    class Own(LocalBackend):
        async def compile(self, optimizer: Any, student: Any, **given: Any) -> Any:
            return optimizer, sorted(given)

    register_backend("local", Own)
    optimizer = LabeledFewShot()
    rows = [Example(question="q", answer="a").with_inputs("question")]
    compiled: Any = optimizer.compile(dspex.Predict("question -> answer"), trainset=rows)
    assert compiled == (optimizer, ["budget", "teacher", "trainset", "valset"])


def test_options_reach_the_backend() -> None:
    made: list[BackendOptions] = []

    def make(options: BackendOptions) -> Any:
        made.append(options)
        return LocalBackend(options)

    register_backend("elsewhere", make)
    backend("elsewhere", BackendOptions(store="sqlite:///x.db"))
    assert made == [BackendOptions(store="sqlite:///x.db")]
