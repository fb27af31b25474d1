"""`BatchAccess`: one owner's access to the store and to the providers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dspex.clients.batch.http import HttpClient
from dspex.clients.batch.wires import batch_wire_of, wire_of

if TYPE_CHECKING:
    from dspex.clients.batch.credentials import Credentials
    from dspex.clients.batch.target import Target
    from dspex.clients.batch.wire import BatchWire
    from dspex.store.batches import Batches

ATTEMPTS = 3
"""Batches that a request may be in without being answered; after that it is made as an ordinary call."""

_MARGIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class BatchAccess:
    """What the steps of submitting and collecting share.

    Attributes:
        batches: The store's batches.
        owner: Whose they are: the start of a run, or a local evaluation.
        credentials: The keys for the providers.
        uncertain_seconds: See `dspex.clients.batch.submitter.BatchSubmitter`.
        attempts: Batches that a request may be in without being answered.
    """

    batches: Batches
    owner: str
    credentials: Credentials
    uncertain_seconds: float | None
    attempts: int

    def open(self, target: Target) -> tuple[BatchWire, HttpClient]:
        """Return the batch API of `target`, and a client for it.

        Raises:
            LMNotConfiguredError: this process does not have the key.
        """
        credentials = self.credentials
        http = HttpClient(target, wire_of(target), credentials.key(target), credentials.transport(target))
        return batch_wire_of(target), http

    def uncertain(self, wire: BatchWire) -> float:
        """Return for how many seconds after the request to create a batch it may still appear at the provider."""
        return wire.create_seconds + _MARGIN_SECONDS if self.uncertain_seconds is None else self.uncertain_seconds
