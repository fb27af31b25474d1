"""Where a run happens: the store, the Temporal server, the task queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dspex.store import Store
    from dspex.temporal.client import Client


@dataclass(frozen=True)
class Deployment:
    """As given on the command line; what is None comes from the environment, then from the defaults."""

    temporal: str | None = None
    namespace: str | None = None
    task_queue: str | None = None
    store: str | None = None

    def open_store(self) -> Store:
        """The store, in force for all that runs in this process.

        Raises:
            UsageError: its URL is none.
        """
        from dspex.settings import configure
        from dspex.store import Store

        if self.store:
            configure(store=self.store)
        return Store.open(self.store)

    async def connect(self) -> Client:
        """A client of the server.

        Raises:
            TemporalNotReachableError: nothing answers.
        """
        from dspex.temporal.client import Client

        store = self.open_store()
        return await Client.connect(self.temporal, namespace=self.namespace, store=store, task_queue=self.task_queue)
