"""Start a run's workflow, or attach to the one that is there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowHandle
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from dspex.errors import UsageError
from dspex.temporal.contracts.finetune import FinetuneJob
from dspex.temporal.contracts.optimize import EvaluateJob, OptimizeJob, RunLabels, Sha
from dspex.temporal.reconnect import with_reconnects
from dspex.temporal.search_attributes import OPTIMIZER, PROGRAM

SPEC_MEMO = "dspex_spec"
"""The key of the workflow's memo under which the address of the run's spec is."""

_TASK_TIMEOUT = timedelta(seconds=5)
"""A worker that dies in the middle of a workflow task is given up after this."""


@dataclass(frozen=True)
class RunStarter:
    """Starts workflows on one server and task queue.

    Args:
        temporal: The connection.
        task_queue: The queue of the workers that are to do the runs.
        search_attributes: Whether the server knows dspex's search attributes.
    """

    temporal: TemporalClient
    task_queue: str
    search_attributes: bool

    def labels(self, optimizer: str, program: str) -> RunLabels:
        """Make the labels by which people recognize a run in Temporal's UI.

        Args:
            optimizer: The optimizer's name.
            program: The program's label.
        """
        return RunLabels(optimizer=optimizer, program=program, search_attributes=self.search_attributes)

    async def start(
        self,
        workflow: str,
        job: OptimizeJob | EvaluateJob | FinetuneJob,
        result_type: type,
        reuse: WorkflowIDReusePolicy,
    ) -> WorkflowHandle[Any, Any]:
        """Start a workflow under the id of the job's run; attach to one that is in progress, or done.

        Args:
            workflow: Its name.
            job: Its input.
            result_type: What it returns.
            reuse: After which ends of an earlier run of this id another one is started.

        Raises:
            UsageError: a run of another spec has this id.
        """

        async def start() -> WorkflowHandle[Any, Any]:
            return await self.temporal.start_workflow(
                workflow,
                job,
                id=job.run_id,
                task_queue=self.task_queue,
                result_type=result_type,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=reuse,
                task_timeout=_TASK_TIMEOUT,
                static_summary=f"{job.labels.optimizer}: {job.labels.program}",
                memo={SPEC_MEMO: job.spec},
                search_attributes=_search_attributes(job.labels),
            )

        with suppress(WorkflowAlreadyStartedError):  # it is done: attach to its result
            await with_reconnects(start)
        handle: WorkflowHandle[Any, Any] = self.temporal.get_workflow_handle(job.run_id, result_type=result_type)
        await _refuse_other(handle, job.spec, job.run_id)
        return handle


def _search_attributes(labels: RunLabels) -> TypedSearchAttributes:
    if not labels.search_attributes:
        return TypedSearchAttributes([])
    return TypedSearchAttributes(
        [SearchAttributePair(OPTIMIZER, labels.optimizer), SearchAttributePair(PROGRAM, labels.program[:200])]
    )


async def _refuse_other(handle: WorkflowHandle[Any, Any], spec: Sha, run_id: str) -> None:
    """Refuse to attach to another run: one of this id may be in progress already."""
    described = await with_reconnects(handle.describe)
    found = (await described.memo()).get(SPEC_MEMO)
    if found != spec:
        raise UsageError(
            f"There is a run {run_id!r} already, of another program, optimizer, metric, LM or other data. "
            f"Choose another id, or look at it: dspex runs show {run_id}"
        )
