"""The callbacks of a call: telemetry's, the configured ones, and those of the instance that is called."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dspex.observability.switch import telemetry
from dspex.settings import settings

if TYPE_CHECKING:
    from dspex.observability.instruments import Telemetry
    from dspex.observability.listener import SpanListener


def callbacks_for(instance: Any) -> Sequence[Any]:
    """The callbacks to notify of a call of `instance`, in order. Usually none: check for that before notifying.

    Args:
        instance: The module, LM, adapter, tool, evaluator or optimizer; its attribute `callbacks` counts.
    """
    own = getattr(instance, "callbacks", None)
    everywhere = settings.callbacks
    active = telemetry()
    if active is not None:
        return [_span_listener(active), *(everywhere or ()), *(own or ())]
    if not own:
        return everywhere or ()
    return [*(everywhere or ()), *own]


@lru_cache(maxsize=16)
def _span_listener(active: Telemetry) -> SpanListener:
    from dspex.observability.listener import SpanListener  # loads OpenTelemetry

    return SpanListener(active)
