"""Whether telemetry is on: asked at every call, so it costs next to nothing where it is not.

Off with ``dspex.configure(telemetry=False)``, ``DSPEX_TELEMETRY=0`` or ``OTEL_SDK_DISABLED=true``. On with
``configure(telemetry=True)`` or ``DSPEX_TELEMETRY=1``, which make providers from the ``OTEL_*`` variables where the
process has none. Otherwise on as soon as the process has a tracer or meter provider.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from dspex.settings import read

if TYPE_CHECKING:
    from dspex.observability.instruments import Telemetry

P = ParamSpec("P")
T = TypeVar("T")

TELEMETRY_VARIABLE = "DSPEX_TELEMETRY"

_NO = ("0", "false", "off", "no")


def asked_by_environment(environment: Any = os.environ) -> bool | None:
    """What the environment says: on, off, or nothing."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    said = environment.get(TELEMETRY_VARIABLE, "").lower()
    return None if not said else said not in _NO


_by_environment = asked_by_environment()  # read once: a look at the environment costs more than all the rest here
_seen: tuple[Any, Any] = (None, None)
"""The process's providers when they were looked at last, and what was made of them."""
_current: Telemetry | None = None


def telemetry() -> Telemetry | None:
    """Return where spans and metrics of the running code go; None if telemetry is off."""
    wanted = read("telemetry")
    if wanted is None:
        wanted = _by_environment
        if wanted is None:
            return of_process() if "opentelemetry" in sys.modules else None
    if wanted is False:
        return None
    return _made() if wanted is True else wanted


def span(name: str, **attributes: Any) -> AbstractContextManager[Any]:
    """Open a span around a block, if telemetry is on.

    Args:
        name: The span's name.
        attributes: Its attributes: ``rows=`` is ``dspex.rows``; those of None are left out.
    """
    active = telemetry()
    return (
        nullcontext()
        if active is None
        else active.span(name, {f"dspex.{key}": value for key, value in attributes.items()})
    )


def traced(name: str) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Decorate an ``async`` function: a span around each call of it."""

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(function)
        async def spanned(*args: P.args, **kwargs: P.kwargs) -> T:
            with span(name):
                return await function(*args, **kwargs)

        return spanned

    return decorate


def of_process() -> Telemetry | None:
    """`Telemetry` of the providers that are set for the whole process; None if there are none."""
    global _current, _seen
    providers = (
        _provider("opentelemetry.trace", "_TRACER_PROVIDER", "get_tracer_provider"),
        _provider("opentelemetry.metrics._internal", "_METER_PROVIDER", "get_meter_provider"),
    )
    if providers[0] is not _seen[0] or providers[1] is not _seen[1]:
        _current, _seen = _telling(*providers), providers
    return _current


def _provider(module: str, attribute: str, function: str) -> Any:
    """The current provider, as far as OpenTelemetry is loaded; looked at where it is kept, as its own function reads
    the environment each time that there is none."""
    loaded = sys.modules.get(module)
    if loaded is None:
        return None
    return loaded.__dict__[attribute] if attribute in loaded.__dict__ else getattr(loaded, function)()


def _telling(tracers: Any, meters: Any) -> Telemetry | None:
    """`Telemetry` of these providers, unless both are stand-ins."""
    if _is_stand_in(tracers) and _is_stand_in(meters):
        return None
    from dspex.observability.instruments import Telemetry

    return Telemetry(tracers, meters)


def _made() -> Telemetry | None:
    """As `of_process`, after making providers where there are none."""
    found = of_process()
    if found is not None:
        return found
    from dspex.observability.set_up import set_up

    set_up()
    return of_process()


def _is_stand_in(provider: Any) -> bool:
    """Whether it is none, or one of the API's own, which do nothing until a real one is set."""
    return provider is None or type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))
