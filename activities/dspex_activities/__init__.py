"""The working side of a durable run: what Temporal retries. Only these touch LMs, the store and the user's code."""

from collections.abc import Callable
from typing import Any

from dspex_activities.batch_chunk import CollectChunks
from dspex_activities.batches import BatchActivities
from dspex_activities.evaluate_chunk import EvaluateChunks
from dspex_activities.finetune import Finetunes
from dspex_activities.finish_run import FinishRuns
from dspex_activities.inspect_run import InspectRuns
from dspex_activities.run_cache import RunCache
from dspex_activities.set_budget import SetBudgets
from dspex_activities.trace_chunk import TraceChunks


def all_activities(bench: RunCache) -> list[Callable[..., Any]]:
    """The activities of a worker that works at `bench`."""
    finetunes = Finetunes(bench)
    return [
        InspectRuns(bench).inspect_run,
        EvaluateChunks(bench).evaluate_chunk,
        TraceChunks(bench).trace_chunk,
        FinishRuns(bench).finish_run,
        SetBudgets(bench).set_budget,
        CollectChunks(bench).collect_chunk,
        BatchActivities(bench).inspect_batches,
        BatchActivities(bench).tend_batches,
        BatchActivities(bench).cancel_batches,
        finetunes.upload,
        finetunes.create,
        finetunes.look,
        finetunes.cancel,
    ]


__all__ = ["RunCache", "all_activities"]
