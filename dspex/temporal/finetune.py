"""Starting durable fine-tunings: from `Client.finetune`, and from `LM.finetune` where a server is configured."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from temporalio.common import WorkflowIDReusePolicy

from dspex.clients.utils_finetune import TrainDataFormat, TrainingStatus
from dspex.errors import LMUnsupportedFeatureError
from dspex.finetuning.job import training_status
from dspex.finetuning.journal import KIND
from dspex.finetuning.polling import Polling
from dspex.finetuning.provider import OpenAIProvider
from dspex.finetuning.request import FinetuneRequest
from dspex.finetuning.training_file import Rows, describe
from dspex.runner.run_id import checked_run_id, new_run_id, slug
from dspex.store.datasets import DatasetRef
from dspex.store.jsonable import sha256
from dspex.temporal.client import Client
from dspex.temporal.contracts.finetune import FINETUNE, FileRef, FinetuneJob, FinetuneResult, FinetuneSpec
from dspex.temporal.contracts.optimize import RunLabels
from dspex.temporal.finetune_run import FinetuneRun
from dspex.temporal.run_spec import lm_state
from dspex.worker.worker import make_worker

if TYPE_CHECKING:
    from dspex.clients import BaseLM

logger = logging.getLogger(__name__)

_BEFORE_ANY_JOB = ("waiting", "uploading", "creating")


async def start_finetune(
    client: Client,
    lm: BaseLM,
    data: Rows,
    data_format: TrainDataFormat | str | None,
    train_kwargs: Mapping[str, Any] | None,
    *,
    id: str | None,
    polling: Polling | None = None,
    named_by_content: bool = False,
) -> FinetuneRun:
    """See `Client.finetune`. With `named_by_content` the id is made from all that goes into the run."""
    request, state = _durable_request(lm, data_format, train_kwargs)
    rules = request.rules()
    file = await describe(data, rules, client.store)
    spec = FinetuneSpec(
        run_id=checked_run_id(id) if id else "",
        lm=state,
        model=request.model,
        data=data if isinstance(data, DatasetRef) else await client.store.datasets.put(data),
        data_format=rules.data_format.value,
        train_kwargs=dict(request.train_kwargs),
    )
    if named_by_content:
        spec.run_id = f"{slug(spec.model)}-finetune-{sha256(spec.model_dump_json().encode())[:12]}"
    spec.run_id = spec.run_id or new_run_id(spec.model, "finetune")
    sha = await client.store.programs.put(spec.model_dump(mode="json"))
    job = FinetuneJob(
        run_id=spec.run_id,
        spec=sha,
        file=FileRef(sha=file.sha, size=file.size, rows=file.rows),
        labels=RunLabels(optimizer=KIND, program=spec.model, search_attributes=client._search_attributes),
        polling=polling or Polling(),
    )
    reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
    return FinetuneRun(await client._start(FINETUNE, job, sha, FinetuneResult, reuse), client.store, spec)


def _durable_request(
    lm: BaseLM, data_format: TrainDataFormat | str | None, train_kwargs: Mapping[str, Any] | None
) -> tuple[FinetuneRequest, dict[str, Any]]:
    """What workers are to do, and the LM as data.

    Raises:
        LMUnsupportedFeatureError: the LM's provider is not one that workers know.
        UsageError: the LM has its key in it, or is a class of the user's own.
    """
    from dspex.clients import LM

    state = lm_state(lm)
    assert isinstance(lm, LM)
    if type(lm.provider) is not OpenAIProvider:
        raise LMUnsupportedFeatureError(
            f"A durable fine-tuning speaks OpenAI's API, and this LM has {type(lm.provider).__name__} for its. If "
            "its server speaks that API, say so: LM(..., provider=OpenAIProvider()). Else lm.finetune(...) does it in "
            "this process.",
            model=lm.model,
            features=["finetuning"],
        )
    return FinetuneRequest(lm, lm.finetuning_model or lm.model, data_format, train_kwargs or lm.train_kwargs), state


class DurableTrainingTask:
    """An `Undertaking` that is a durable run. This process works on it as one of its workers."""

    def __init__(self, request: FinetuneRequest, data: list[dict[str, Any]]) -> None:
        self._request = request
        self._data = data
        self._run: FinetuneRun | None = None
        self.file_id: str | None = None
        self.job_id: str | None = None

    async def run(self) -> str:
        from dspex.runner.references import this_process

        client = await Client.connect()
        request = self._request
        run = await start_finetune(
            client,
            request.lm,
            self._data,
            request.data_format,
            request.train_kwargs,
            id=None,
            named_by_content=True,
        )
        self._run = run
        logger.info("Durable fine-tuning %s", run.id)
        async with make_worker(client.temporal, this_process(), store=client.store, task_queue=client.task_queue):
            result = await run.result()
        self.file_id, self.job_id = result.file_id, result.job_id
        return result.model

    async def cancel(self) -> bool:
        if self._run is None:
            return True
        await self._run.stop()
        return True

    async def status(self) -> TrainingStatus:
        if self._run is None:
            return TrainingStatus.not_started
        progress = await self._run.progress()
        self.file_id, self.job_id = progress.file_id, progress.job_id
        if progress.phase in _BEFORE_ANY_JOB:
            return TrainingStatus.not_started
        return training_status(progress.phase)
