"""A request's canonical JSON and its digest, by which the ledger knows it again.

Keys are sorted, so the order in which a dict was filled makes no difference. A `Prompt` brings the messages that a
predictor sends every time (system message, demos) already encoded and hashed; only the rest is worked on here. Body and
digest are those of a plain list with the same content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from dspex.errors import UsageError

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request's body and the hash of its content so far (its address and rollout are added by `key`)."""

    body: bytes
    digest: _Hash

    def key(self, url: str, rollout_id: Any = None, salt: str | None = None) -> str:
        """The ledger's key of this request to `url`; another for another rollout or salt."""
        digest = self.digest.copy()
        digest.update(orjson.dumps([url, rollout_id, salt]))
        return digest.hexdigest()


def encode_messages(messages: list[dict[str, Any]]) -> tuple[bytes, _Hash]:
    """The messages as JSON without the outer brackets, and their hash."""
    prefix = getattr(messages, "prefix_json", b"")
    if not prefix:
        encoded = _json(messages)[1:-1]
        return encoded, hashlib.sha256(encoded)
    rest = _json(messages[len(messages.stable) :])[1:-1]  # type: ignore[attr-defined]
    digest = messages.prefix_hash.copy()  # type: ignore[attr-defined]
    if rest:
        rest = b"," + rest
        digest.update(rest)
    return prefix + rest, digest


def encode_params(params: Mapping[str, Any]) -> bytes:
    return _json(params)


def seal(head: bytes, digest: _Hash, params: bytes) -> Encoded:
    """Join an open JSON object `head` and the object `params` to a body, and hash the parameters too."""
    digest.update(params)
    return Encoded(head + params[1:], digest)


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return _unusual_json(value)


def _unusual_json(value: Any) -> bytes:
    """For what strict JSON does not take: numbers as keys, response models, and text with half of a surrogate pair."""
    try:
        return orjson.dumps(
            _well_formed(value), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=_as_json
        )
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
        schema = {"name": value.__name__, "schema": value.model_json_schema(), "strict": True}
        return {"type": "json_schema", "json_schema": schema}
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON")
