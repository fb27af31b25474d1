"""A wire format: how one provider's API is spoken. Each is an object in a file of its own, such as `openai`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from dspex.clients.canonical.answer import Answer
    from dspex.clients.canonical.request import EncodedRequest
    from dspex.clients.http.transport import RawResponse
    from dspex.errors import LMError


class Wire(Protocol):
    """How one provider's API is spoken. `path` follows the base URL; ``{model}`` in it stands for the model's name."""

    path: str

    def encode(self, model: str, messages: list[dict[str, Any]], params: Mapping[str, Any]) -> EncodedRequest:
        """The body to send, and its digest. `params` may hold some that are the client's own (`rollout_id`, keys)."""
        ...

    def headers(self, key: str | None) -> dict[str, str]: ...

    def streamed(self, body: bytes) -> bytes:
        """The body that asks for the same answer as a stream of server-sent events."""
        ...

    def decode(self, body: bytes) -> Answer:
        """The answer in OpenAI's shape.

        Raises:
            LMError: `body` is an error, or no answer at all (`LMUnexpectedError`).
        """
        ...

    def error(self, response: RawResponse) -> LMError:
        """What an answer with an error status means, in the provider's own words."""
        ...


class EventReader(Protocol):
    """Reads the events of one stream, in order."""

    def read(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """What an event says, as chunks in OpenAI's shape.

        Raises:
            LMError: it says that there will be no answer.
        """
        ...

    def whole(self) -> dict[str, Any] | None:
        """The whole answer, if the stream has told it; else it is what the chunks are the pieces of."""
        ...


@runtime_checkable
class ForeignStream(Protocol):
    """A wire whose streams are not OpenAI's chunks."""

    def stream_url(self, url: str) -> str:
        """Where the streamed form of what is asked at `url` is had."""
        ...

    def event_reader(self) -> EventReader: ...
