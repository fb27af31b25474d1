"""`BatchWire`: the protocol that each provider's batch API is spoken through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from dspex.clients.batch.http import HttpClient
    from dspex.clients.batch.target import Target
    from dspex.clients.wires.wire import Wire
    from dspex.store.records.batch import Batch

ProviderStatus = Literal["working", "ended", "failed"]


@dataclass(frozen=True, slots=True)
class PolledBatch:
    """A batch as its provider describes it.

    Attributes:
        status: ``working``: not yet done. ``ended``: its results can be fetched, whatever they are. ``failed``: the
            provider did not take it.
        done: Requests that the provider has dealt with.
        raw: The provider's own object.
        error: Why it failed.
        transient: Whether a failed batch may be taken at another time.
    """

    status: ProviderStatus
    done: int
    raw: dict[str, Any]
    error: str = ""
    transient: bool = False


@dataclass(frozen=True, slots=True)
class BatchLine:
    """The outcome of one request: the status and the body that a single call would have got.

    Attributes:
        key: The ledger's key of the request.
        status: The HTTP status; None for a request that was not made, since its batch expired or was cancelled before.
        body: The body of the response.
    """

    key: str
    status: int | None
    body: bytes


class BatchWire(Protocol):
    """How to speak one provider's batch API. Every method that talks to the provider raises `LMError`s, as calls do.

    Attributes:
        name: The name that the store keeps.
        max_requests: Requests that a batch may hold.
        max_bytes: Bytes that the lines of a batch may have.
        create_seconds: How long the creation of a batch may take until it is known whether there is one.
        longest_seconds: A batch that has not ended by then is given up: the provider promised to end it long before.
        price: The price of a call in a batch, as a share of the ordinary price.
    """

    name: str
    max_requests: int
    max_bytes: int
    create_seconds: float
    longest_seconds: float
    price: float

    def place(self, address: str, wire: Wire) -> tuple[str, str]:
        """Return the API's base, and the endpoint's path under it.

        Args:
            address: The address of a single call.
            wire: The wire format of single calls.
        """
        ...

    def line(self, target: Target, key: str, body: bytes) -> bytes:
        """Write the line of a batch that holds one request.

        Args:
            target: Where the batch goes.
            key: The ledger's key of the request, by which its outcome is recognized.
            body: The request, as a single call would send it.
        """
        ...

    async def upload(self, http: HttpClient, batch: Batch, lines: Sequence[bytes]) -> str | None:
        """Upload the requests ahead of the batch.

        Returns:
            The file's id, or None where the requests go with the batch.
        """
        ...

    async def create(self, http: HttpClient, batch: Batch, lines: Sequence[bytes]) -> str:
        """Create the batch, marked as ours. Not idempotent: call `find` before trying again.

        Returns:
            The provider's id.
        """
        ...

    async def find(self, http: HttpClient, batch: Batch) -> list[str]:
        """Return the ids of the provider's recent batches that are, or may be, `batch`."""
        ...

    async def check(self, http: HttpClient) -> None:
        """Make a harmless request, to see that there is a batch API and that the key is good."""
        ...

    async def poll(self, http: HttpClient, batch: Batch) -> PolledBatch:
        """Ask how the batch is doing."""
        ...

    def results(self, http: HttpClient, batch: Batch, polled: PolledBatch) -> AsyncIterator[BatchLine]:
        """Yield the outcomes of the requests, in any order. Some may be missing."""
        ...

    async def cancel(self, http: HttpClient, batch: Batch) -> None:
        """Ask the provider to cancel the batch. Requests that it has dealt with keep their results."""
        ...

    async def clean_up(self, http: HttpClient, batch: Batch, polled: PolledBatch) -> None:
        """Delete at the provider what is no longer needed."""
        ...
