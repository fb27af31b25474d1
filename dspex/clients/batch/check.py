"""Check before anything is paid for that an LM can be asked in batches."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from dspex.clients.batch.credentials import Credentials
from dspex.clients.batch.routing import target_of
from dspex.clients.batch.submitter import BatchSubmitter
from dspex.clients.batch.target import refuse_unnamed_key
from dspex.clients.lm import LM
from dspex.clients.prepare import prepare
from dspex.errors import LMConfigurationError, LMNotConfiguredError

if TYPE_CHECKING:
    from dspex.clients.base_lm import BaseLM
    from dspex.store import Store


async def check_batches(lm: BaseLM | None, store: Store, *, durable: bool = False) -> None:
    """Ask the LM's provider whether it has a batch API for us. No LM is called.

    Args:
        lm: The LM that the programs call.
        store: Where batches are written down.
        durable: Whether other processes will submit the batches, so that they must find the key by its variable.

    Raises:
        LMNotConfiguredError: there is no LM, or no key for it.
        LMConfigurationError: it cannot be asked in batches.
        LMError: the provider refuses the key, or cannot be reached.
    """
    if lm is None:
        raise LMNotConfiguredError('There is no LM. Set one: dspex.configure(lm=dspex.LM("openai/gpt-4o-mini")).')
    if type(lm) is not LM:
        raise LMConfigurationError(f"A {type(lm).__name__} cannot be asked in batches: only dspex.LM can.")
    call = prepare(lm, "", None, lm.kwargs)
    target = target_of(call)
    if durable:
        refuse_unnamed_key(target)
    credentials = Credentials()
    credentials.remember(target, call)
    await BatchSubmitter(store, f"check:{uuid.uuid4().hex}", credentials).check(target)
