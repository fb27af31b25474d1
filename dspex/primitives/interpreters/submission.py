"""`Submission`: what sandboxed code submits by calling ``SUBMIT``."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Sequence
from typing import Any

from dspex.sandbox.session import HostCall, SandboxError
from dspex.sandbox.values import received


class Submission:
    """The output that code submits, by calling ``SUBMIT``, and the exception that this ends the code with."""

    def __init__(self, fields: Sequence[dict[str, Any]] | None) -> None:
        names = [field["name"] for field in fields] if fields else ["output"]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self._signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
        self._token = secrets.token_hex(16)
        self.values: dict[str, Any] | None = None

    def take(self, call: HostCall) -> tuple[str, str]:
        """Return the exception to raise in the sandbox: an exit, which ``except Exception`` does not stop."""
        try:
            bound = self._signature.bind(*call.args, **call.kwargs)
        except TypeError as error:
            return "TypeError", f"SUBMIT() {error}; call it as SUBMIT({', '.join(self._signature.parameters)})"
        self.values = {name: received(value) for name, value in bound.arguments.items()}
        return "SystemExit", self._token

    def ended(self, error: SandboxError) -> bool:
        """Say whether `error` is the exit that `take` raised in the sandbox."""
        return error.kind == "SystemExit" and error.arguments == (self._token,)
