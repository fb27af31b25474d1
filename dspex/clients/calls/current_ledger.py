"""The ledger that calls are recorded in: that of the current store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dspex.settings import settings

if TYPE_CHECKING:
    from dspex.store.ledger import Ledger


def current_ledger() -> Ledger:
    """Return the ledger of the store that ``settings.store`` (or ``DSPEX_STORE``, or the default) names.

    Raises:
        StoreError: the store cannot be opened.
    """
    from dspex.store import Store

    return Store.open(settings.store).ledger
