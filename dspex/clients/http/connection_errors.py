"""What aiohttp's exceptions mean: which `LMError`, and what the user can do about it."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from dspex.clients.http.transport import CONNECT_SECONDS
from dspex.errors import LMConfigurationError, LMError, LMTimeoutError, LMTransportError, LMUnexpectedError

_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
"""What OpenSSL says of a server that answers a TLS greeting in plain text."""

_REFUSED_BY_PROXY = (401, 403, 407)


def explained(error: Exception, url: str, timeout: float, through: URL | None = None) -> LMError:
    """Translate an exception of aiohttp into an `LMError`. It never quotes headers, which hold the key.

    Args:
        error: What aiohttp raised.
        url: The address that was called.
        timeout: The time allowed for the whole call, in seconds.
        through: The proxy, if there was one.
    """
    way = f"{url} (through the proxy {through})" if through is not None else url
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return LMTimeoutError(f"{way} took no connection within {min(CONNECT_SECONDS, timeout):g} s")
    if isinstance(error, TimeoutError):
        return LMTimeoutError(f"{way} gave no whole answer within {timeout:g} s")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _untrusted(error, way)
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return _no_handshake(error, way)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        kind = LMConfigurationError if error.status in _REFUSED_BY_PROXY else LMTransportError
        return kind(f"{way}: the proxy does not let the call through: {error.status} {error.message}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        name = urlsplit(str(through or url)).hostname
        return LMTransportError(f"{way}: the host {name} cannot be found (DNS). Is the address right?")
    if isinstance(error, aiohttp.InvalidURL):
        return LMConfigurationError(f"{url} is not a URL that can be called")
    if isinstance(error, aiohttp.ClientPayloadError):
        return LMTransportError(f"{way} broke off in the middle of its answer")
    if isinstance(error, aiohttp.ClientResponseError):
        return LMUnexpectedError(f"{way} did not answer in HTTP: {error.message.splitlines()[0]}")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return LMTransportError(f"{way} closed the connection without an answer")
    if isinstance(error, aiohttp.ClientError | OSError):
        return LMTransportError(f"{way}: {type(error).__name__}: {error}")
    return LMConfigurationError(f"{way}: it cannot be asked: the key, or a header, holds a line break")


def _untrusted(error: aiohttp.ClientConnectorCertificateError, way: str) -> LMError:
    found = error.certificate_error
    why = found.verify_message if isinstance(found, ssl.SSLCertVerificationError) else str(found)
    return LMConfigurationError(
        f"{way}: the server's certificate is not trusted: {why}. If the server, or a proxy in between, is signed by an "
        "authority of your own, name the file with its certificate: SSL_CERT_FILE=/path/to/ca.pem."
    )


def _no_handshake(error: aiohttp.ClientConnectorSSLError, way: str) -> LMError:
    said = str(error)
    if any(sign in said for sign in _NO_TLS):
        return LMConfigurationError(
            f"{way}: the server there does not speak TLS. Should the address begin with http://?"
        )
    return LMTransportError(f"{way}: TLS failed: {said}")
