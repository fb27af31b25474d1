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
    """A connection to the Temporal server that keeps the runs, and to the store that keeps their data.

    Made by `Client.connect`.

    Args:
        temporal: The connection to the server.
        store: The store that the workers share.
        task_queue: The queue of the workers.
        search_attributes: Whether the server knows dspex's search attributes.
    """

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
        """Connect to a Temporal server.

        What is not given comes from `dspex.configure`, else from the environment and Temporal's profiles, else a
        default.

        Args:
            address: ``host:port`` of the server; else ``TEMPORAL_ADDRESS``, else localhost.
            namespace: The server's namespace; else ``TEMPORAL_NAMESPACE``.
            store: The store, or its URL; else ``DSPEX_STORE``, else a file in the user's data folder.
            task_queue: The workers' queue; else ``DSPEX_TASK_QUEUE``, else ``dspex``.

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
        """Start a durable optimization run, or attach to the run `id`.

        A run in progress or finished is attached to; a failed one starts anew, and the ledger answers what it paid for.
        A run that has used up its budget waits: `Run.set_budget` lets it go on, `Run.stop` ends it with the best
        program so far.

        Args:
            program: The program to optimize. Workers import it by name, or make it from its signature.
            optimizer: The optimizer.
            trainset: Examples with their input fields marked, or the address of a dataset in the store.
            valset: Examples to score the program on, before and after.
            teacher: Another program of the same structure to learn from.
            metric: A function that workers can import, or its name; by default the optimizer's.
            lm: The program's LM; by default ``settings.lm``. Its key comes from the workers' environment.
            id: The run's id; by default a new one.
            chunking: How many examples an activity runs.
            budget: What the run may spend at most. A run in progress that is attached to gets this budget.

        Returns:
            A handle on the run.

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
        """Start the durable run for `Optimizer.compile`, or attach to the one in progress.

        Unlike `optimize` it scores nothing that the optimizer does not ask for, and with its budget used up it ends
        with the best program so far. Its id is a hash of its input, so the same call attaches to the same run.

        Args:
            optimizer: The optimizer, with its metric.
            student: The program to optimize.
            trainset: Examples with their input fields marked, or the address of a dataset in the store.
            teacher: Another program of the same structure to learn from.
            valset: Examples to compare candidates on.
            budget: What the run may spend at most.

        Returns:
            A handle on the run.

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
        """Start a durable evaluation, or attach to the run `id`.

        A run that has used up its budget waits for a bigger one (`Run.set_budget`).

        Args:
            program: The program to score. Workers import it by name, or make it from its signature.
            devset: Examples with their input fields marked, or the address of a dataset in the store.
            metric: A function that workers can import, or its name.
            lm: The program's LM; by default ``settings.lm``. Its key comes from the workers' environment.
            id: The run's id; by default a new one.
            chunking: How many examples an activity runs.
            batch: Make the LM's calls through the provider's batch API: at half the price, but within a day for each
                call of a row that needs the answer of another. Cancelling the run cancels its batches.
            budget: What the run may spend at most. A run in progress that is attached to gets this budget.

        Returns:
            A handle on the run.

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
        """Start a durable fine-tuning of an LM's model, or attach to the run `id`.

        The data are checked first. Workers upload them, create the provider's job and poll it, with the key in their
        environment. The same data, model and parameters are the same job at the provider, also in another run.

        Args:
            lm: The LM whose model is trained.
            data: Rows in OpenAI's ``chat`` or ``completion`` format, or the address of a dataset of them in the store.
            data_format: The format of the rows.
            train_kwargs: The provider's parameters, as in `LM.finetune`.
            id: The run's id; by default a new one.
            polling: How often the provider's job is polled.

        Returns:
            A handle on the run.

        Raises:
            UsageError: bad data or parameters, or another run has this id. Nothing was started.
            LMUnsupportedFeatureError: the LM's provider is not one that workers know.
        """
        return await start_finetune(
            self.starter, self.store, lm, data, data_format, train_kwargs, id=id, polling=polling
        )

    async def run(self, id: str) -> Run | FinetuneRun:
        """Return a handle on the run `id`, whatever its state.

        Raises:
            UsageError: there is none.
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
        """Iterate over the server's runs, the latest first, as Temporal's workflow executions.

        Args:
            limit: At most so many; None for all.
            running: Only runs in progress.
        """
        query = f"{_QUERY} AND ExecutionStatus = 'Running'" if running else _QUERY
        async for execution in self.temporal.list_workflows(query, limit=limit):
            yield execution

    async def polled(self) -> bool:
        """Whether any worker has polled this client's task queue in the last minutes."""
        return bool(await self.pollers())

    async def pollers(self) -> list[str]:
        """List the workers that have polled this client's task queue in the last minutes, as ``process@host``."""
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
