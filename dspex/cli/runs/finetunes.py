"""Fine-tuning runs on the command line: followed, shown, and what came of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dspex.cli.output.follow import start_a_worker
from dspex.cli.output.progress import Glance, display

if TYPE_CHECKING:
    from dspex.store import RunRecord
    from dspex.temporal.client import Client
    from dspex.temporal.finetune_run import FinetuneRun


@dataclass(frozen=True)
class FinetuneSummary:
    """The keys of ``--json`` for a fine-tuning; None where something is unknown."""

    run_id: str
    workflow_id: str | None
    model: str
    base_model: str
    job_id: str | None
    examples: int
    trained_tokens: int | None
    cost_usd: float | None

    def json(self) -> str:
        return json.dumps(asdict(self))

    def lines(self) -> list[str]:
        """For people."""
        cost = "unknown (no price known)" if self.cost_usd is None else f"${self.cost_usd:.4f}"
        return [
            f"run      {self.run_id}",
            f"model    {self.model}",
            f"from     {self.base_model}, trained on {self.examples} examples by job {self.job_id}",
            f"tokens   {'unknown' if self.trained_tokens is None else self.trained_tokens} trained",
            f"cost     {cost}",
        ]


async def follow_finetune(client: Client, run: FinetuneRun) -> FinetuneSummary:
    """Show how it goes until it ends, and what came of it.

    Raises:
        RunFailedError: it failed, or was cancelled.
    """
    with display() as shown:
        if not await client.polled():
            shown.say(f"waiting: no worker polls the task queue {client.task_queue!r}. {start_a_worker(client, ())}")
        async for progress in run.watch():
            shown.show(Glance(progress.phase, note=progress.message))
    return await summary_of(run)


async def summary_of(run: FinetuneRun) -> FinetuneSummary:
    """What came of it, once it has ended. Raises as `follow_finetune` does."""
    found = await run.result()
    return FinetuneSummary(
        run_id=run.id,
        workflow_id=run.id,
        model=found.model,
        base_model=found.base_model,
        job_id=found.job_id,
        examples=found.examples,
        trained_tokens=found.trained_tokens,
        cost_usd=found.cost_usd,
    )


async def facts_of_finetune(run: FinetuneRun) -> dict[str, Any]:
    """One fine-tuning in full."""
    from dspex.temporal.run import RunFailedError

    status = await run.status()
    name = status.name.lower() if status is not None else ""
    facts: dict[str, Any] = {
        "run_id": run.id,
        "where": "durable",
        "status": name,
        "optimizer": "finetune",
        "program": run.spec.model,
        "train_rows": run.spec.data.rows,
        "data_format": run.spec.data_format,
        "train_kwargs": run.spec.train_kwargs or None,
    }
    if name == "running":
        progress = await run.progress()
        known = progress.model_dump(exclude={"run_id", "message", "events"})
        return {**facts, **known, "doing": progress.message, "events": " | ".join(progress.events)}
    try:
        return {**facts, **asdict(await summary_of(run))}
    except RunFailedError as error:
        return {**facts, "error": str(error)}


def summary_of_record(record: RunRecord) -> FinetuneSummary:
    """What came of one that a process waited for itself.

    Raises:
        UsageError: it is not over.
        RunFailedError: it failed, or was cancelled.
    """
    from dspex.errors import UsageError
    from dspex.finetuning.journal import Entry
    from dspex.temporal.run import RunFailedError

    entry = Entry.model_validate(record.result)
    if record.status == "training":
        raise UsageError(
            f"{record.run_id!r} trains at the provider (job {entry.job_id}). The same LM.finetune again waits for it."
        )
    if entry.fine_tuned_model is None:
        raise RunFailedError(f"The fine-tuning {record.run_id!r} was {record.status}: {entry.error or entry.status}")
    return FinetuneSummary(
        run_id=record.run_id,
        workflow_id=record.workflow_id,
        model=entry.fine_tuned_model,
        base_model=entry.model,
        job_id=entry.job_id,
        examples=entry.examples,
        trained_tokens=entry.trained_tokens,
        cost_usd=entry.cost_usd,
    )
