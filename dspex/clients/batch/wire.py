"""What the providers' batch APIs have in common, as far as dspex needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from dspex.clients.batch.http import Http
    from dspex.clients.batch.target import Target
    from dspex.clients.wires.wire import Wire
    from dspex.store.batches import Batch

Progress = Literal["working", "ended", "failed"]


@dataclass(frozen=True, slots=True)
class Look:
    """How a batch is doing.

    ``working``: not yet done. ``ended``: whatever it came to can be fetched. ``failed``: the provider did not take it,
    for the reason in `error`; `passing` says whether it may at another time. `raw` is the provider's own object.
    """

    progress: Progress
    done: int
    raw: dict[str, Any]
    error: str = ""
    passing: bool = False


@dataclass(frozen=True, slots=True)
class BatchLine:
    """What became of one request: a status and a body as a single call would have got them.

    `status` is None for a request that was not made at all: the batch expired or was cancelled before.
    """

    key: str
    status: int | None
    body: bytes


class BatchWire(Protocol):
    """How one provider's batches are spoken. Every method that talks raises `LMError`s, as calls do."""

    name: str
    max_requests: int
    max_bytes: int
    create_seconds: float
    """How long the creation of a batch may take until it is known whether there is one."""
    longest_seconds: float
    """A batch that is not over by then is given up: the provider has promised to end it long before."""
    price: float
    """What a call costs in a batch, as a share of what it costs otherwise."""

    def place(self, address: str, wire: Wire) -> tuple[str, str]:
        """The API's base, and the endpoint's path under it, of a call's `address`."""
        ...

    def line(self, target: Target, key: str, body: bytes) -> bytes:
        """A request as it stands in a batch."""
        ...

    async def upload(self, http: Http, batch: Batch, lines: Sequence[bytes]) -> str | None:
        """Bring the requests to the provider ahead of the batch; None where they go with it."""
        ...

    async def create(self, http: Http, batch: Batch, lines: Sequence[bytes]) -> str:
        """Create the batch, marked as ours; returns the provider's name of it. Not to be tried again blindly."""
        ...

    async def find(self, http: Http, batch: Batch) -> list[str]:
        """The provider's batches, of recent times, that are or may be this one."""
        ...

    async def check(self, http: Http) -> None:
        """Ask for something harmless, to see that there is a batch API and that the key is good."""
        ...

    async def look(self, http: Http, batch: Batch) -> Look: ...

    def results(self, http: Http, batch: Batch, look: Look) -> AsyncIterator[BatchLine]:
        """What became of the requests, in any order. Some may be missing."""
        ...

    async def cancel(self, http: Http, batch: Batch) -> None: ...

    async def tidy(self, http: Http, batch: Batch, look: Look) -> None:
        """Delete at the provider what is of no use any more."""
        ...
