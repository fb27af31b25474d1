"""Answering requests, over HTTP or in a batch: checks, limits, refusals and counters."""

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
    request: A
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
        request = endpoint.read(call)
        if endpoint.paid:
            self.practice_model.check(request.model, request.prompt_tokens)
        attempt = self.stats.record_attempt(endpoint.name, request.digest, endpoint.paid)
        if endpoint.paid:
            self._limits.admit(request.prompt_tokens)
        return Admitted(endpoint, request, self._faults.decide(request.digest, attempt), call.method)

    def answer(self, admitted: Admitted[A]) -> EndpointResponse:
        """Answer a request, unless it was decided to refuse it.

        Raises:
            RefusedError: if it was.
        """
        if admitted.decision.refusal is not None:
            raise injected(admitted.decision.refusal, self.options.retry_after)
        return admitted.endpoint.answer(admitted.request, admitted.decision.malformed)

    def record_answer(self, admitted: Admitted[A], answer: EndpointResponse) -> None:
        """Count an answer that was sent whole."""
        endpoint, request = admitted.endpoint, admitted.request
        digest = request.digest if admitted.method == "POST" else None  # a GET may come again
        if endpoint.paid:
            self._limits.charge(answer.completion_tokens)
            self.stats.record_answer(endpoint.name, digest, True, request.prompt_tokens, answer.completion_tokens)
        else:
            self.stats.record_answer(endpoint.name, digest, False)

    def answer_batch_line(self, endpoint: PracticeEndpoint[A], call: EndpointCall) -> tuple[int, bytes]:
        """Answer a line of a batch: status and body. No limits apply; an injected error is a server error."""
        name = f"{endpoint.name} (batch)"
        self.stats.record_call(name, paid=True)
        try:
            request = endpoint.read(call)
            self.practice_model.check(request.model, request.prompt_tokens)
            decision = self._faults.decide(request.digest, self.stats.record_attempt(name, request.digest, paid=True))
            if decision.refusal is not None:
                raise injected(Reason.SERVER, 0.0)
            answer = endpoint.answer(request, decision.malformed)
        except RefusedError as refusal:
            self.stats.record_refusal(name, True, self.error(endpoint, refusal))
            return endpoint.dialect.status(refusal), endpoint.dialect.error(refusal)
        self.stats.record_answer(name, request.digest, True, request.prompt_tokens, answer.completion_tokens)
        return 200, answer.body

    def error(self, endpoint: PracticeEndpoint[A], refusal: RefusedError) -> str:
        """The name of a refusal in the counters."""
        limited = "" if "injected" in str(refusal) else _LIMITED.get(refusal.reason, "")
        return f"{endpoint.dialect.status(refusal)}{limited}"

    def levels(self) -> Levels:
        """How full the rate limits are."""
        return self._limits.levels()
