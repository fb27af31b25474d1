"""One LM call: what is asked and how, what it came to, and what a call needs of the LM and the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dspex.clients.canonical.secrets import Secret
from dspex.clients.cost.pricing import OwnPrice
from dspex.clients.cost.upper_bound import request_upper_bound
from dspex.clients.http.transport import Transport
from dspex.clients.wires.endpoints import Endpoint, ModelName
from dspex.clients.wires.wire import Wire
from dspex.store.records.budget import BudgetExhausted, CostUpperBound, Payer
from dspex.store.records.ledger import Held, Hit, LedgerEntry, Won

ResolvedEndpoint = tuple[Endpoint, Secret | None, dict[str, str]]
"""Where calls go, with which key, and with which headers."""


class LMOptions(Protocol):
    """The attributes of an LM that preparing a call reads. `dspex.LM` has all of them and explains each."""

    model: str
    model_type: str
    kwargs: dict[str, Any]
    cache: bool
    num_retries: int
    timeout: float
    own_timeout: float | None
    """The timeout that the user gave, in seconds; None for the default."""
    max_concurrency: int
    rpm: float | None
    tpm: float | None
    price: dict[str, float] | None
    transport: Transport | None
    engine_transport: Any
    api_base: str | None
    api_key: Secret | None
    api_key_env: str | None
    use_developer_role: bool
    model_name: ModelName
    """`model` parsed: the provider, and the name on the wire."""
    resolved_endpoint: ResolvedEndpoint | None
    """Found at the first call, where the environment has the key."""

    @property
    def engine(self) -> Any:
        """How calls are sent: ``"auto"``, ``"litellm"``, or an engine object of the user."""
        ...

    def goes_through_litellm(self, params: dict[str, Any]) -> bool:
        """Tell whether litellm sends a call with these parameters."""
        ...


class CallLedger(Protocol):
    """The methods of the ledger (`dspex.store.Ledger`) that the client uses."""

    async def claim(self, key: str, run_id: str | None = None) -> Hit | Won | Held:
        """Return the recorded answer to the call `key`, or claim it, or say that another process makes the call."""
        ...

    async def reserve(self, key: str, payer: Payer) -> Held | BudgetExhausted | None:
        """Reserve the most that the call can cost in the payer's budget; None if it may be made."""
        ...

    async def record(self, entry: LedgerEntry) -> LedgerEntry:
        """Keep a finished call, give up its claim, and return the entry that stands: the first one of its key."""
        ...

    async def release(self, key: str) -> None:
        """Give up the claim of a call that failed."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LMCall:
    """One request, ready to be sent. `key` is None for a call that is neither shared nor recorded.

    `headers` hold the key, so a call is never printed: it has no fields in its repr but the model and the address.
    """

    key: str | None
    model: str
    url: str
    wire: Wire
    secret: Secret | None
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    timeout: float
    num_retries: int
    max_concurrency: int
    transport: Transport
    ledger: CallLedger | None
    sender: Callable[[LMCall], Awaitable[tuple[bytes, Any]]] | None = None
    """Sends the call in another way than by a post: streamed, or through litellm."""
    rpm: float | None = None
    tpm: float | None = None
    """The endpoint's requests and tokens a minute, where the user knows them."""
    price: OwnPrice | None = None
    """The user's own price of the model."""
    messages: Any = field(default=None, repr=False)
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What was asked, for telemetry. Parameters may hold keys."""


@dataclass(frozen=True, slots=True, eq=False)
class FinishedCall:
    """A call's answer. `paid` says whether it was called just now, or was found in the ledger.

    `reply` is the answer decoded, where that is done already: one caller gets it, others decode one of their own.
    """

    entry: LedgerEntry
    paid: bool
    reply: Any = None


def cost_upper_bound(call: LMCall) -> CostUpperBound:
    """Compute the most that `call` can cost, in tokens and US dollars."""
    return request_upper_bound(call.model, call.body, call.price, answers=not call.url.endswith("embeddings"))
