"""What the client reports of calls, and the object that reports nothing: telemetry is off unless it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from dspex.clients.calls.call import FinishedCall, LMCall
from dspex.clients.calls.scope import CallScope


class CallReport(Protocol):
    """A call whose answer is awaited."""

    def answered(self, reply: Any, finished: FinishedCall, joined: bool) -> None:
        """Report the answer; `joined` if an identical call in progress gave it."""
        ...


class PaymentReport(Protocol):
    """A call that is being paid for."""

    def paid(self, finished: FinishedCall) -> None:
        """Report what the call cost."""
        ...


class CallTelemetry(Protocol):
    """Reports calls; `dspex.clients.calls.telemetry` does it in OpenTelemetry's terms."""

    def lm_call(self, call: LMCall, scope: CallScope | None) -> AbstractContextManager[CallReport]:
        """Report a call, from the look into the ledger to the answer."""
        ...

    def payment(self, call: LMCall) -> AbstractContextManager[PaymentReport]:
        """Report the tries of a call that the ledger could not answer."""
        ...

    def one_try(self, call: LMCall, number: int, waited: float) -> AbstractContextManager[Mapping[str, str]]:
        """Report one try, which waited `waited` seconds to be admitted; the block gets the headers to send."""
        ...


class _NoReport:
    def answered(self, reply: Any, finished: FinishedCall, joined: bool) -> None:
        pass

    def paid(self, finished: FinishedCall) -> None:
        pass


_no_report = nullcontext(_NoReport())


class NoCallTelemetry:
    """Reports nothing, and costs next to nothing."""

    def lm_call(self, call: LMCall, scope: CallScope | None) -> AbstractContextManager[CallReport]:
        """Return a context whose report does nothing."""
        return _no_report

    def payment(self, call: LMCall) -> AbstractContextManager[PaymentReport]:
        """Return a context whose report does nothing."""
        return _no_report

    def one_try(self, call: LMCall, number: int, waited: float) -> AbstractContextManager[Mapping[str, str]]:
        """Return a context that gives the call's own headers."""
        return nullcontext(call.headers)


NO_TELEMETRY: CallTelemetry = NoCallTelemetry()
