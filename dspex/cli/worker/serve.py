"""A worker that outlives its server: it waits for one that is not there yet, and finds one that restarts."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dspex.cli.output.exit import INTERRUPTED, end, note
from dspex.cli.signals import on_stop_signal, sleep_unless
from dspex.errors import StoreError

if TYPE_CHECKING:
    from temporalio.client import Client as TemporalClient

    from dspex.runner.imports import AllowedModules
    from dspex.store import Store

_RETRY_EVERY_S = 1.0
_REMIND_EVERY_S = 15.0


@dataclass(frozen=True)
class WorkerOptions:
    """What ``dspex worker`` is started with. None: by the environment, else the default.

    Args:
        imports: The modules whose code runs may name.
        temporal: Address of the Temporal server, ``host:port``.
        namespace: Temporal namespace.
        store: URL of the store that all workers of the queue share.
        task_queue: The queue to poll.
        max_chunks: Activities in flight at once.
    """

    imports: list[str] = field(default_factory=list)
    temporal: str | None = None
    namespace: str | None = None
    store: str | None = None
    task_queue: str | None = None
    max_chunks: int | None = None

    def modules(self) -> list[str]:
        """The modules whose code runs may name: `imports`, else those that ``DSPEX_IMPORTS`` lists."""
        listed = os.environ.get("DSPEX_IMPORTS", "")
        return self.imports or [name.strip() for name in listed.split(",") if name.strip()]


def work_until_stopped(options: WorkerOptions) -> None:
    """Work until SIGINT or SIGTERM, then finish what is in flight.

    Raises:
        UsageError: a module cannot be imported, or the store's URL cannot be one.
    """
    from dspex.cli.output.logs import show_logs
    from dspex.runner.imports import AllowedModules
    from dspex.settings import configure
    from dspex.store import Store

    show_logs()
    imports = AllowedModules(options.modules())
    if options.store:
        configure(store=options.store)
    asyncio.run(_work(options, imports, Store.open(options.store)))


async def _work(options: WorkerOptions, imports: AllowedModules, store: Store) -> None:
    stopped = asyncio.Event()
    on_stop_signal(lambda: _stop(stopped))
    while not stopped.is_set():
        client = await _connected(options, store, stopped)
        if client is not None:
            await _serve(options, imports, store, client, stopped)


def _stop(stopped: asyncio.Event) -> None:
    """At the first signal finish what is in flight; at the second leave it to the other workers."""
    if stopped.is_set():
        end(INTERRUPTED)
    note("ending: finishing what is in flight (again to leave at once)")
    stopped.set()


async def _connected(options: WorkerOptions, store: Store, stopped: asyncio.Event) -> TemporalClient | None:
    """A client of the server, once that answers and the store works; None if the worker is stopped before."""
    from dspex.temporal.connection import TemporalNotReachableError, connect

    reminder = _Reminder()
    while not stopped.is_set():
        try:
            client = await connect(options.temporal, options.namespace)
            await store.check()
        except (TemporalNotReachableError, StoreError) as error:
            reminder.say(f"waiting: {_first_sentence(str(error))}")
            await sleep_unless(stopped, _RETRY_EVERY_S)
        else:
            return client
    return None


async def _serve(
    options: WorkerOptions, imports: AllowedModules, store: Store, client: TemporalClient, stopped: asyncio.Event
) -> None:
    """Poll until the worker is stopped, or the server refuses it."""
    from temporalio.service import RPCError

    from dspex.temporal.connection import chosen_task_queue
    from dspex.worker.worker import CHUNKS_AT_ONCE, make_worker, serve

    queue = chosen_task_queue(options.task_queue)
    worker = make_worker(
        client,
        imports,
        store=store,
        task_queue=queue,
        max_chunks=options.max_chunks or CHUNKS_AT_ONCE,
    )
    where = f"{client.service_client.config.target_host}, namespace {client.namespace}, task queue {queue}"
    code = ", ".join(imports.names) or "none, built-in programs only"
    note(f"worker {os.getpid()} ready: {where}; imports: {code}; store: {store.shown_url}")
    try:
        await serve(worker, stopped)
    except (RPCError, RuntimeError) as error:
        note(f"the worker was sent away: {error}. Trying again.")
        await sleep_unless(stopped, _RETRY_EVERY_S)
    if stopped.is_set():
        note(f"worker {os.getpid()} ended")


class _Reminder:
    """Prints a message when it is new, and again every so often."""

    def __init__(self) -> None:
        self._last, self._at = "", 0.0

    def say(self, message: str) -> None:
        now = asyncio.get_running_loop().time()
        if message != self._last or now - self._at >= _REMIND_EVERY_S:
            note(message)
            self._last, self._at = message, now


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0]
