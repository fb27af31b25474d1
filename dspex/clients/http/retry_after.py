"""How long a provider asks a client to wait before it sends the next request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """Return the wait that a response asks for, in seconds; None where it asks for none.

    Args:
        headers: The response's headers, of which ``retry-after-ms`` (milliseconds; OpenAI, Azure) comes before
            ``Retry-After`` (seconds or an HTTP date; RFC 9110, section 10.2.3).
        now: The current time, against which a date is measured.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("Retry-After")
    seconds = _number(asked)
    if seconds is not None or asked is None:
        return seconds
    try:
        date = parsedate_to_datetime(asked)
    except ValueError:
        return None
    date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max(0.0, (date - now()).total_seconds())


def _number(text: str | None) -> float | None:
    """A finite number of zero or more, or None."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
