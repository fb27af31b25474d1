"""An LM that answers nothing and notes what it is asked: how long the prompts of real examples are, without a call."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from dspex.clients.base_lm import BaseLM
from dspex.clients.canonical.request import encode_messages, encode_params
from dspex.clients.cost.upper_bound import longest_answer, request_upper_bound
from dspex.errors import AdapterParseError
from dspex.settings import context, settings
from dspex.store.records.budget import CostUpperBound

_UNREADABLE = "?"


class PromptRecorder(BaseLM):
    """An LM that collects the requests it gets in `bodies`, in place of another LM.

    It supports what the other supports. No adapter can read its answer, so an adapter that asks again for what it
    cannot read does so here.

    Args:
        lm: The other LM.
    """

    blocking = False

    def __init__(self, lm: BaseLM) -> None:
        super().__init__(lm.model, lm.model_type)
        self.kwargs = dict(lm.kwargs)
        self.lm = lm
        self.bodies: list[bytes] = []

    def forward(self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any) -> Any:
        """Record the request and return an answer that no adapter can read. Arguments as in `BaseLM.forward`."""
        asked = messages or [{"role": "user", "content": prompt}]
        sent = {name: value for name, value in {**self.kwargs, **kwargs}.items() if value is not None}
        self.bodies.append(encode_messages(asked)[0] + encode_params(sent))
        return {
            "choices": [{"message": {"role": "assistant", "content": _UNREADABLE}, "finish_reason": "stop"}],
            "usage": {},
        }

    @property
    def supports_function_calling(self) -> bool:
        return self.lm.supports_function_calling

    @property
    def supports_reasoning(self) -> bool:
        return self.lm.supports_reasoning

    @property
    def supports_response_schema(self) -> bool:
        return self.lm.supports_response_schema

    @property
    def supported_params(self) -> set[str]:
        return self.lm.supported_params

    @property
    def price(self) -> Any:
        return getattr(self.lm, "price", None)

    def most(self, body: bytes, more: int = 0) -> CostUpperBound:
        """Compute the most that a request can cost.

        Args:
            body: The request.
            more: Tokens of the prompt that are not in `body` yet.
        """
        return request_upper_bound(self.model, body, self.price, more=more)

    def longest(self, body: bytes = b"") -> int:
        """Compute the most tokens that an answer can have, to the request `body` or one with the LM's parameters."""
        return longest_answer(self.model, body or encode_params(self.kwargs))


@dataclass(frozen=True, slots=True)
class RecordedPrompt:
    """A request that a predictor would make.

    Attributes:
        meter: The recorder that got it.
        body: The request.
        usual: Whether it is made also when every answer can be read the first time.
        more: Tokens that will be in it and are not known yet.
    """

    meter: PromptRecorder
    body: bytes
    usual: bool
    more: int = 0


async def asked(predictor: Any, lm: BaseLM, inputs: Mapping[str, Any]) -> list[RecordedPrompt]:
    """Record the requests that one call of a predictor makes at most.

    Args:
        predictor: The predictor.
        lm: Its LM, which is not called.
        inputs: Its inputs.
    """
    meter = PromptRecorder(lm)
    reader: PromptRecorder | None = None
    with ExitStack() as stack:
        quiet: dict[str, Any] = {
            "callbacks": [],
            "trace": None,
            "track_usage": False,
            "disable_history": True,
            "send_stream": None,
        }
        stack.enter_context(context(**quiet, warn_on_type_mismatch=False))
        adapter = settings.adapter
        second = getattr(adapter, "extraction_model", None)
        if second is not None:  # the LM that reads the first one's answers
            reader = PromptRecorder(second)
            copied = copy.copy(adapter)
            copied.extraction_model = reader
            stack.enter_context(context(adapter=copied))
        stack.enter_context(suppress(AdapterParseError))  # as it must be: nothing was answered
        await predictor.acall(**inputs, lm=meter)
    requests = [RecordedPrompt(meter, body, usual=number == 0) for number, body in enumerate(meter.bodies)]
    if reader is not None:
        more = meter.longest()  # of the answer that it reads
        requests += [RecordedPrompt(reader, body, number == 0, more) for number, body in enumerate(reader.bodies)]
    return requests
