"""`Target`: where a batch is submitted. All requests of one batch have the same target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import orjson

from dspex.errors import LMConfigurationError


@dataclass(frozen=True, slots=True)
class Target:
    """A provider's API, one of its endpoints and models, and an account there.

    Attributes:
        kind: The name of the `BatchWire`.
        wire: The name of the wire format that the requests are in.
        base: The API's address.
        endpoint: The path of single calls under `base`.
        model: The model's name, with its provider's before a slash.
        account: A digest that tells keys apart and does not reveal them; empty without a key.
        key_variable: The environment variable that holds the key; None for a key that only this process has.
        query: What every address ends with, such as ``?api-version=2024-10-21``.
        price: The user's own price of the model, if there is one.
        headers: Headers that the user added; none of them holds a secret.
    """

    kind: str
    wire: str
    base: str
    endpoint: str
    model: str
    account: str
    key_variable: str | None = None
    query: str = ""
    price: Mapping[str, float] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Write the target as the store keeps it: equal targets have equal texts."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS).decode()

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read the target back from what `text` wrote."""
        return cls(**orjson.loads(text))

    def url(self, path: str) -> str:
        """Return the address of `path` under the API's base, with the query that every address ends with."""
        query = self.query.replace("?", "&", 1) if "?" in path else self.query
        return f"{self.base}{path}{query}"


def refuse_unnamed_key(target: Target) -> None:
    """Refuse a key that the workers of a durable run could not find, now or a day later.

    Raises:
        LMConfigurationError: only this process has the key.
    """
    if target.account and target.key_variable is None:
        raise LMConfigurationError(
            f"{target.model}: a batch of a durable run needs its key in an environment variable of the workers. Name "
            "it with api_key_env=.",
            model=target.model,
        )
