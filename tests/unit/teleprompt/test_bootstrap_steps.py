"""BootstrapFewShot as a state and a step: what it asks for, what it decides, and that it can be resumed anywhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pattern_runner import STUDENT, Pattern, PatternRunner, labels_beside, one_after_another, task

from dspex.errors import DSPyError, UsageError
from dspex.teleprompt import BootstrapFewShot, BootstrapState
from dspex.teleprompt.bootstrap import BootstrapFailedError
from dspex.teleprompt.candidate import Candidate, RowDemo, TraceDemo
from dspex.teleprompt.runner_protocol import ProgramFacts

ROUNDS = 3
VERDICTS = st.lists(st.sampled_from(["pass", "fail", "error"]), min_size=ROUNDS, max_size=ROUNDS)
PATTERNS = st.lists(VERDICTS, max_size=60)
WIDEST = 256


async def run(optimizer: BootstrapFewShot, pattern: Pattern, **facts: Any) -> tuple[BootstrapState, PatternRunner]:
    runner = PatternRunner(pattern)
    state = optimizer.start(task(pattern, **facts))
    while not state.done:
        state = await optimizer.step(state, runner)
    return state, runner


def every(verdict: Any, count: int) -> Pattern:
    return [[verdict] * ROUNDS] * count


@given(
    pattern=PATTERNS,
    demos=st.integers(0, 6),
    labeled=st.integers(0, 10),
    rounds=st.integers(1, ROUNDS),
    max_errors=st.sampled_from([1, 3, 10**6]),
    seed=st.integers(0, 3),
)
async def test_what_many_at_once_decide_is_what_one_after_another_would(
    pattern: Pattern, demos: int, labeled: int, rounds: int, max_errors: int, seed: int
) -> None:
    expected = one_after_another(pattern, demos=demos, rounds=rounds, max_errors=max_errors)
    optimizer = BootstrapFewShot(
        max_bootstrapped_demos=demos, max_labeled_demos=labeled, max_rounds=rounds, max_errors=max_errors, seed=seed
    )
    if expected.gave_up:
        with pytest.raises(BootstrapFailedError):
            await run(optimizer, pattern)
        return
    state, _ = await run(optimizer, pattern)
    assert (state.passed, state.attempts, state.errors) == (expected.passed, expected.attempts, expected.errors)
    chosen = optimizer.best(state).demos
    room = max(0, labeled - len(expected.passed))
    for name, labels in zip(STUDENT.predictors, labels_beside(state.passed, len(pattern), room, 2, seed), strict=True):
        assert [demo.index for demo in chosen[name] if isinstance(demo, TraceDemo)] == expected.passed
        assert [demo.index for demo in chosen[name] if isinstance(demo, RowDemo)] == labels


@given(pattern=st.lists(VERDICTS, min_size=1, max_size=400), demos=st.integers(1, 8))
async def test_every_example_is_asked_for_once_and_few_in_vain(pattern: Pattern, demos: int) -> None:
    state, runner = await run(BootstrapFewShot(max_bootstrapped_demos=demos), pattern)
    asked = [index for request in runner.requests for index in request.indices]
    assert asked == list(range(len(asked)))
    assert len(asked) == state.next_index + state.speculative
    assert all(len(request.indices) <= WIDEST for request in runner.requests)
    assert not state.speculative or len(state.passed) == demos


@pytest.mark.parametrize("demos", [1, 4, 8, 50])
async def test_where_all_pass_no_more_than_half_again_as_many_are_tried_in_vain(demos: int) -> None:
    state, runner = await run(BootstrapFewShot(max_bootstrapped_demos=demos), every("pass", 1000))
    assert len(runner.requests) == 1
    assert state.speculative <= max(2, 1.5 * demos)


async def test_where_none_pass_the_windows_widen_up_to_a_bound() -> None:
    _, runner = await run(BootstrapFewShot(), every("fail", 2000))
    widths = [len(request.indices) for request in runner.requests]
    assert max(widths) == WIDEST
    assert widths[:-1] == sorted(widths[:-1])
    assert len(widths) < 15


@given(pattern=st.lists(VERDICTS, max_size=80), demos=st.integers(0, 9), rounds=st.integers(1, ROUNDS))
async def test_it_goes_on_from_its_json_as_if_never_interrupted(pattern: Pattern, demos: int, rounds: int) -> None:
    optimizer = BootstrapFewShot(max_bootstrapped_demos=demos, max_rounds=rounds)
    undisturbed, _ = await run(optimizer, pattern)
    state = optimizer.start(task(pattern))
    while True:
        state = BootstrapState.model_validate_json(state.model_dump_json())
        if state.done:
            break
        state = await BootstrapFewShot(**optimizer.arguments()).step(state, PatternRunner(pattern))
    assert state == undisturbed
    assert optimizer.best(state).model_dump_json() == optimizer.best(undisturbed).model_dump_json()


async def test_a_step_leaves_the_state_before_it_as_it_was() -> None:
    optimizer, pattern = BootstrapFewShot(max_bootstrapped_demos=30), every("pass", 20)
    before = optimizer.start(task(pattern))
    copied = before.model_dump_json()
    runner = PatternRunner(pattern)
    first, second = await optimizer.step(before, runner), await optimizer.step(before, runner)
    assert before.model_dump_json() == copied
    assert first == second
    assert runner.requests[0] == runner.requests[1], "a step that is repeated asks for the same things"


async def test_steps_have_paths_of_their_own() -> None:
    _, runner = await run(BootstrapFewShot(max_bootstrapped_demos=9), every("fail", 300))
    paths = [request.path for request in runner.requests]
    assert len(set(paths)) == len(paths) > 1


async def test_errors_of_examples_not_needed_do_not_count() -> None:
    pattern = [["pass"], ["pass"], *[["error"]] * 50]
    state, runner = await run(BootstrapFewShot(max_bootstrapped_demos=2, max_errors=1), pattern)
    assert state.errors == 0
    assert state.speculative > 0
    assert len(runner.requests) == 1


async def test_it_gives_up_at_the_error_that_is_one_too_many() -> None:
    pattern = [["error"], ["pass"], ["error"], ["error"], *every("pass", 9)]
    with pytest.raises(BootstrapFailedError, match=r"failed 3 times by example 3 .* ValueError; max_errors is 3"):
        await run(BootstrapFewShot(max_errors=3), pattern)
    state, _ = await run(BootstrapFewShot(max_errors=4), pattern)
    assert state.errors == 3


async def test_without_a_limit_of_its_own_it_keeps_to_the_runs() -> None:
    with pytest.raises(BootstrapFailedError, match="max_errors is 2"):
        await run(BootstrapFewShot(), every("error", 5), max_errors=2)


def test_giving_up_is_no_wrong_usage() -> None:
    assert issubclass(BootstrapFailedError, DSPyError)
    assert not issubclass(BootstrapFailedError, UsageError), "calls were made, and the arguments were right"


async def test_stopped_at_any_step_it_has_a_candidate() -> None:
    optimizer, pattern = BootstrapFewShot(max_bootstrapped_demos=12, max_labeled_demos=16), every("pass", 4)
    pattern = [*every("fail", 40), *pattern, *every("fail", 200)]
    runner = PatternRunner(pattern)
    state = optimizer.start(task(pattern))
    while True:
        best = optimizer.best(state)
        assert best.fresh
        assert best.compiled
        for name in STUDENT.predictors:
            traces = [demo for demo in best.demos[name] if isinstance(demo, TraceDemo)]
            assert [demo.index for demo in traces] == state.passed
            assert len(best.demos[name]) == 16
            assert len({demo.index for demo in best.demos[name]}) == 16, "no example is shown twice"
        if state.done:
            break
        state = await optimizer.step(state, runner)
    assert state.passed == [40, 41, 42, 43]


async def test_a_predictor_that_did_not_fire_gets_labels_instead() -> None:
    class Runner(PatternRunner):
        def _traced(self, index: int, rounds: int) -> Any:
            return super()._traced(index, rounds).model_copy(update={"predictors": ["second"]})

    optimizer, pattern = BootstrapFewShot(max_bootstrapped_demos=2, max_labeled_demos=3), every("pass", 9)
    state = await optimizer.step(optimizer.start(task(pattern)), Runner(pattern))
    demos = optimizer.best(state).demos
    assert [demo.kind for demo in demos["first"]] == ["row"] * 3
    assert [demo.kind for demo in demos["second"]] == ["trace", "trace", "row"]


def test_the_teacher_is_the_student_with_labels() -> None:
    teacher = teacher_of(BootstrapFewShot(max_labeled_demos=3))
    assert (teacher.base, teacher.fresh, teacher.compiled) == ("student", True, False)
    assert {name: len(demos) for name, demos in teacher.demos.items()} == {"first": 3, "second": 3}


@pytest.mark.parametrize(("labeled", "compiled"), [(0, False), (0, True), (16, True)])
def test_a_teacher_that_needs_no_labels_stays_as_it_is(labeled: int, compiled: bool) -> None:
    given = STUDENT.model_copy(update={"compiled": compiled})
    assert teacher_of(BootstrapFewShot(max_labeled_demos=labeled), teacher=given) == Candidate(base="teacher")


def teacher_of(optimizer: BootstrapFewShot, **facts: Any) -> Candidate:
    return optimizer._teacher(task(every("pass", 20), **facts))


async def test_a_threshold_of_zero_is_none() -> None:
    for threshold, asked in [(0, None), (0.5, 0.5), (None, None), (-1.0, -1.0)]:
        _, runner = await run(BootstrapFewShot(metric_threshold=threshold), every("pass", 3))
        assert runner.requests[0].threshold == asked


async def test_nothing_to_find_is_done_at_once() -> None:
    for optimizer, pattern in [
        (BootstrapFewShot(), []),
        (BootstrapFewShot(max_bootstrapped_demos=0), every("pass", 3)),
    ]:
        state, runner = await run(optimizer, pattern)
        assert state.done
        assert runner.requests == []


def test_a_compiled_student_is_refused() -> None:
    with pytest.raises(UsageError, match="uncompiled student"):
        BootstrapFewShot().start(task([], student=STUDENT.model_copy(update={"compiled": True})))


@pytest.mark.parametrize(
    ("teacher", "told"),
    [
        (ProgramFacts(predictors=["first"], signatures=["a -> b"]), "same predictors.*first, second.*first"),
        (ProgramFacts(predictors=["second", "first"], signatures=["a -> b", "b -> c"]), "same predictors"),
        (ProgramFacts(predictors=["first", "second"], signatures=["a -> b", "b -> d"]), "same fields.*b -> c.*b -> d"),
    ],
)
def test_a_teacher_of_another_structure_is_refused(teacher: ProgramFacts, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        BootstrapFewShot().start(task([], teacher=teacher))


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_bootstrapped_demos": -1},
        {"max_labeled_demos": -1},
        {"max_rounds": 0},
        {"metric_threshold": float("nan")},
        {"metric_threshold": float("inf")},
    ],
)
def test_impossible_arguments_are_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(arguments))):
        BootstrapFewShot(**arguments)
