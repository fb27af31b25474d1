"""Programs, outcomes and runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dspex.errors import NotInStoreError, UsageError
from dspex.store import Failure, Outcome, Store

FULL = Outcome(
    index=3,
    score=0.1 + 0.2,
    error="ValueError: nul \0 and half \ud83d",
    passed=False,
    demos={"self": {"question": "why", "augmented": True}},
    prediction={"answer": "because"},
    lm_calls=2,
    lm_calls_from_ledger=1,
)
KEPT = Outcome(**{**{name: getattr(FULL, name) for name in Outcome.__slots__}, "error": "ValueError: nul ␀ and half ?"})


async def test_a_program_is_found_under_its_content(store: Store, another: Callable[[], Store]) -> None:
    state = {"z": {"demos": [{"b": 1, "a": "é"}]}, "a": None}
    sha = await store.programs.put(state)
    assert await another().programs.put(state) == sha
    found = await another().programs.get(sha)
    assert found == state
    assert list(found) == ["z", "a"]


async def test_a_program_elsewhere_says_that_hosts_share_a_store(store: Store) -> None:
    with pytest.raises(NotInStoreError, match=r"no program abc.*DSPEX_STORE"):
        await store.programs.get("abc")


async def test_outcomes_come_back_by_index(store: Store) -> None:
    await store.outcomes.put("run", "baseline", [Outcome(5, score=1.0), FULL, Outcome(4, passed=True)])
    assert await store.outcomes.done("run", "baseline", 3, 5) == [KEPT, Outcome(4, passed=True)]
    assert await store.outcomes.at("run", "baseline", [5, 9, 3]) == [KEPT, Outcome(5, score=1.0)]
    assert await store.outcomes.done("run", "baseline", 6, 100) == []


async def test_a_later_outcome_replaces_an_earlier_one(store: Store) -> None:
    await store.outcomes.put("run", "step", [Outcome(0, error="boom", prediction={"a": 1}), Outcome(1)])
    await store.outcomes.put("run", "step", [Outcome(0, score=1.0), Outcome(0, score=0.5)])
    assert await store.outcomes.done("run", "step", 0, 2) == [Outcome(0, score=0.5), Outcome(1)]


async def test_outcomes_of_other_runs_and_steps_are_apart(store: Store) -> None:
    for run, path in (("a", "x"), ("a", "y"), ("b", "x")):
        await store.outcomes.put(run, path, [Outcome(0, prediction={"at": run + path})])
    (outcome,) = await store.outcomes.done("a", "y", 0, 10)
    assert outcome.prediction == {"at": "ay"}


async def test_no_outcomes_at_all(store: Store) -> None:
    await store.outcomes.put("run", "step", [])
    assert await store.outcomes.at("run", "step", []) == []


async def test_failures_are_listed_in_order_and_limited(store: Store) -> None:
    await store.outcomes.put("run", "b", [Outcome(i, error=f"error {i}" if i % 2 else None) for i in range(6)])
    await store.outcomes.put("run", "a", [Outcome(7, error="first")])
    assert await store.outcomes.failures("run", 3) == [
        Failure("a", 7, "first"),
        Failure("b", 1, "error 1"),
        Failure("b", 3, "error 3"),
    ]


async def test_what_cannot_be_kept_of_an_outcome_is_named(store: Store) -> None:
    with pytest.raises(UsageError, match=r"step/4 prediction\.answer"):
        await store.outcomes.put("run", "step", [Outcome(4, prediction={"answer": print})])


async def test_a_run_keeps_what_it_is_not_told_anew(store: Store) -> None:
    await store.runs.upsert("run", "running", optimizer="BootstrapFewShot", program="qa", baseline=0.5, started_at=1.0)
    await store.runs.upsert("run", "done", score=0.75, finished_at=2.0, result={"trials": [1, 2]})
    run = await store.runs.get("run")
    assert run is not None
    assert (run.status, run.optimizer, run.program, run.baseline, run.score) == (
        "done",
        "BootstrapFewShot",
        "qa",
        0.5,
        0.75,
    )
    assert (run.started_at, run.finished_at, run.result) == (1.0, 2.0, {"trials": [1, 2]})


async def test_runs_are_listed_latest_first(store: Store) -> None:
    for i in range(4):
        await store.runs.upsert(f"run {i}", "done" if i % 2 else "failed", started_at=float(i))
    assert [run.run_id for run in await store.runs.list(limit=3)] == ["run 3", "run 2", "run 1"]
    assert [run.run_id for run in await store.runs.list(status="failed")] == ["run 2", "run 0"]
    assert await store.runs.get("no such run") is None


async def test_an_unknown_field_of_a_run_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="no field speed"):
        await store.runs.upsert("run", "running", speed=1)
