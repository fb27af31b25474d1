"""An endpoint: how a request is read, and how it is answered. It opens no sockets: see `server.app`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Generic, Protocol, TypeVar

import orjson

from dspex_practice.api.dialect import FormatDialect
from dspex_practice.api.form import FormPart

JSON = "application/json"
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class EndpointCall:
    """A request as it came."""

    raw: bytes
    method: str = "POST"
    path: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    """What the path names, such as a model or a file."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    """``http://host:port``, as the caller has it."""
    form: Mapping[str, FormPart] | None = None
    """The parts of a body that is a form, by name."""


class ModelQuery(Protocol):
    """A request as read."""

    @property
    def digest(self) -> bytes:
        """A digest of the whole request, whatever the order of its keys."""
        ...

    @property
    def prompt_tokens(self) -> int:
        """How many tokens its prompt has."""
        ...

    @property
    def model(self) -> str:
        """The model that it names."""
        ...


@dataclass(frozen=True, slots=True)
class PlainQuery:
    """A request that asks no model."""

    call: EndpointCall
    digest: bytes
    model: str = ""
    prompt_tokens: int = 0


@dataclass(frozen=True, slots=True)
class EndpointResponse:
    """What is sent: a body, or a stream of pieces of one."""

    body: bytes = b""
    stream: Iterator[bytes] | None = None
    content_type: str = JSON
    completion_tokens: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    repeat: bytes = b""
    """What marks a piece of the stream that an answer without an end would repeat."""


def json_answer(value: Any) -> EndpointResponse:
    """A response whose body is `value` as JSON."""
    return EndpointResponse(orjson.dumps(value))


A = TypeVar("A", bound=ModelQuery)


@dataclass(frozen=True, slots=True)
class PracticeEndpoint(Generic[A]):
    """How requests of one path are read and answered.

    `answer` takes what `read` returned, and whether to get the format wrong on purpose.
    """

    name: str
    dialect: FormatDialect
    read: Callable[[EndpointCall], A]
    answer: Callable[[A, bool], EndpointResponse]
    paid: bool = True
    """Whether it asks the model: is limited, checked against the model's context, and counted in the totals."""


def plain_endpoint(
    name: str, dialect: FormatDialect, answer: Callable[[EndpointCall], EndpointResponse]
) -> PracticeEndpoint[Any]:
    """An endpoint that asks no model."""

    def read(call: EndpointCall) -> PlainQuery:
        where = f"{call.method} {call.path} {sorted(call.query.items())}".encode()
        return PlainQuery(call, blake2b(where + b"\n" + call.raw, digest_size=16).digest())

    return PracticeEndpoint(name, dialect, read, lambda request, _: answer(request.call), paid=False)
