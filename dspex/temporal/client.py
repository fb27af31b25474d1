"""The Python client: start runs, attach to them, watch them, stop them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowHandle
from temporalio.common import (
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from dspex.clients.cost.budget import Budget, of_spending
from dspex.errors import UsageError
from dspex.observability import traced
from dspex.runner.references import ProgramRef
from dspex.runner.run_id import checked_run_id, new_run_id, slug
from dspex.store import Store
from dspex.teleprompt.optimizer import Optimizer
from dspex.temporal.connection import chosen_task_queue, connect, knows_search_attributes
from dspex.temporal.contracts.batch import EVALUATE_BY_BATCH, BatchOptions, EvaluateByBatchJob
from dspex.temporal.contracts.finetune import FINETUNE, FinetuneResult, FinetuneSpec
from dspex.temporal.contracts.optimize import (
    EVALUATE,
    OPTIMIZE,
    Chunking,
    EvaluateJob,
    EvaluateResult,
    OptimizeJob,
    OptimizeResult,
    OptimizerSpec,
    RunSpec,
)
from dspex.temporal.finetune import start_finetune
from dspex.temporal.finetune_run import FinetuneRun
from dspex.temporal.reconnect import with_reconnects
from dspex.temporal.run import Run
from dspex.temporal.run_spec import (
    Data,
    dataset_ref,
    empty_spec,
    optimization_spec,
    optimizer_spec,
    optional_metric,
    program_ref,
    spec_document,
)
from dspex.temporal.start import SPEC_MEMO, RunStarter

if TYPE_CHECKING:
    from dspex.clients import BaseLM
    from dspex.clients.utils_finetune import TrainDataFormat
    from dspex.finetuning.polling import Polling
    from dspex.primitives import Module
    from dspex.store.records.dataset import DatasetRef

_KINDS = ", ".join(f"'{kind}'" for kind in (OPTIMIZE, EVALUATE, EVALUATE_BY_BATCH, FINETUNE))
_QUERY = f"WorkflowType IN ({_KINDS}) AND ParentWorkflowId IS NULL"


class Client:
    """A connection to the Temporal server that keeps the runs, and to the store that keeps their data."""

    def __init__(self, temporal: TemporalClient, store: Store, task_queue: str, search_attributes: bool) -> None:
        """Use `Client.connect`."""
        self.temporal = temporal
        self.store = store
        self.task_queue = task_queue
        self.starter = RunStarter(temporal, task_queue, search_attributes)

    @classmethod
    async def connect(
        cls,
        address: str | None = None,
        *,
        namespace: str | None = None,
        store: Store | str | None = None,
        task_queue: str | None = None,
    ) -> Client:
        """Connect to Temporal and open the store.

        What is not given comes from `dspex.configure`, the environment (``TEMPORAL_*``, ``DSPEX_STORE``,
        ``DSPEX_TASK_QUEUE``) and Temporal's profiles, or is localhost.

        Args:
            address: The Temporal server, as ``host:port``.
            namespace: The Temporal namespace.
            store: An open store, or the URL of one to open.
            task_queue: The task queue that the workers of this client's runs poll.

        Raises:
            TemporalNotReachableError: no Temporal server answers.
        """
        from dspex.settings import settings

        temporal = await connect(address or settings.temporal, namespace)
        opened = store if isinstance(store, Store) else Store.open(store)
        return cls(temporal, opened, chosen_task_queue(task_queue), await knows_search_attributes(temporal))

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

        With a `valset` the program is scored before and after. A run of the same id that is in progress, or done, is
        attached to; a failed one starts anew, and what it paid for is in the ledger. A run that has used up its
        `budget` waits: `Run.set_budget` lets it go on, `Run.stop` ends it with the best program so far. A run in
        progress that is attached to with another budget gets that one.

        Args:
            program: The program to optimize, or a reference to it.
            optimizer: The optimizer, or its description.
            trainset: The rows that the optimizer learns from.
            valset: The rows that the program is scored on.
            teacher: The program that the optimizer bootstraps from, for optimizers that take one.
            metric: The function that scores a prediction, or a reference to it.
            lm: The language model that the program calls.
            id: The run's id; without one, a new id is made from the names of the program and the optimizer.
            chunking: How the rows of an evaluation are divided among activities.
            budget: The most that the run may spend.

        Raises:
            UsageError: bad input, or another run has this id. Nothing was started.
        """
        student = program_ref(program)
        described = optimizer_spec(optimizer) if isinstance(optimizer, Optimizer) else optimizer
        run_id = checked_run_id(id) if id else new_run_id(student.label, described.name)
        spec = await optimization_spec(
            self.store, student, optimizer, trainset, valset, teacher=teacher, metric=metric, lm=lm
        )
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
        """Start the run that `Optimizer.compile` stands for.

        Nothing is scored that the optimizer does not ask for, and with its `budget` spent the run ends with the best
        program so far. The run's id is made from all that goes into it, so that the same call attaches to the run in
        progress.

        Args:
            optimizer: The optimizer.
            student: The program to optimize.
            trainset: The rows that the optimizer learns from.
            teacher: The program that the optimizer bootstraps from, for optimizers that take one.
            valset: The rows that the optimizer scores candidates on.
            budget: The most that the run may spend.

        Raises:
            UsageError: bad input. Nothing was started.
        """
        spec = await optimization_spec(self.store, program_ref(student), optimizer, trainset, valset, teacher=teacher)
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

        A run that has used up its `budget` waits for a bigger one (`Run.set_budget`). Cancelling a run with `batch`
        cancels its batches.

        Args:
            program: The program to evaluate, or a reference to it.
            devset: The rows to evaluate on.
            metric: The function that scores a prediction, or a reference to it.
            lm: The language model that the program calls.
            id: The run's id; without one, a new id is made from the program's name.
            chunking: How the rows are divided among activities.
            batch: Whether to call the LM through the provider's batch API, or the options for it. It costs half the
                price, and may take a day for each call of a row that needs the answer of another.
            budget: The most that the run may spend.

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
            "labels": self.starter.labels("evaluate", spec.student.label),
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
        run = self._run(await self.starter.start(workflow, job, EvaluateResult, reuse), spec)
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

        The data are checked first. Workers upload them, create the provider's job and poll it, with the key that their
        environment holds. The same data, model and parameters are the same job at the provider, also in another run.

        Args:
            lm: The language model whose model is fine-tuned.
            data: Rows in the format `data_format`, or a reference to stored ones.
            data_format: OpenAI's ``chat`` or ``completion`` format.
            train_kwargs: The provider's training parameters, as in `LM.finetune`.
            id: The run's id; without one, a new id is made.
            polling: How often workers look at the provider's job.

        Raises:
            UsageError: bad data or parameters, or another run has this id. Nothing was started.
            LMUnsupportedFeatureError: the LM's provider is not one that workers know.
        """
        return await start_finetune(
            self.starter, self.store, lm, data, data_format, train_kwargs, id=id, polling=polling
        )

    async def run(self, id: str) -> Run | FinetuneRun:
        """Attach to the run of this id, whatever its state.

        Raises:
            UsageError: there is no such run.
        """
        handle = self.temporal.get_workflow_handle(id)
        try:
            described = await with_reconnects(handle.describe)
        except RPCError as error:
            if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                raise UsageError(
                    f"There is no run {id!r} on this server. `dspex runs list` shows those there are."
                ) from error
            raise
        memo = await described.memo()
        sha = memo.get(SPEC_MEMO)
        if sha is None:
            raise UsageError(f"{id!r} is a workflow of another kind, not a run of dspex.")
        if described.workflow_type == FINETUNE:
            handle = self.temporal.get_workflow_handle(id, run_id=None, result_type=FinetuneResult)
            return FinetuneRun(handle, self.store, FinetuneSpec.model_validate(await self.store.programs.get(sha)))
        spec = RunSpec.model_validate(await self.store.programs.get(sha))
        typed = OptimizeResult if described.workflow_type == OPTIMIZE else EvaluateResult
        handle = self.temporal.get_workflow_handle(id, run_id=None, result_type=typed)
        return self._run(handle, spec)

    async def runs(self, limit: int | None = 50, *, running: bool = False) -> AsyncIterator[Any]:
        """List the runs that the server knows, the latest first, as Temporal's workflow executions.

        Args:
            limit: The most runs to list; all of them without a limit.
            running: Whether to list only those in progress.
        """
        query = f"{_QUERY} AND ExecutionStatus = 'Running'" if running else _QUERY
        async for execution in self.temporal.list_workflows(query, limit=limit):
            yield execution

    async def polled(self) -> bool:
        """Whether any worker has polled this client's task queue in the last minutes."""
        return bool(await self.pollers())

    async def pollers(self) -> list[str]:
        """The workers that have polled this client's task queue in the last minutes, as ``process@host``."""
        return await _pollers(self.temporal, self.task_queue)

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
        labels = self.starter.labels(spec.optimizer.name, spec.student.label)
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
        return self._run(await self.starter.start(OPTIMIZE, job, OptimizeResult, reuse), spec)

    def _run(self, handle: WorkflowHandle[Any, Any], spec: RunSpec) -> Run:
        return Run(self.temporal, handle, self.store, spec)

    async def _keep(self, spec: RunSpec) -> str:
        return await self.store.programs.put(spec_document(spec))


async def _with_budget(run: Run, budget: Budget | None) -> Run:
    """Give the run that was attached to this budget, if it has another; one that was just started begins with it."""
    if budget is not None:
        found = await run.budget()
        if found is not None and of_spending(found) != budget and await run.is_under_way():
            await run.set_budget(**budget.given)
    return run


def _compact(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


async def _pollers(temporal: TemporalClient, task_queue: str) -> list[str]:
    request = DescribeTaskQueueRequest(
        namespace=temporal.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    response = await temporal.workflow_service.describe_task_queue(request)
    return sorted({poller.identity for poller in response.pollers})
