"""Claims of calls, and requests to reserve their cost."""

from __future__ import annotations

from typing import NamedTuple

from dspex.store.records.budget import Payer

VOID_AFTER_S = 3.0


class Claim(NamedTuple):
    """A call to be claimed, and the run that pays if it is made."""

    key: str
    run_id: str | None


class ReservationRequest(NamedTuple):
    """A call that is claimed and about to be made, and who pays for it."""

    key: str
    payer: Payer
