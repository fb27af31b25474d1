"""Anthropic's message batches: requests in the body, results as JSONL at an address of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from dspex_practice.anthropic.dialect import ANTHROPIC
from dspex_practice.anthropic.format import MessagesRequest
from dspex_practice.api import body as read
from dspex_practice.api.batches import BatchInput, BatchResult, BatchStore, State, StoredBatch
from dspex_practice.api.clock import rfc3339
from dspex_practice.api.endpoint import EndpointCall, EndpointResponse, PracticeEndpoint, json_answer, plain_endpoint
from dspex_practice.api.paging import openai_page
from dspex_practice.api.service import Service
from dspex_practice.model.errors import BadRequestError, Reason, RefusedError

_DAY = 86_400
_MOST_LINES = 100_000
_LONGEST_ID = 64


class AnthropicBatches:
    """The endpoints under ``/v1/messages/batches``. `messages` answers the requests."""

    def __init__(self, service: Service, batches: BatchStore, messages: PracticeEndpoint[MessagesRequest]) -> None:
        self._service = service
        self._batches = batches
        self._messages = messages
        self.create = self._endpoint(self._create)
        self.list = self._endpoint(self._list)
        self.get = self._endpoint(lambda call: json_answer(_object(batches.get(call.parts["id"]), call)))
        self.cancel = self._endpoint(lambda call: json_answer(_object(batches.cancel(call.parts["id"]), call)))
        self.delete = self._endpoint(self._delete)
        self.results = self._endpoint(self._results)

    def _endpoint(self, answer: Callable[[EndpointCall], EndpointResponse]) -> PracticeEndpoint[Any]:
        return plain_endpoint("messages/batches", ANTHROPIC, answer)

    def _create(self, call: EndpointCall) -> EndpointResponse:
        requests = read.objects(read.load(call.raw), "requests")
        if not 1 <= len(requests) <= _MOST_LINES:
            raise BadRequestError(f"List should have 1 to {_MOST_LINES} items", "requests")
        lines: dict[str, BatchInput] = {}
        for i, each in enumerate(requests):
            line = self._line(each, f"requests.{i}.", call.headers)
            if line.key in lines:
                raise BadRequestError(f"requests.{i}.custom_id: duplicate custom_id {line.key!r}")
            lines[line.key] = line
        return json_answer(_object(self._batches.start(list(lines.values()), {}), call))

    def _line(self, each: Mapping[str, Any], place: str, headers: Mapping[str, str]) -> BatchInput:
        key = read.text(each, "custom_id", place)
        if not 1 <= len(key) <= _LONGEST_ID:
            raise BadRequestError(f"{place}custom_id: should have 1 to {_LONGEST_ID} characters")
        params = read.mapping(each, "params", place)
        if params is None:
            raise BadRequestError("Field required", f"{place}params")
        call = EndpointCall(orjson.dumps(params), headers=headers)
        return BatchInput(key, lambda: self._service.answer_batch_line(self._messages, call))

    def _list(self, call: EndpointCall) -> EndpointResponse:
        found = openai_page([_object(batch, call) for batch in self._batches.all()], call.query)
        return json_answer({name: value for name, value in found.items() if name != "object"})

    def _delete(self, call: EndpointCall) -> EndpointResponse:
        self._batches.delete(call.parts["id"])
        return json_answer({"id": call.parts["id"], "type": "message_batch_deleted"})

    def _results(self, call: EndpointCall) -> EndpointResponse:
        batch = self._batches.get(call.parts["id"])
        if not batch.state.ended:
            raise RefusedError(Reason.NO_SUCH, f"Results of batch {batch.id} are not available yet.")
        return EndpointResponse(b"".join(_results(batch)), content_type="application/x-jsonl")


def _object(batch: StoredBatch, call: EndpointCall) -> dict[str, Any]:
    ended = batch.state.ended
    counts = {
        "processing": 0 if ended else len(batch.lines),
        "succeeded": batch.good if ended else 0,
        "errored": batch.bad if ended else 0,
        "canceled": len(batch.lines) - len(batch.results) if ended else 0,
        "expired": 0,
    }
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if ended else "canceling" if batch.state is State.CANCELLING else "in_progress",
        "request_counts": counts,
        "created_at": rfc3339(batch.created),
        "expires_at": rfc3339(batch.created + _DAY),
        "ended_at": rfc3339(batch.ended) if batch.ended is not None else None,
        "cancel_initiated_at": rfc3339(batch.cancel_asked) if batch.cancel_asked is not None else None,
        "archived_at": None,
        "results_url": f"{call.origin}/v1/messages/batches/{batch.id}/results" if ended else None,
    }


def _results(batch: StoredBatch) -> Iterator[bytes]:
    """A line for each request; those that a cancelled batch did not come to last."""
    for result in batch.results:
        yield orjson.dumps({"custom_id": result.key, "result": _outcome(result)}) + b"\n"
    for line in batch.lines[len(batch.results) :]:
        yield orjson.dumps({"custom_id": line.key, "result": {"type": "canceled"}}) + b"\n"


def _outcome(result: BatchResult) -> dict[str, Any]:
    if result.good:
        return {"type": "succeeded", "message": orjson.Fragment(result.body)}
    return {"type": "errored", "error": orjson.Fragment(result.body)}
