"""Gemini's batches: requests in the body or in a file, watched as a long-running operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from dspex_practice.api import body as read
from dspex_practice.api.batches import BatchInput, BatchResult, BatchStore, State, StoredBatch
from dspex_practice.api.clock import rfc3339
from dspex_practice.api.endpoint import EndpointCall, EndpointResponse, PracticeEndpoint, json_answer, plain_endpoint
from dspex_practice.api.files import Files
from dspex_practice.api.paging import gemini_page
from dspex_practice.api.service import Service
from dspex_practice.gemini.dialect import GEMINI
from dspex_practice.gemini.format import GenerateRequest
from dspex_practice.gemini.names import camel
from dspex_practice.model.errors import BadRequestError

_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"
_STATES = {
    State.NEW: "BATCH_STATE_PENDING",
    State.RUNNING: "BATCH_STATE_RUNNING",
    State.CANCELLING: "BATCH_STATE_RUNNING",
    State.CANCELLED: "BATCH_STATE_CANCELLED",
    State.DONE: "BATCH_STATE_SUCCEEDED",
    State.FAILED: "BATCH_STATE_FAILED",
}


class GeminiBatches:
    """``models/…:batchGenerateContent`` and what is under ``/v1beta/batches``. `generate` answers the requests."""

    def __init__(
        self, service: Service, files: Files, batches: BatchStore, generate: PracticeEndpoint[GenerateRequest]
    ) -> None:
        self._service = service
        self._files = files
        self._batches = batches
        self._generate = generate
        self.create = self._endpoint(self._create)
        self.list = self._endpoint(
            lambda call: json_answer(gemini_page([*map(self._operation, batches.all())], call.query, "operations"))
        )
        self.get = self._endpoint(lambda call: json_answer(self._operation(batches.get(call.parts["id"]))))
        self.cancel = self._endpoint(self._cancel)
        self.delete = self._endpoint(self._delete)

    def _endpoint(self, answer: Callable[[EndpointCall], EndpointResponse]) -> PracticeEndpoint[Any]:
        return plain_endpoint("batchGenerateContent", GEMINI, answer)

    def _create(self, call: EndpointCall) -> EndpointResponse:
        batch = camel(read.mapping(read.load(call.raw), "batch") or {})
        source = camel(read.mapping(batch, "inputConfig") or {})
        model = call.parts["model"]
        about = {
            "model": f"models/{model}",
            "name": str(batch.get("displayName") or ""),
            "file": source.get("fileName"),
        }
        if about["file"] is not None:
            requests = self._in_file(read.text(source, "fileName"))
        else:
            requests = read.objects(read.mapping(source, "requests") or {}, "requests")
            about["metadata"] = [each.get("metadata") for each in requests]
        if not requests:
            raise BadRequestError("batch.input_config: no requests are given", "batch.input_config")
        lines = [self._line(each, i, model) for i, each in enumerate(requests)]
        return json_answer(self._operation(self._batches.start(lines, about)))

    def _in_file(self, name: str) -> list[dict[str, Any]]:
        data = self._files.get(name.removeprefix("files/")).data
        return [read.load(raw) for raw in data.splitlines() if raw.strip()]

    def _line(self, each: Mapping[str, Any], i: int, model: str) -> BatchInput:
        request = read.mapping(each, "request", f"requests[{i}].")
        if request is None:
            raise BadRequestError("request is missing", f"requests[{i}].request")
        named = str(request.get("model") or model).removeprefix("models/")
        body = {name: value for name, value in request.items() if name != "model"}
        call = EndpointCall(orjson.dumps(body), parts={"model": named})
        return BatchInput(str(each.get("key", i)), lambda: self._service.answer_batch_line(self._generate, call))

    def _cancel(self, call: EndpointCall) -> EndpointResponse:
        self._batches.cancel(call.parts["id"])
        return json_answer({})

    def _delete(self, call: EndpointCall) -> EndpointResponse:
        self._batches.delete(call.parts["id"])
        return json_answer({})

    def _operation(self, batch: StoredBatch) -> dict[str, Any]:
        total = len(batch.lines)
        stats = {
            "requestCount": str(total),
            "pendingRequestCount": str(total - len(batch.results)),
            "successfulRequestCount": str(batch.good),
            "failedRequestCount": str(batch.bad),
        }
        ended = {"endTime": rfc3339(batch.ended)} if batch.ended is not None else {}
        metadata: dict[str, Any] = {
            "@type": _TYPE,
            "name": f"batches/{batch.id}",
            "model": batch.about["model"],
            "displayName": batch.about["name"],
            "state": _STATES[batch.state],
            "createTime": rfc3339(batch.created),
            "updateTime": rfc3339(batch.ended or batch.created),
            "batchStats": {name: count for name, count in stats.items() if count != "0"},
            **ended,
        }
        found: dict[str, Any] = {"name": f"batches/{batch.id}", "metadata": metadata}
        if batch.state.ended:
            found["done"] = True
        if batch.state is State.DONE:
            metadata["output"] = self._output(batch)
            found["response"] = {"@type": f"{_TYPE}Output", **metadata["output"]}
        return found

    def _output(self, batch: StoredBatch) -> dict[str, Any]:
        """The responses in the body, or where requests were in a file, the name of a file of them."""
        if batch.about["file"] is None:
            pairs = zip(batch.results, batch.about["metadata"], strict=True)
            return {"inlinedResponses": {"inlinedResponses": [_response(result, about) for result, about in pairs]}}
        if "written" not in batch.about:
            data = b"".join(_file_line(result) for result in batch.results)
            ended = batch.ended or batch.created
            batch.about["written"] = self._files.add(f"{batch.id}.jsonl", "batch_output", data, ended).id
        return {"responsesFile": f"files/{batch.about['written']}"}


def _response(result: BatchResult, metadata: Any) -> dict[str, Any]:
    return {**_outcome(result), **({"metadata": metadata} if metadata is not None else {})}


def _file_line(result: BatchResult) -> bytes:
    return orjson.dumps({"key": result.key, **_outcome(result)}) + b"\n"


def _outcome(result: BatchResult) -> dict[str, Any]:
    if result.good:
        return {"response": orjson.Fragment(result.body)}
    error = orjson.loads(result.body)["error"]
    return {"error": {"code": error["code"], "message": error["message"]}}
