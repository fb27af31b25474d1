"""The Python client: start runs, attach to them, watch them, stop them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowHandle
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from dspex.clients.cost.budget import Budget, of_spending
from dspex.errors import UsageError
from dspex.observability import traced
from dspex.runner.references import ProgramRef
from dspex.runner.run_id import checked_run_id, new_run_id, slug
from dspex.store import Store
from dspex.teleprompt.optimizer import Optimizer
from dspex.temporal.connection import connect, task_queue_in_force
from dspex.temporal.contracts.batch import EVALUATE_BY_BATCH, BatchOptions, EvaluateByBatchJob
from dspex.temporal.contracts.finetune import FINETUNE, FinetuneJob, FinetuneResult, FinetuneSpec
from dspex.temporal.contracts.optimize import (
    EVALUATE,
    OPTIMIZE,
    Chunking,
    EvaluateJob,
    EvaluateResult,
    OptimizeJob,
    OptimizeResult,
    OptimizerSpec,
    RunLabels,
    RunSpec,
)
from dspex.temporal.finetune_run import FinetuneRun
from dspex.temporal.reconnect import patiently
from dspex.temporal.run import Run
from dspex.temporal.run_spec import (
    Data,
    dataset_ref,
    empty_spec,
    optimizer_spec,
    optional_metric,
    program_ref,
    spec_document,
    teacher_lm,
)
from dspex.temporal.search_attributes import OPTIMIZER, PROGRAM

if TYPE_CHECKING:
    from dspex.clients import BaseLM
    from dspex.clients.utils_finetune import TrainDataFormat
    from dspex.finetuning.polling import Polling
    from dspex.primitives import Module
    from dspex.store.datasets import DatasetRef

_TASK_TIMEOUT = timedelta(seconds=5)
"""A worker that dies in the middle of a workflow task is given up after this."""
_SPEC = "dspex_spec"
_KINDS = ", ".join(f"'{kind}'" for kind in (OPTIMIZE, EVALUATE, EVALUATE_BY_BATCH, FINETUNE))
_QUERY = f"WorkflowType IN ({_KINDS}) AND ParentWorkflowId IS NULL"


class Client:
    """A connection to the Temporal server that keeps the runs, and to the store that keeps their data."""

    def __init__(self, temporal: TemporalClient, store: Store, task_queue: str, search_attributes: bool) -> None:
        """Use `Client.connect`."""
        self.temporal = temporal
        self.store = store
        self.task_queue = task_queue
        self._search_attributes = search_attributes

    @classmethod
    async def connect(
        cls,
        address: str | None = None,
        *,
        namespace: str | None = None,
        store: Store | str | None = None,
        task_queue: str | None = None,
    ) -> Client:
        """Connect. What is not given comes from `dspex.configure`, the environment (``TEMPORAL_*``, ``DSPEX_STORE``,
        ``DSPEX_TASK_QUEUE``) and Temporal's profiles, or is localhost.

        Raises:
            TemporalNotReachableError: no Temporal server answers.
        """
        from dspex.settings import settings

        temporal = await connect(address or settings.temporal, namespace)
        opened = store if isinstance(store, Store) else Store.open(store)
        return cls(temporal, opened, task_queue_in_force(task_queue), await _knows_search_attributes(temporal))

    @traced("optimize")
    async def optimize(
        self,
        program: Module | ProgramRef,
        *,
        optimizer: Optimizer[Any] | OptimizerSpec,
        trainset: Data,
        valset: Data | None = None,
        teacher: Module | ProgramRef | None = None,
        metric: Callable[..., Any] | str | None = None,
        lm: BaseLM | None = None,
        id: str | None = None,
        chunking: Chunking | None = None,
        budget: Budget | None = None,
    ) -> Run:
        """Start a durable optimization run, or attach to the one of this `id`.

        With a `valset` the program is scored before and after. A run of the same id that is under way, or done, is
        attached to; a failed one starts anew, and what it paid for is in the ledger. A run that has used up its
        `budget` waits: `Run.set_budget` lets it go on, `Run.stop` ends it with the best program so far. A run under way
        that is attached to with another budget gets that one.

        Raises:
            UsageError: bad input, or another run has this id. Nothing was started.
        """
        student = program_ref(program)
        described = optimizer_spec(optimizer) if isinstance(optimizer, Optimizer) else optimizer
        run_id = checked_run_id(id) if id else new_run_id(student.label, described.name)
        spec = await self._describe(student, optimizer, trainset, valset, teacher, metric, lm)
        spec.run_id = run_id
        reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
        run = await self._optimize(spec, score=True, reuse=reuse, chunking=chunking, budget=budget)
        return await _with_budget(run, budget)

    @traced("compile")
    async def compile(
        self,
        optimizer: Optimizer[Any],
        student: Module,
        *,
        trainset: Data,
        teacher: Module | None = None,
        valset: Data | None = None,
        budget: Budget | None = None,
    ) -> Run:
        """Start the run that `Optimizer.compile` stands for: nothing is scored that the optimizer does not ask for, and
        with its `budget` spent it ends with the best program so far.

        Its id is made from all that goes into it, so that the same call attaches to the run under way.
        """
        spec = await self._describe(program_ref(student), optimizer, trainset, valset, teacher, None, None)
        digest = hashlib.sha256(_compact(spec_document(spec))).hexdigest()
        spec.run_id = f"{slug(spec.student.label)}-compile-{digest[:12]}"
        reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE
        run = await self._optimize(spec, score=False, reuse=reuse, budget=budget, stop_when_spent=True)
        return await _with_budget(run, budget)

    @traced("evaluate")
    async def evaluate(
        self,
        program: Module | ProgramRef,
        *,
        devset: Data,
        metric: Callable[..., Any] | str,
        lm: BaseLM | None = None,
        id: str | None = None,
        chunking: Chunking | None = None,
        batch: bool | BatchOptions = False,
        budget: Budget | None = None,
    ) -> Run:
        """Start a durable evaluation of `program` on `devset`, or attach to the one of this `id`.

        One that has used up its `budget` waits for a bigger one (`Run.set_budget`).

        With `batch` the LM's calls are made through the provider's batch API: at half the price, within a day for
        each call of a row that needs the answer of another. Cancelling the run cancels its batches.

        Raises:
            UsageError: bad input, or another run has this id. Nothing was started.
        """
        from dspex.teleprompt.candidate import Candidate

        spec = empty_spec(program_ref(program), lm)
        spec.run_id = checked_run_id(id) if id else new_run_id(spec.student.label, "evaluate")
        spec.metric = optional_metric(metric)
        data = spec.data["val"] = await dataset_ref(self.store, devset, "evaluation")
        sha = await self._keep(spec)
        described: dict[str, Any] = {
            "run_id": spec.run_id,
            "spec": sha,
            "candidate": Candidate(),
            "data": "val",
            "rows": data.rows,
            "path": "evaluate",
            "labels": self._labels("evaluate", spec.student),
            "standalone": True,
            "budget": budget,
        }
        if chunking is not None:
            described["chunking"] = chunking
        reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
        if batch:
            options = batch if isinstance(batch, BatchOptions) else BatchOptions()
            job: EvaluateJob = EvaluateByBatchJob(**described, options=options)
        else:
            job = EvaluateJob(**described)
        workflow = EVALUATE_BY_BATCH if batch else EVALUATE
        run = Run(await self._start(workflow, job, sha, EvaluateResult, reuse), self.store, spec)
        return await _with_budget(run, budget)

    async def finetune(
        self,
        lm: BaseLM,
        data: list[dict[str, Any]] | DatasetRef,
        *,
        data_format: TrainDataFormat | str = "chat",
        train_kwargs: dict[str, Any] | None = None,
        id: str | None = None,
        polling: Polling | None = None,
    ) -> FinetuneRun:
        """Start a durable fine-tuning of `lm`'s model, or attach to the one of this `id`.

        The data (rows in OpenAI's ``chat`` or ``completion`` format) are checked first. Workers upload them, create the
        provider's job and look at it by and by (`polling`), with the key that their environment holds. The same data,
        model and parameters are the same job at the provider, also in another run; `train_kwargs` as in `LM.finetune`.

        Raises:
            UsageError: bad data or parameters, or another run has this id. Nothing was started.
            LMUnsupportedFeatureError: the LM's provider is not one that workers know.
        """
        from dspex.temporal.finetune import start_finetune

        return await start_finetune(self, lm, data, data_format, train_kwargs, id=id, polling=polling)

    async def run(self, id: str) -> Run | FinetuneRun:
        """The run of this id, whatever its state.

        Raises:
            UsageError: there is none.
        """
        handle = self.temporal.get_workflow_handle(id)
        try:
            described = await patiently(handle.describe)
        except RPCError as error:
            if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                raise UsageError(
                    f"There is no run {id!r} on this server. `dspex runs list` shows those there are."
                ) from error
            raise
        memo = await described.memo()
        sha = memo.get(_SPEC)
        if sha is None:
            raise UsageError(f"{id!r} is a workflow of another kind, not a run of dspex.")
        if described.workflow_type == FINETUNE:
            handle = self.temporal.get_workflow_handle(id, run_id=None, result_type=FinetuneResult)
            return FinetuneRun(handle, self.store, FinetuneSpec.model_validate(await self.store.programs.get(sha)))
        spec = RunSpec.model_validate(await self.store.programs.get(sha))
        typed = OptimizeResult if described.workflow_type == OPTIMIZE else EvaluateResult
        handle = self.temporal.get_workflow_handle(id, run_id=None, result_type=typed)
        return Run(handle, self.store, spec)

    async def runs(self, limit: int | None = 50, *, running: bool = False) -> AsyncIterator[Any]:
        """The runs that the server knows, the latest first, as Temporal's workflow executions; all of them without a
        `limit`, and only those under way if `running`."""
        query = f"{_QUERY} AND ExecutionStatus = 'Running'" if running else _QUERY
        async for execution in self.temporal.list_workflows(query, limit=limit):
            yield execution

    async def polled(self) -> bool:
        """Whether any worker has polled this client's task queue in the last minutes."""
        return bool(await self.pollers())

    async def pollers(self) -> list[str]:
        """The workers that have polled this client's task queue in the last minutes, as ``process@host``."""
        from temporalio.api.enums.v1 import TaskQueueType
        from temporalio.api.taskqueue.v1 import TaskQueue
        from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

        request = DescribeTaskQueueRequest(
            namespace=self.temporal.namespace,
            task_queue=TaskQueue(name=self.task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        response = await self.temporal.workflow_service.describe_task_queue(request)
        return sorted({poller.identity for poller in response.pollers})

    async def _describe(
        self,
        student: ProgramRef,
        optimizer: Optimizer[Any] | OptimizerSpec,
        trainset: Data,
        valset: Data | None,
        teacher: Module | ProgramRef | None,
        metric: Callable[..., Any] | str | None,
        lm: BaseLM | None,
    ) -> RunSpec:
        live = optimizer if isinstance(optimizer, Optimizer) else None
        spec = empty_spec(student, lm)
        spec.optimizer = optimizer_spec(optimizer) if isinstance(optimizer, Optimizer) else optimizer
        spec.teacher = program_ref(teacher) if teacher is not None else None
        spec.metric = optional_metric(metric if metric is not None else live.metric if live else None)
        spec.teacher_lm = teacher_lm(live) if live else None
        if valset is not None and spec.metric is None:
            raise UsageError("A validation set needs a metric to score the program with.")
        spec.data["train"] = await dataset_ref(self.store, trainset, "training")
        if valset is not None:
            spec.data["val"] = await dataset_ref(self.store, valset, "validation")
        return spec

    async def _optimize(
        self,
        spec: RunSpec,
        *,
        score: bool,
        reuse: WorkflowIDReusePolicy,
        chunking: Chunking | None = None,
        budget: Budget | None = None,
        stop_when_spent: bool = False,
    ) -> Run:
        assert spec.optimizer is not None
        labels = self._labels(spec.optimizer.name, spec.student)
        sha = await self._keep(spec)
        job = OptimizeJob(
            run_id=spec.run_id,
            spec=sha,
            optimizer=spec.optimizer,
            labels=labels,
            score=score,
            chunking=chunking or Chunking(),
            budget=budget,
            stop_when_spent=stop_when_spent,
        )
        return Run(await self._start(OPTIMIZE, job, sha, OptimizeResult, reuse), self.store, spec)

    def _labels(self, optimizer: str, program: ProgramRef) -> RunLabels:
        return RunLabels(optimizer=optimizer, program=program.label, search_attributes=self._search_attributes)

    async def _keep(self, spec: RunSpec) -> str:
        return await self.store.programs.put(spec_document(spec))

    async def _start(
        self,
        workflow: str,
        job: OptimizeJob | EvaluateJob | FinetuneJob,
        sha: str,
        result_type: type,
        reuse: WorkflowIDReusePolicy,
    ) -> WorkflowHandle[Any, Any]:
        labels = job.labels
        attributes = [
            SearchAttributePair(OPTIMIZER, labels.optimizer),
            SearchAttributePair(PROGRAM, labels.program[:200]),
        ]

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
                static_summary=f"{labels.optimizer}: {labels.program}",
                memo={_SPEC: sha},
                search_attributes=TypedSearchAttributes(attributes if labels.search_attributes else []),
            )

        with suppress(WorkflowAlreadyStartedError):  # it is done: attach to its result
            await patiently(start)
        handle: WorkflowHandle[Any, Any] = self.temporal.get_workflow_handle(job.run_id, result_type=result_type)
        await _refuse_other(handle, sha, job.run_id)
        return handle


async def _with_budget(run: Run, budget: Budget | None) -> Run:
    """Give the run that was attached to this budget, if it has another; one that was just started begins with it."""
    if budget is not None:
        found = await run.budget()
        if found is not None and of_spending(found) != budget and await run.is_under_way():
            await run.set_budget(**budget.given)
    return run


def _compact(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


async def _refuse_other(handle: WorkflowHandle[Any, Any], sha: str, run_id: str) -> None:
    """A run with this id may be under way already. It must be the same run."""
    described = await patiently(handle.describe)
    found = (await described.memo()).get(_SPEC)
    if found != sha:
        raise UsageError(
            f"There is a run {run_id!r} already, of another program, optimizer, metric, LM or other data. "
            f"Choose another id, or look at it: dspex runs show {run_id}"
        )


async def _knows_search_attributes(temporal: TemporalClient) -> bool:
    from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest

    from dspex.temporal.search_attributes import TYPES

    request = ListSearchAttributesRequest(namespace=temporal.namespace)
    try:
        response = await temporal.operator_service.list_search_attributes(request)
    except RPCError:
        return False  # not everyone may ask; runs do without them
    return set(TYPES) <= set(response.custom_attributes)
