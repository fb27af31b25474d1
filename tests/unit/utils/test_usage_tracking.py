"""Tokens are counted once, whoever asked: threads, tasks, programs run together, nested trackers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pydantic
import pytest

import dspex
from dspex.primitives import usage as module
from dspex.utils.parallelizer import ParallelExecutor
from dspex.utils.usage_tracker import UsageTracker, track_usage

ONE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


class Counting(dspex.BaseLM):
    """Every call takes five tokens."""

    blocking = False

    def __init__(self, found: bool = False) -> None:
        super().__init__("counting")
        self.found = found

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        from dspex.clients.canonical.answer import Answer

        message = {"content": "[[ ## answer ## ]]\na"}
        answer = Answer(model="counting", choices=[{"message": message}], usage=dict(ONE))
        answer.cache_hit = self.found
        return answer


def times(count: int) -> dict[str, dict[str, int]]:
    return {"counting": {name: number * count for name, number in ONE.items()}}


EXAMPLES = [dspex.Example(question=str(n), answer="a").with_inputs("question") for n in range(12)]


@pytest.fixture
def predict() -> Any:
    predict = dspex.Predict("question -> answer")
    predict.lm = Counting()
    return predict


def test_evaluation_in_many_threads_is_counted_whole(predict: Any) -> None:
    with track_usage() as tracker:
        dspex.Evaluate(devset=EXAMPLES, metric=lambda *_: True, num_threads=4, display_progress=False)(predict)
    assert tracker.get_total_tokens() == times(12)


def test_calls_in_parallel_are_counted(predict: Any) -> None:
    with track_usage() as tracker:
        dspex.Parallel(num_threads=4, disable_progress_bar=True)([(predict, example) for example in EXAMPLES])
        predict.batch(EXAMPLES, num_threads=4, disable_progress_bar=True)
        ParallelExecutor(num_threads=4, disable_progress_bar=True).execute(lambda e: predict(**e.inputs()), EXAMPLES)
    assert tracker.get_total_tokens() == times(36)


async def test_calls_in_tasks_are_counted(predict: Any) -> None:
    with track_usage() as tracker:
        await asyncio.gather(*(predict.acall(question="?") for _ in range(5)))
    assert tracker.get_total_tokens() == times(5)


async def test_calls_in_a_thread_of_the_users_are_counted(predict: Any) -> None:
    with track_usage() as tracker:
        await asyncio.to_thread(predict, question="?")
    assert tracker.get_total_tokens() == times(1)


def test_outer_tracker_gets_what_the_inner_one_got(predict: Any) -> None:
    with track_usage() as outer:
        predict(question="?")
        with track_usage() as inner:
            predict(question="?")
    assert inner.get_total_tokens() == times(1)
    assert outer.get_total_tokens() == times(2)


def test_outer_tracker_gets_it_though_the_inner_block_failed(predict: Any) -> None:
    with track_usage() as outer, pytest.raises(ValueError), track_usage():
        predict(question="?")
        raise ValueError
    assert outer.get_total_tokens() == times(1)


def test_answer_from_a_cache_counts_nothing(predict: Any) -> None:
    predict.lm = Counting(found=True)
    with track_usage() as tracker:
        predict(question="?")
    assert tracker.get_total_tokens() == {}


def test_prediction_tells_what_its_whole_program_took(predict: Any) -> None:
    class Twice(dspex.Module):
        def forward(self, question: str) -> Any:
            predict(question=question)
            return predict(question=question)

    with dspex.context(track_usage=True):
        assert Twice()(question="?").get_lm_usage() == times(2)
        each = dspex.Parallel(num_threads=4, disable_progress_bar=True)([(predict, one) for one in EXAMPLES])
    assert [prediction.get_lm_usage() for prediction in each] == [times(1)] * 12


def test_prediction_with_its_trace_tells_too(predict: Any) -> None:
    class Traced(dspex.Module):
        def forward(self, question: str) -> Any:
            return predict(question=question), ["trace"]

    with dspex.context(track_usage=True):
        prediction, _ = Traced()(question="?")
    assert prediction.get_lm_usage() == times(1)


def test_program_without_a_prediction_is_warned_of(predict: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Plain(dspex.Module):
        def forward(self, question: str) -> str:
            return str(predict(question=question).answer)

    with dspex.context(track_usage=True):
        assert Plain()(question="?") == "a"
    assert "Failed to set LM usage" in caplog.text


class Details(pydantic.BaseModel):
    cached_tokens: int = 1


def test_counts_are_added_and_all_else_stands() -> None:
    tracker = UsageTracker()
    tracker.add_usage(
        "m", {"total": 1, "details": {"cached": 2, "none": None}, "byok": True, "tier": "a", "d": Details()}
    )
    tracker.add_usage("m", {"total": 2, "details": {"cached": 3, "none": 4}, "byok": True, "tier": "b", "d": Details()})
    tracker.add_usage("m", {"total": None, "details": None, "new": 0.5})
    details = {"cached": 5, "none": 4}
    assert tracker.get_total_tokens() == {
        "m": {"total": 3, "details": details, "byok": True, "tier": "a", "d": {"cached_tokens": 2}, "new": 0.5}
    }


def test_empty_usage_is_no_entry() -> None:
    tracker = UsageTracker()
    tracker.add_usage("m", {})
    tracker.add_usage("m", None)
    assert tracker.usage_data == {}
    assert tracker.get_total_tokens() == {}


def test_totals_are_a_copy() -> None:
    tracker = UsageTracker()
    tracker.add_usage("m", {"details": {"cached": 1}})
    tracker.get_total_tokens()["m"]["details"]["cached"] = 99
    assert tracker.get_total_tokens() == {"m": {"details": {"cached": 1}}}


def test_tracker_stays_small_and_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ENTRIES", 10)
    tracker = UsageTracker()

    def add() -> None:
        for _ in range(250):
            tracker.add_usage("m", ONE)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tracker.usage_data["m"]) <= 10
    assert tracker.get_total_tokens() == {"m": {name: number * 1000 for name, number in ONE.items()}}
