"""Find out that an LM cannot be called before anything is paid for."""

from __future__ import annotations

from dspex.clients.base_lm import BaseLM
from dspex.clients.lm import LM
from dspex.errors import LMNotConfiguredError


def check_lm(lm: BaseLM | None) -> None:
    """Look up the LM's address and key. This makes no call.

    Raises:
        LMNotConfiguredError: there is no LM, or no key for it; the message names the variable.
        LMConfigurationError: no address is known for the model.
    """
    if lm is None:
        raise LMNotConfiguredError('There is no LM. Set one: dspex.configure(lm=dspex.LM("openai/gpt-4o-mini")).')
    if isinstance(lm, LM):
        from dspex.clients.prepare import prepare

        prepare(lm, "", None, lm.kwargs)
