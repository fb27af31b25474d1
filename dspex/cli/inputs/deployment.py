"""Where runs are kept and done, as a command line names it: the store, the Temporal server, the task queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.backend import BackendOptions

if TYPE_CHECKING:
    from dspex.store import Store
    from dspex.temporal.client import Client


class Deployment(BackendOptions):
    """`BackendOptions` as given on the command line. None: by the environment, else the default."""

    __slots__ = ()

    def open_store(self) -> Store:
        """The store.

        Raises:
            UsageError: its URL cannot be one.
        """
        from dspex.store import Store

        return Store.open(self.store)

    async def connect(self) -> Client:
        """A client of the server.

        Raises:
            UsageError: the store's URL cannot be one.
            TemporalNotReachableError: nothing answers.
        """
        from dspex.temporal.client import Client

        return await Client.connect(
            self.temporal, namespace=self.namespace, store=self.open_store(), task_queue=self.task_queue
        )
