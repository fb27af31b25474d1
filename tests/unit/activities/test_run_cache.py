"""What the work of a run is done with on a worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from dspex.clients.calls.current_ledger import current_ledger
from dspex.predict import Predict
from dspex.runner.imports import AllowedModules
from dspex.runner.references import reference
from dspex.settings import context, settings
from dspex.store import Store
from dspex.temporal.contracts.optimize import RunSpec
from dspex_activities import RunCache


@pytest.fixture
def bench(tmp_path: Path) -> RunCache:
    return RunCache(Store.open(tmp_path / "of the worker.db"), AllowedModules([]))


async def test_answers_go_to_the_store_of_the_worker_whatever_the_process_has_configured(
    bench: RunCache, tmp_path: Path
) -> None:
    spec = RunSpec(run_id="one", student=reference(Predict("question -> answer")))
    run = await bench.run(await bench.store.programs.put(spec.model_dump(mode="json")))

    with context(store=str(tmp_path / "another.db")), context(**run.settings):
        assert current_ledger() is bench.store.ledger


async def test_worker_keeps_no_history_of_calls(bench: RunCache) -> None:
    spec = RunSpec(run_id="one", student=reference(Predict("question -> answer")))
    run = await bench.run(await bench.store.programs.put(spec.model_dump(mode="json")))

    with context(**run.settings):
        assert settings.disable_history
