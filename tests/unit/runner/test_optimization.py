"""A run from its first evaluation to its last, as a state that survives as JSON."""

from __future__ import annotations

from typing import Any

import pytest
from support.pattern_runner import STUDENT, PatternRunner, task

from dspex.errors import UsageError
from dspex.teleprompt import BootstrapFewShot, LabeledFewShot, Optimizer
from dspex.teleprompt.candidate import Candidate
from dspex.teleprompt.optimization_run import Phase, RunState, advance, begin, stop

PATTERN = [["fail"]] * 900 + [["pass"]] * 30
SCORES = {"baseline": 40.0, "final": 60.0}


def started(optimizer: Optimizer[Any], *, val_rows: int = 10, score: bool = True) -> RunState:
    return begin(optimizer, task(PATTERN, val_rows=val_rows), score=score)


def runner() -> PatternRunner:
    return PatternRunner(PATTERN, SCORES)


async def states(optimizer: Optimizer[Any], state: RunState, run: PatternRunner) -> list[RunState]:
    """All states from this one to the end."""
    passed = [state]
    while passed[-1].phase is not Phase.DONE:
        passed.append(await advance(passed[-1], optimizer, run))
    return passed


@pytest.mark.parametrize("optimizer", [BootstrapFewShot(), LabeledFewShot()], ids=lambda optimizer: optimizer.name)
async def test_a_run_scores_the_program_before_and_after(optimizer: Optimizer[Any]) -> None:
    run = runner()
    passed = await states(optimizer, started(optimizer), run)
    phases = list(dict.fromkeys(state.phase for state in passed))
    assert phases == [Phase.BASELINE, Phase.OPTIMIZING, Phase.FINAL, Phase.DONE]
    end = passed[-1]
    assert end.candidate is not None
    assert run.evaluated == [("baseline", Candidate()), ("final", end.candidate)]
    assert (end.baseline.score, end.final.score, end.best_score) == (40.0, 60.0, 60.0)  # type: ignore[union-attr]
    assert not end.stopped


@pytest.mark.parametrize(("val_rows", "score"), [(0, True), (10, False), (0, False)])
async def test_without_validation_set_or_wish_nothing_is_scored(val_rows: int, score: bool) -> None:
    run = runner()
    end = (await states(BootstrapFewShot(), started(BootstrapFewShot(), val_rows=val_rows, score=score), run))[-1]
    assert run.evaluated == []
    assert end.candidate is not None
    assert end.best_score is None


async def test_a_run_goes_on_from_the_json_of_any_state_to_the_same_end() -> None:
    optimizer = BootstrapFewShot(max_bootstrapped_demos=20)
    passed = await states(optimizer, started(optimizer), runner())
    assert len(passed) > 5
    for state in passed:
        again = RunState.model_validate_json(state.model_dump_json())
        assert again == state
        assert (await states(optimizer, again, runner()))[-1] == passed[-1]


async def test_a_run_can_be_stopped_at_any_state_with_a_program() -> None:
    optimizer = BootstrapFewShot(max_bootstrapped_demos=20)
    for state in await states(optimizer, started(optimizer), runner()):
        stopped = stop(state, optimizer)
        assert stopped.phase is Phase.DONE
        assert stopped.candidate is not None
        assert set(stopped.candidate.demos) == set(STUDENT.predictors)
        assert stopped.stopped is (state.phase is not Phase.DONE)
        assert await advance(stopped, optimizer, runner()) == stopped


async def test_a_run_that_only_chooses_labels_runs_no_program() -> None:
    assert not started(LabeledFewShot(), val_rows=0).runs_programs
    assert started(LabeledFewShot()).runs_programs, "it is scored"
    assert started(BootstrapFewShot(), val_rows=0).runs_programs
    for state in await states(LabeledFewShot(), started(LabeledFewShot()), runner()):
        assert state.runs_programs is (state.phase in (Phase.BASELINE, Phase.FINAL))


async def test_the_note_and_the_number_of_steps_tell_how_far_it_is() -> None:
    optimizer = BootstrapFewShot(max_bootstrapped_demos=20)
    passed = await states(optimizer, started(optimizer, val_rows=0), runner())
    assert [state.steps for state in passed] == list(range(len(passed)))
    assert passed[0].note == "0 of 20 demos from 0 examples"
    assert passed[-1].note.startswith("20 of 20 demos from")


def test_a_task_that_the_optimizer_refuses_does_not_begin() -> None:
    with pytest.raises(UsageError, match="uncompiled"):
        begin(BootstrapFewShot(), task(PATTERN, student=STUDENT.model_copy(update={"compiled": True})))
