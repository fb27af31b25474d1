"""Which batch API a call goes to."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from dspex.clients.batch.target import Target
from dspex.clients.batch.wires import batch_wire_for, wire_name
from dspex.clients.canonical.secrets import Secret, names_a_secret
from dspex.clients.cost.pricing import checked_price
from dspex.settings import read

if TYPE_CHECKING:
    from dspex.clients.calls.call import LMCall


def target_of(call: LMCall) -> Target:
    """Return where `call` would be submitted.

    Raises:
        LMConfigurationError: the call cannot be made through a batch API. Nothing was sent.
    """
    kind = batch_wire_for(call)
    address, mark, query = call.url.partition("?")
    base, endpoint = kind.place(address, call.wire)
    own = call.wire.headers(call.secret.reveal() if call.secret else None)
    more = {name: text for name, text in call.headers.items() if name not in own and not names_a_secret(name.lower())}
    return Target(
        kind=kind.name,
        wire=wire_name(call.wire),
        base=base,
        endpoint=endpoint,
        model=call.model,
        account=account_of(call.secret),
        key_variable=_variable_of(call.secret),
        query=mark + query,
        price=_own_price(call),
        headers=more,
    )


def account_of(secret: Secret | None) -> str:
    """Return a digest of 12 letters that differs between keys and does not reveal them; empty without a key."""
    return hashlib.sha256(b"dspex batch account " + secret.reveal().encode()).hexdigest()[:12] if secret else ""


def _own_price(call: LMCall) -> dict[str, float] | None:
    configured = read("prices")
    own = call.price or (configured.get(call.model) if configured else None)
    return None if own is None else checked_price(own, call.model)


def _variable_of(secret: Secret | None) -> str | None:
    """The environment variable that holds the key; None for a key that only this process has."""
    if secret is None:
        return None
    text = secret.reveal()
    return next((name for name in sorted(os.environ) if os.environ[name] == text), None)
