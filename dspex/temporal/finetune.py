"""Start durable fine-tunings: for `Client.finetune`, and for `LM.finetune` where a server is configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from temporalio.common import WorkflowIDReusePolicy

from dspex.clients.utils_finetune import TrainDataFormat
from dspex.errors import LMUnsupportedFeatureError
from dspex.finetuning.job_record import KIND
from dspex.finetuning.polling import Polling
from dspex.finetuning.provider import OpenAIProvider
from dspex.finetuning.request import FinetuneRequest
from dspex.finetuning.training_file import Rows, describe
from dspex.runner.run_id import checked_run_id, new_run_id, slug
from dspex.store import Store
from dspex.store.jsonable import sha256
from dspex.store.records.dataset import DatasetRef
from dspex.temporal.contracts.finetune import FINETUNE, FileRef, FinetuneJob, FinetuneResult, FinetuneSpec
from dspex.temporal.finetune_run import FinetuneRun
from dspex.temporal.run_spec import lm_state
from dspex.temporal.start import RunStarter

if TYPE_CHECKING:
    from dspex.clients import BaseLM


async def start_finetune(
    starter: RunStarter,
    store: Store,
    lm: BaseLM,
    data: Rows,
    data_format: TrainDataFormat | str | None,
    train_kwargs: Mapping[str, Any] | None,
    *,
    id: str | None,
    polling: Polling | None = None,
    named_by_content: bool = False,
) -> FinetuneRun:
    """Start a durable fine-tuning. See `Client.finetune`.

    Args:
        starter: The client's.
        store: The client's.
        lm: As there.
        data: As there.
        data_format: As there; None for the LM's own.
        train_kwargs: As there; None for the LM's own.
        id: As there.
        polling: As there.
        named_by_content: Make the id a hash of the run's input.

    Raises:
        UsageError: bad data or parameters, or another run has this id. Nothing was started.
        LMUnsupportedFeatureError: the LM's provider is not one that workers know.
    """
    request, state = _durable_request(lm, data_format, train_kwargs)
    rules = request.rules()
    file = await describe(data, rules, store)
    spec = FinetuneSpec(
        run_id=checked_run_id(id) if id else "",
        lm=state,
        model=request.model,
        data=data if isinstance(data, DatasetRef) else await store.datasets.put(data),
        data_format=rules.data_format.value,
        train_kwargs=dict(request.train_kwargs),
    )
    if named_by_content:
        spec.run_id = f"{slug(spec.model)}-finetune-{sha256(spec.model_dump_json().encode())[:12]}"
    spec.run_id = spec.run_id or new_run_id(spec.model, "finetune")
    sha = await store.programs.put(spec.model_dump(mode="json"))
    job = FinetuneJob(
        run_id=spec.run_id,
        spec=sha,
        file=FileRef(sha=file.sha, size=file.size, rows=file.rows),
        labels=starter.labels(KIND, spec.model),
        polling=polling or Polling(),
    )
    reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
    return FinetuneRun(await starter.start(FINETUNE, job, FinetuneResult, reuse), store, spec)


def _durable_request(
    lm: BaseLM, data_format: TrainDataFormat | str | None, train_kwargs: Mapping[str, Any] | None
) -> tuple[FinetuneRequest, dict[str, Any]]:
    """What workers are to do, and the LM as data.

    Raises:
        LMUnsupportedFeatureError: the LM's provider is not one that workers know.
        UsageError: the LM has its key in it, or its class is the user's.
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
