"""`Credentials`: the keys and transports with which this process reaches its batches' targets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dspex.clients.http.transport import FileTransport
from dspex.errors import LMConfigurationError, LMNotConfiguredError

if TYPE_CHECKING:
    from dspex.clients.batch.target import Target
    from dspex.clients.calls.call import LMCall
    from dspex.clients.canonical.secrets import Secret


class Credentials:
    """Keys and the user's transports by account. They stay in memory: nothing of them is ever written down."""

    def __init__(self) -> None:
        self._keys: dict[str, Secret] = {}
        self._transports: dict[str, FileTransport] = {}

    def remember(self, target: Target, call: LMCall) -> None:
        """Remember the key and the transport that a call would have been sent with.

        Args:
            target: Where the call's batch goes.
            call: The call.

        Raises:
            LMConfigurationError: the transport cannot do what a batch needs.
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
        """Return the transport that this process's calls to `target` use; None if it has made none."""
        return self._transports.get(target.account)

    def key(self, target: Target) -> str | None:
        """Return the key for `target`; None if it needs none.

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
