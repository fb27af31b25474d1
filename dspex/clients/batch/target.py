"""Where a call's batch is submitted. All requests of one batch have the same target."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import orjson

from dspex.clients.canonical.secrets import Secret, names_a_secret
from dspex.clients.cost.pricing import checked_price
from dspex.clients.http.transport import FileTransport
from dspex.errors import LMConfigurationError, LMNotConfiguredError
from dspex.settings import read

if TYPE_CHECKING:
    from dspex.clients.calls.pipeline import LMCall


@dataclass(frozen=True, slots=True)
class Target:
    """A provider's API, one of its endpoints and models, and an account there.

    `kind` names the `BatchWire`, `wire` the wire format of the requests, `base` is the API's address and `endpoint` the
    path of single calls under it; `query` ends every address. `key_variable` names the variable that holds the key;
    `account` tells keys apart without giving them away.
    """

    kind: str
    wire: str
    base: str
    endpoint: str
    model: str
    account: str
    key_variable: str | None = None
    query: str = ""
    price: Mapping[str, float] | None = None
    """The user's own price of the model, if there is one."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """As the store keeps it: the same for the same target."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS).decode()

    @classmethod
    def parse(cls, text: str) -> Target:
        return cls(**orjson.loads(text))

    def url(self, path: str) -> str:
        query = self.query.replace("?", "&", 1) if "?" in path else self.query
        return f"{self.base}{path}{query}"


def target_of(call: LMCall) -> Target:
    """Where `call` would be submitted.

    Raises:
        LMConfigurationError: it cannot be made through a batch API. Nothing was sent.
    """
    from dspex.clients.batch.wires import batch_wire_for, wire_name

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


def _own_price(call: LMCall) -> dict[str, float] | None:
    configured = read("prices")
    own = call.price or (configured.get(call.model) if configured else None)
    return None if own is None else checked_price(own, call.model)


def account_of(secret: Secret | None) -> str:
    """A few letters that differ between keys, from which no key can be had."""
    return hashlib.sha256(b"dspex batch account " + secret.reveal().encode()).hexdigest()[:12] if secret else ""


def _variable_of(secret: Secret | None) -> str | None:
    """The environment variable that holds the key; None for a key that only this process has."""
    if secret is None:
        return None
    text = secret.reveal()
    return next((name for name in sorted(os.environ) if os.environ[name] == text), None)


class KeyRing:
    """How this process gets at the targets that it has met: their keys, and transports of the user's. By account.

    Nothing of it is ever written down.
    """

    def __init__(self) -> None:
        self._keys: dict[str, Secret] = {}
        self._transports: dict[str, FileTransport] = {}

    def keep(self, target: Target, call: LMCall) -> None:
        """Remember how `call` would have been sent.

        Raises:
            LMConfigurationError: its transport cannot do what a batch needs.
        """
        if call.secret is not None:
            self._keys[target.account] = call.secret
        if not isinstance(call.transport, FileTransport):
            raise LMConfigurationError(
                f"{target.model} cannot be asked through a batch API by the transport {type(call.transport).__name__}, "
                "which has no `request` and `download` (dspex.clients.http.transport.FileTransport).",
                model=target.model,
            )
        self._transports[target.account] = call.transport

    def transport(self, target: Target) -> FileTransport | None:
        """The transport that calls to `target` are sent with here, if there were any."""
        return self._transports.get(target.account)

    def key(self, target: Target) -> str | None:
        """The key to talk to `target` with.

        Raises:
            LMNotConfiguredError: this process does not have it.
        """
        if not target.account:
            return None
        known = self._keys.get(target.account)
        if known is not None:
            return known.reveal()
        found = os.environ.get(target.key_variable) if target.key_variable else None
        if found:
            return found
        where = f"Set the environment variable {target.key_variable}" if target.key_variable else "Bring it as api_key="
        raise LMNotConfiguredError(
            f"{target.model}: this process has not got the key that its batch was submitted with. {where}.",
            model=target.model,
        )


def refuse_secret_of_this_process(target: Target) -> None:
    """For durable runs: another process must find the key when the batch is submitted, and a day later.

    Raises:
        LMConfigurationError: only this process has it.
    """
    if target.account and target.key_variable is None:
        raise LMConfigurationError(
            f"{target.model}: a batch of a durable run needs its key in an environment variable of the workers. Name "
            "it with api_key_env=.",
            model=target.model,
        )
