"""The ledger that calls are recorded in: that of the store in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.settings import settings

if TYPE_CHECKING:
    from dspex.store.ledger import Ledger


def ledger_in_force() -> Ledger:
    """The ledger of the store that ``settings.store`` (or ``DSPEX_STORE``, or the default) names.

    Raises:
        StoreError: it cannot be opened.
    """
    from dspex.store import Store

    return Store.open(settings.store).ledger
