"""`ColBERTv2`: passages from a ColBERT server.

A search goes the way of an LM call: retried, limited, and kept in the ledger, where the same search finds it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from dspex.bridge import wait_for
from dspex.clients.cache.response_cache import outside_of_runs
from dspex.clients.calls.call import LMCall
from dspex.clients.calls.current_ledger import current_ledger
from dspex.clients.calls.pipeline import answer
from dspex.clients.canonical.answer import Answer
from dspex.clients.canonical.request import EncodedRequest, encode_params, seal
from dspex.clients.http.aiohttp_transport import default_transport
from dspex.clients.http.transport import RawResponse
from dspex.clients.wires.openai.chat import OPENAI_CHAT
from dspex.dotdict import dotdict
from dspex.errors import DSPyError, LMError, LMUnexpectedError, UsageError

_SECONDS = 10.0
_MOST = 100


class ColBERTv2Error(DSPyError, ValueError):
    """The server answered, and not with passages."""


class TooManyPassagesError(UsageError, AssertionError):
    """More passages than the server gives (DSPy asserts it)."""


class ColBERTv2:
    """Searches through a ColBERT server: ``ColBERTv2(url="http://host:port/index")("query", k=3)``.

    Use it as the retrieval model, ``dspex.configure(rm=ColBERTv2(...))``, or by itself.

    Args:
        url: The server's address.
        port: Its port, if `url` does not say.
        post_requests: Whether to ask with POST and a JSON body instead of GET and parameters.
    """

    def __init__(self, url: str = "http://0.0.0.0", port: str | int | None = None, post_requests: bool = False) -> None:
        self.post_requests = post_requests
        self.url = f"{url}:{port}" if port else url

    def __call__(self, query: str, k: int = 10, simplify: bool = False) -> Any:
        """Search for the best passages for a query.

        Args:
            query: What to search for.
            k: How many passages.
            simplify: Whether to return the texts alone.

        Returns:
            A list of texts or, without `simplify`, of dictionaries with `long_text` and what else the server sends.

        Raises:
            ColBERTv2Error: the server answered with an error, or with something else than passages.
            LMError: it could not be asked.
        """
        return wait_for(self.acall(query, k, simplify))

    async def acall(self, query: str, k: int = 10, simplify: bool = False) -> Any:
        """Search from asynchronous code, with the arguments of calling this object."""
        found = await _search(self.url, query, k, post=self.post_requests)
        return [passage["long_text"] for passage in found] if simplify else [dotdict(passage) for passage in found]


def colbertv2_get_request(url: str, query: str, k: int) -> list[dict[str, Any]]:
    """Ask a server for the best passages, with GET.

    Args:
        url: The server's address.
        query: What to search for.
        k: How many passages.
    """
    return wait_for(_search(url, query, k, post=False))


def colbertv2_post_request(url: str, query: str, k: int) -> list[dict[str, Any]]:
    """Ask a server for the best passages, with POST.

    Args:
        url: The server's address.
        query: What to search for.
        k: How many passages.
    """
    return wait_for(_search(url, query, k, post=True))


colbertv2_get_request_v2 = colbertv2_get_request_v2_wrapped = colbertv2_get_request
colbertv2_post_request_v2 = colbertv2_post_request_v2_wrapped = colbertv2_post_request


async def _search(url: str, query: str, k: int, *, post: bool) -> list[dict[str, Any]]:
    if not isinstance(query, str):
        raise UsageError(f"ColBERTv2: a query is a text, not a {type(query).__name__}.")
    if k > _MOST and not post:
        raise TooManyPassagesError(
            f"Only k <= {_MOST} is supported for the hosted ColBERTv2 server at the moment; k is {k}."
        )
    encoded = _SERVER.encode("", [], {"query": query, "k": k})
    call = LMCall(
        key=encoded.key(url, salt="POST" if post else "GET"),
        model="colbertv2",
        url=url,
        wire=_SERVER,
        secret=None,
        headers=_SERVER.headers(None),
        body=encoded.body,
        timeout=_SECONDS,
        num_retries=3,
        max_concurrency=64,
        transport=default_transport() if post else _Getting(),
        ledger=outside_of_runs(current_ledger()),
    )
    reply, _ = await answer(call)
    return [{**passage, "long_text": _text(passage)} for passage in reply["topk"][:k]]


def _text(passage: Mapping[str, Any]) -> str:
    text = passage.get("text", passage.get("long_text"))
    if text is None:
        raise ColBERTv2Error(f"ColBERTv2 server returned a passage without text: {dict(passage)!r}")
    return str(text)


class _Getting:
    """Asks with GET: the body's values become parameters."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> RawResponse:
        asked = f"{url}{'&' if '?' in url else '?'}{urlencode(orjson.loads(body))}"
        return await default_transport().get(asked, headers, timeout)


class _Server:
    """How a ColBERT server is spoken to (a `Wire`)."""

    path = ""

    def encode(self, model: str, messages: list[Any], params: Mapping[str, Any]) -> EncodedRequest:
        return seal(b"{", hashlib.sha256(b"colbertv2"), encode_params(params))

    def headers(self, key: str | None) -> dict[str, str]:
        return {"Content-Type": "application/json; charset=utf-8", "User-Agent": "dspex"}

    def streamed(self, body: bytes) -> bytes:
        """Passages are not streamed."""
        return body

    def decode(self, body: bytes) -> Answer:
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise LMUnexpectedError(f"The answer is not JSON ({error})") from None
        if isinstance(data, dict) and data.get("error"):
            raise ColBERTv2Error(f"ColBERTv2 server returned an error: {data.get('message', 'Unknown error')}")
        if not isinstance(data, dict) or not isinstance(data.get("topk"), list):
            raise ColBERTv2Error(f"ColBERTv2 server returned an unexpected response: {data}")
        return Answer(data)

    def error(self, response: RawResponse) -> LMError:
        return OPENAI_CHAT.error(response)


_SERVER = _Server()
