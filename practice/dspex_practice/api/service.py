"""Answering endpoints: what is checked, limited, refused and counted on the way, over HTTP or in a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic

from dspex_practice.api.dialect import Levels
from dspex_practice.api.endpoint import A, EndpointCall, EndpointResponse, PracticeEndpoint
from dspex_practice.api.faults import FaultDecision, Faults, injected
from dspex_practice.api.options import PracticeOptions
from dspex_practice.api.rate_limits import RateLimits
from dspex_practice.api.stats import Stats
from dspex_practice.model.errors import Reason, RefusedError
from dspex_practice.model.model import Model

_LIMITED = {Reason.REQUESTS: " rpm", Reason.TOKENS: " tpm"}


@dataclass(frozen=True, slots=True)
class Admitted(Generic[A]):
    """A request that was let through, before it is answered."""

    endpoint: PracticeEndpoint[A]
    asked: A
    decision: FaultDecision
    method: str


@dataclass(slots=True)
class Service:
    """One server's state: its counters, faults and limits, and the model."""

    options: PracticeOptions
    clock: Callable[[], float]
    stats: Stats = field(init=False)
    practice_model: Model = field(init=False)
    _faults: Faults = field(init=False)
    _limits: RateLimits = field(init=False)

    def __post_init__(self) -> None:
        self.stats = Stats()
        self.practice_model = Model(self.options.models, self.options.context)
        self._faults = Faults(self.options)
        self._limits = RateLimits(self.options.rpm, self.options.tpm, self.clock)

    def admit(self, endpoint: PracticeEndpoint[A], call: EndpointCall) -> Admitted[A]:
        """Read a request, count it and decide what happens to it.

        Raises:
            RefusedError: if it is wrong, or has to wait.
        """
        asked = endpoint.read(call)
        if endpoint.paid:
            self.practice_model.check(asked.model, asked.prompt_tokens)
        attempt = self.stats.saw(endpoint.name, asked.digest, endpoint.paid)
        if endpoint.paid:
            self._limits.admit(asked.prompt_tokens)
        return Admitted(endpoint, asked, self._faults.decide(asked.digest, attempt), call.method)

    def answer(self, admitted: Admitted[A]) -> EndpointResponse:
        """Answer a request, unless it was decided to refuse it.

        Raises:
            RefusedError: if it is.
        """
        if admitted.decision.refusal is not None:
            raise injected(admitted.decision.refusal, self.options.retry_after)
        return admitted.endpoint.answer(admitted.asked, admitted.decision.malformed)

    def gave(self, admitted: Admitted[A], answer: EndpointResponse) -> None:
        """Note that the whole of `answer` was sent."""
        endpoint, asked = admitted.endpoint, admitted.asked
        digest = asked.digest if admitted.method == "POST" else None  # what only looks may look again
        if endpoint.paid:
            self._limits.charge(answer.completion_tokens)
            self.stats.gave(endpoint.name, digest, True, asked.prompt_tokens, answer.completion_tokens)
        else:
            self.stats.gave(endpoint.name, digest, False)

    def offline(self, endpoint: PracticeEndpoint[A], call: EndpointCall) -> tuple[int, bytes]:
        """Answer a line of a batch: status and body. No limits; what is injected is a server error."""
        name = f"{endpoint.name} (batch)"
        self.stats.called(name, paid=True)
        try:
            asked = endpoint.read(call)
            self.practice_model.check(asked.model, asked.prompt_tokens)
            decision = self._faults.decide(asked.digest, self.stats.saw(name, asked.digest, paid=True))
            if decision.refusal is not None:
                raise injected(Reason.SERVER, 0.0)
            answer = endpoint.answer(asked, decision.malformed)
        except RefusedError as refusal:
            self.stats.refuse(name, True, self.error(endpoint, refusal))
            return endpoint.dialect.status(refusal), endpoint.dialect.error(refusal)
        self.stats.gave(name, asked.digest, True, asked.prompt_tokens, answer.completion_tokens)
        return 200, answer.body

    def error(self, endpoint: PracticeEndpoint[A], refusal: RefusedError) -> str:
        """The name of a refusal in the counters."""
        limited = "" if "injected" in str(refusal) else _LIMITED.get(refusal.reason, "")
        return f"{endpoint.dialect.status(refusal)}{limited}"

    def levels(self) -> Levels:
        return self._limits.levels()
