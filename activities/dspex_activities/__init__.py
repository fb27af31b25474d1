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


def all_activities(cache: RunCache) -> list[Callable[..., Any]]:
    """The activities of a worker; they share `cache`."""
    finetunes = Finetunes(cache)
    return [
        InspectRuns(cache).inspect_run,
        EvaluateChunks(cache).evaluate_chunk,
        TraceChunks(cache).trace_chunk,
        FinishRuns(cache).finish_run,
        SetBudgets(cache).set_budget,
        CollectChunks(cache).collect_chunk,
        BatchActivities(cache).inspect_batches,
        BatchActivities(cache).tend_batches,
        BatchActivities(cache).cancel_batches,
        finetunes.upload,
        finetunes.create,
        finetunes.look,
        finetunes.cancel,
    ]


__all__ = ["RunCache", "all_activities"]
