"""Which proxy a call goes through: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, as curl reads them.

aiohttp's own reading of the environment is not used: with it, a ``~/.netrc`` would answer for the key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from dspex.errors import LMConfigurationError


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy. `url` has no user and password in it; those are never printed."""

    url: str
    user: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy for `url`, by what the environment says now; None to go there directly.

    Raises:
        LMConfigurationError: the proxy is of a kind that dspex does not support.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    if not named or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    if proxy.scheme not in ("http", "https") or not proxy.hostname:
        raise LMConfigurationError(
            f"The proxy for {parts.scheme}:// that the environment names ({proxy.scheme}://...) is no HTTP proxy. Name "
            "one in HTTPS_PROXY, or give the LM a transport of its own: LM(..., transport=HttpxTransport(client))."
        )
    host = f"[{proxy.hostname}]" if ":" in proxy.hostname else proxy.hostname
    place = f"{proxy.scheme}://{host}" + (f":{proxy.port}" if proxy.port else "")
    user = None if proxy.username is None else unquote(proxy.username)
    return Proxy(place, user, unquote(proxy.password or ""))
