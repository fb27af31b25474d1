"""A request's canonical JSON and its digest, by which the ledger knows it again.

Keys are sorted, so the order in which a dict was filled makes no difference. A `Prompt` brings the messages that a
predictor sends every time (system message, demos) already encoded and hashed; only the rest is worked on here. Body and
digest are those of a plain list with the same content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from dspex.errors import UsageError

if TYPE_CHECKING:
    from hashlib import _Hash

    from dspex.clients.canonical.prompt import Prefix


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """A request's body and the hash of its content so far (its address and rollout are added by `key`)."""

    body: bytes
    digest: _Hash

    def key(self, url: str, rollout_id: Any = None, salt: str | None = None) -> str:
        """Return the ledger's key of this request: 64 hexadecimal digits.

        Args:
            url: Where the request goes.
            rollout_id: The rollout, a number or a text; another rollout has another key.
            salt: A place in a run, for calls that must not share answers. None: they may.
        """
        digest = self.digest.copy()
        digest.update(orjson.dumps([url, rollout_id, salt]))
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class SplitMessages:
    """Messages split in two.

    Attributes:
        prefix: The messages that many prompts share, if there are any.
        rest: The others.
        rest_json: `rest` as JSON with sorted keys, without the outer brackets.
        digest: The SHA-256 state of both.
    """

    prefix: Prefix | None
    rest: list[dict[str, Any]]
    rest_json: bytes
    digest: _Hash


def split_messages(messages: list[dict[str, Any]]) -> SplitMessages:
    """Split `messages` where the encoded prefix of a `Prompt` ends."""
    prefix: Prefix | None = getattr(messages, "shared_prefix", None)
    if prefix is None or not prefix.json:
        encoded = _json(messages)[1:-1]
        return SplitMessages(None, messages, encoded, hashlib.sha256(encoded))
    rest = messages[len(prefix.messages) :]
    encoded = _json(rest)[1:-1]
    digest = prefix.hash.copy()
    if encoded:
        digest.update(b"," + encoded)
    return SplitMessages(prefix, rest, encoded, digest)


def encode_messages(messages: list[dict[str, Any]]) -> tuple[bytes, _Hash]:
    """Return the messages as JSON without the outer brackets, and the state of a SHA-256 over them."""
    split = split_messages(messages)
    if split.prefix is None:
        return split.rest_json, split.digest
    return (split.prefix.json + b"," + split.rest_json if split.rest_json else split.prefix.json), split.digest


def encode_params(params: Mapping[str, Any]) -> bytes:
    """Return the parameters as JSON with sorted keys."""
    return _json(params)


def seal(head: bytes, digest: _Hash, params: bytes) -> EncodedRequest:
    """Join the two parts of a body, and hash the parameters too.

    Args:
        head: An open JSON object, which ends with ``{`` or a comma.
        digest: The SHA-256 state of the messages. The parameters are added to it.
        params: The parameters, as a JSON object.
    """
    digest.update(params)
    return EncodedRequest(head + params[1:], digest)


def seal_params(head: bytes, digest: _Hash, params: Mapping[str, Any]) -> EncodedRequest:
    """Do what `seal` does, but keep the order of a schema's fields in the body: a model fills them in that order.

    Args:
        head: An open JSON object, which ends with ``{`` or a comma.
        digest: The SHA-256 state of the messages. The parameters are added to it, with sorted keys.
        params: The parameters.

    Raises:
        UsageError: a parameter cannot be written as JSON.
    """
    encoded = _json(params)
    digest.update(encoded)
    if not _WITH_SCHEMAS.isdisjoint(params):
        encoded = in_order(params)
    return EncodedRequest(head + encoded[1:], digest)


_WITH_SCHEMAS = frozenset({"response_format", "tools", "text"})


def in_order(value: Any) -> bytes:
    """Return `value` as JSON with its keys in their own order."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return _unusual_json(value, sort=0)


def schema_of(form: Any) -> Any:
    """Return a response format as JSON can say it: a pydantic class as its strict schema, anything else as it is."""
    return _class_schema(form) if isinstance(form, type) and hasattr(form, "model_json_schema") else form


@lru_cache(maxsize=256)
def _class_schema(form: Any) -> dict[str, Any]:
    schema = {"name": form.__name__, "schema": form.model_json_schema(), "strict": True}
    return {"type": "json_schema", "json_schema": schema}


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return _unusual_json(value)


def _unusual_json(value: Any, sort: int = orjson.OPT_SORT_KEYS) -> bytes:
    """For what strict JSON does not take: numbers as keys, response models, and text with half of a surrogate pair."""
    try:
        return orjson.dumps(_well_formed(value), option=sort | orjson.OPT_NON_STR_KEYS, default=_as_json)
    except TypeError as error:
        raise UsageError(f"An LM call cannot be written as JSON: {error}") from None


def _well_formed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_well_formed(key): _well_formed(one) for key, one in value.items()}
    return [_well_formed(one) for one in value] if isinstance(value, (list, tuple)) else value


def _as_json(value: Any) -> Any:
    """What orjson does not know: a pydantic model, or a pydantic class given as `response_format`."""
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return _class_schema(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON")
