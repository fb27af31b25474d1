"""Find out that an LM cannot be asked in batches before anything is paid for."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from dspex.clients.batch.submission import BatchSubmitter
from dspex.clients.batch.target import KeyRing, refuse_secret_of_this_process, target_of
from dspex.clients.lm import LM
from dspex.clients.prepare import prepare
from dspex.errors import LMConfigurationError, LMNotConfiguredError

if TYPE_CHECKING:
    from dspex.clients.base_lm import BaseLM
    from dspex.store import Store


async def check_batches(lm: BaseLM | None, store: Store, *, durable: bool = False) -> None:
    """Ask the LM's provider whether it has a batch API for us; no LM is called.

    Raises:
        LMNotConfiguredError: there is no LM, or no key for it.
        LMConfigurationError: it cannot be asked in batches.
    """
    if lm is None:
        raise LMNotConfiguredError('There is no LM. Set one: dspex.configure(lm=dspex.LM("openai/gpt-4o-mini")).')
    if type(lm) is not LM:
        raise LMConfigurationError(f"A {type(lm).__name__} cannot be asked in batches: only dspex.LM can.")
    call = prepare(lm, "", None, lm.kwargs)
    target = target_of(call)
    if durable:
        refuse_secret_of_this_process(target)
    keys = KeyRing()
    keys.keep(target, call)
    await BatchSubmitter(store, f"check:{uuid.uuid4().hex}", keys).check(target)
