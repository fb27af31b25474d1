"""Fine-tuning runs on the command line: followed, shown, and what came of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dspex.backend import RunObserver, RunProgress
from dspex.cli.output.summary import cost_line
from dspex.errors import UsageError

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

    def lines(self) -> list[str]:
        """The summary for people."""
        return [
            f"run      {self.run_id}",
            f"model    {self.model}",
            f"from     {self.base_model}, trained on {self.examples} examples by job {self.job_id}",
            f"tokens   {'unknown' if self.trained_tokens is None else self.trained_tokens} trained",
            cost_line(self.cost_usd),
        ]


class FollowedFinetune:
    """A durable fine-tuning that can be followed (`dspex.cli.output.follow.Followed`)."""

    def __init__(self, client: Client, run: FinetuneRun) -> None:
        self._client = client
        self._run = run

    async def outcome(self, observer: RunObserver) -> FinetuneSummary:
        """Show how it does until it ends, and return what came of it.

        Raises:
            RunFailedError: it failed, or was cancelled.
        """
        from dspex.worker.follow import say_if_no_worker

        await say_if_no_worker(self._client, observer)
        async for progress in self._run.watch():
            observer.show(RunProgress(progress.phase, note=progress.message))
        return await _summary_of(self._run)

    async def interrupt(self, observer: RunObserver) -> None:
        """Leave it to its workers, and say how to get back to it."""
        run_id = self._run.id
        observer.say(
            f"detached: the run {run_id} goes on. Watch it: dspex runs watch {run_id}\nEnd it: dspex runs stop {run_id}"
        )


async def facts_of_finetune(run: FinetuneRun) -> dict[str, Any]:
    """One durable fine-tuning in full."""
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
        return {**facts, **asdict(await _summary_of(run))}
    except RunFailedError as error:
        return {**facts, "error": str(error)}


def summary_of_record(record: RunRecord) -> FinetuneSummary:
    """What came of a fine-tuning that a process waited for itself.

    Raises:
        UsageError: it is not over.
        RunFailedError: it failed, or was cancelled.
    """
    from dspex.finetuning.job_record import JobRecord
    from dspex.temporal.run import RunFailedError

    job = JobRecord.model_validate(record.result)
    if record.status == "training":
        raise UsageError(
            f"{record.run_id!r} trains at the provider (job {job.job_id}). The same LM.finetune again waits for it."
        )
    if job.fine_tuned_model is None:
        raise RunFailedError(f"The fine-tuning {record.run_id!r} was {record.status}: {job.error or job.status}")
    return FinetuneSummary(
        run_id=record.run_id,
        workflow_id=record.workflow_id,
        model=job.fine_tuned_model,
        base_model=job.model,
        job_id=job.job_id,
        examples=job.examples,
        trained_tokens=job.trained_tokens,
        cost_usd=job.cost_usd,
    )


async def _summary_of(run: FinetuneRun) -> FinetuneSummary:
    found = await run.result()
    return FinetuneSummary(**{**found.model_dump(exclude={"file_id"}), "run_id": run.id}, workflow_id=run.id)
