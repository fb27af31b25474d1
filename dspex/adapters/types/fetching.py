"""Fetching an image or a recording from the web, when the user asks for it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlparse

from dspex.bridge import wait_for
from dspex.errors import DSPyError


class FetchError(DSPyError, OSError):
    """A resource could not be fetched; the message says from where and why."""


class FetchTimeoutError(FetchError, TimeoutError):
    """The server did not answer in time."""


class Fetched(NamedTuple):
    """What a server sent, and the media type it gave for that, without parameters; empty where it gave none."""

    content: bytes
    media_type: str


def is_http_url(text: str) -> bool:
    """Say whether `text` is a URL to fetch from."""
    try:
        parts = urlparse(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def fetch(url: str, *, verify: bool = True, timeout: float | None = 30.0) -> Fetched:
    """Fetch `url`, following redirects.

    Args:
        url: An HTTP(S) URL.
        verify: Whether the server's certificate must be valid.
        timeout: Seconds to wait for a connection, and then for each part of the answer; None waits for ever.

    Raises:
        FetchError: it could not be fetched (an `OSError`).
        FetchTimeoutError: the server did not answer in time (a `TimeoutError`).
    """
    return wait_for(_fetch(url, verify, timeout))


async def _fetch(url: str, verify: bool, timeout: float | None) -> Fetched:
    import httpx

    try:
        async with httpx.AsyncClient(verify=verify, timeout=timeout, follow_redirects=True) as client:
            response = await client.get(url)
            response.raise_for_status()
    except httpx.TimeoutException as error:
        raise FetchTimeoutError(f"{url} did not answer within {timeout} s. Give a longer `timeout`.") from error
    except httpx.HTTPStatusError as error:
        raise FetchError(f"{url} answered with status {error.response.status_code}.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError(f"{url} could not be fetched: {error or type(error).__name__}.") from error
    return Fetched(response.content, response.headers.get("Content-Type", "").partition(";")[0].strip())
