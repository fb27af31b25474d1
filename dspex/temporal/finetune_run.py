"""A handle on one fine-tuning run: how it does, what came of it, and how to end it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from temporalio.client import WorkflowFailureError, WorkflowHandle

from dspex.errors import UsageError
from dspex.temporal.contracts.finetune import FinetuneProgress, FinetuneResult, FinetuneSpec
from dspex.temporal.handle import RunHandle
from dspex.temporal.reconnect import FOR_EVER, with_reconnects
from dspex.temporal.run import ended, why_it_waits

if TYPE_CHECKING:
    from dspex.clients import LM
    from dspex.store import Store

_QUERY_TIMEOUT = timedelta(seconds=3)


class FinetuneRun(RunHandle[FinetuneProgress]):
    """A handle on one durable fine-tuning. Made by `Client.finetune` and `Client.run`.

    Args:
        handle: The run's workflow.
        store: The store that holds its data.
        spec: What it trains.
    """

    def __init__(self, handle: WorkflowHandle[Any, Any], store: Store, spec: FinetuneSpec) -> None:
        self._handle = handle
        self._store = store
        self.spec = spec

    async def progress(self) -> FinetuneProgress:
        """Ask a worker how the fine-tuning is doing; when none answers, the message says so."""
        try:
            found: FinetuneProgress = await self._handle.query(
                "progress", result_type=FinetuneProgress, rpc_timeout=_QUERY_TIMEOUT
            )
        except Exception:  # noqa: BLE001  # no worker, a replaying worker, a restarting server: all pass
            found = FinetuneProgress(run_id=self.id, phase="waiting", message="no worker answers")
        found.message = await why_it_waits(self._handle) or found.message
        return found

    async def result(self) -> FinetuneResult:
        """Wait for the end, which may take days; this process need not live that long.

        Raises:
            RunFailedError: the data are wrong, or the provider's job failed: the message is in its words.
            RunCancelledError: it was stopped.
        """
        try:
            found: FinetuneResult = await with_reconnects(self._handle.result, tries=FOR_EVER)
        except WorkflowFailureError as error:
            raise ended(self.id, error) from error
        return found

    async def lm(self) -> LM:
        """The LM that was trained, once it is: the one that was given, with the new model's name."""
        from dspex.clients import LM

        result = await self.result()
        trained: LM = LM.load_state(self.spec.lm).copy(model=result.model)
        return trained

    async def stop(self) -> None:
        """End it, and the provider's job. There is no model then, unless it had just been finished."""
        await with_reconnects(self._handle.cancel)

    async def cancel(self) -> None:
        """As `stop`: half a training leaves no result to keep."""
        await self.stop()

    async def pause(self) -> NoReturn:
        """Not to be had.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"The run {self.id!r} is a fine-tuning: the provider trains, and cannot be made to wait.")

    async def resume(self) -> NoReturn:
        """Not to be had; see `pause`."""
        await self.pause()

    async def set_budget(self, **given: float | None) -> NoReturn:
        """Not to be had.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"The run {self.id!r} is a fine-tuning: the provider bills its job as a whole. What it may cost is decided "
            "by its data and train_kwargs; `stop` ends it."
        )
