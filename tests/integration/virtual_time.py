"""An event loop whose clock jumps over every wait: ten minutes of trouble take a second.

Sockets are real. Only when nothing comes in for a moment does time pass, up to the next thing that is due.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import pytest

from dspex.clients.calls import traffic
from dspex.clients.resilience.limiter import EndpointLimiter

T = TypeVar("T")

_MOMENT = 0.001
"""Real seconds that whoever is at the other end of a socket is given."""


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    jumped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(_MOMENT)
        if not events:
            self.jumped += timeout
        return events


class JumpingLoop(asyncio.SelectorEventLoop):
    """See above. `time` begins at zero."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return float(self._jumping.jumped)


def run_virtually(monkeypatch: pytest.MonkeyPatch, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main` on such a loop, with the client's limiters and breakers on its clock."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        loop = runner.get_loop()
        monkeypatch.setattr(traffic, "EndpointLimiter", partial(EndpointLimiter, now=loop.time))
        return runner.run(main())
