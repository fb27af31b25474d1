"""`Wire`: the protocol of wire formats. Each provider's is an object in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from dspex.clients.canonical.answer import Answer
    from dspex.clients.canonical.request import EncodedRequest
    from dspex.clients.http.transport import RawResponse
    from dspex.errors import LMError


class Wire(Protocol):
    """How to speak one provider's API.

    Attributes:
        path: What follows the base URL; ``{model}`` in it stands for the model's name.
    """

    path: str

    def encode(self, model: str, messages: list[dict[str, Any]], params: Mapping[str, Any]) -> EncodedRequest:
        """Build the request.

        Args:
            model: The model's name on the wire.
            messages: A conversation in OpenAI's chat format.
            params: OpenAI's parameters; those for the client itself (`rollout_id`, keys) are not sent.

        Raises:
            LMUnsupportedFeatureError: the provider cannot do what is asked.
        """
        ...

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the headers of a request, among them the one that holds the key."""
        ...

    def streamed(self, body: bytes) -> bytes:
        """Return the body that asks for the same answer as a stream of server-sent events."""
        ...

    def decode(self, body: bytes) -> Answer:
        """Translate a response's body into an answer in OpenAI's shape.

        Raises:
            LMError: `body` is an error, or not an answer at all (`LMUnexpectedError`).
        """
        ...

    def error(self, response: RawResponse) -> LMError:
        """Return the error that a response with an error status means, with the provider's own words."""
        ...


class EventReader(Protocol):
    """Reads the events of one stream, in order."""

    def read(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Translate an event into chunks in OpenAI's shape; there may be none.

        Raises:
            LMError: the event says that there will be no answer.
        """
        ...

    def whole(self) -> dict[str, Any] | None:
        """Return the whole answer, if the stream contained it; None if it must be assembled from the chunks."""
        ...


@runtime_checkable
class ForeignStream(Protocol):
    """A wire whose streams are not OpenAI's chunks."""

    def stream_url(self, url: str) -> str:
        """Return the address that streams what `url` answers in one piece."""
        ...

    def event_reader(self) -> EventReader:
        """Return a new reader, for one stream."""
        ...
