"""OpenAI's batches: a file of requests in, a file of answers and one of errors out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from dspex_practice.api import body as read
from dspex_practice.api.batches import BatchInput, BatchResult, BatchStore, State, StoredBatch
from dspex_practice.api.endpoint import EndpointCall, EndpointResponse, PracticeEndpoint, json_answer, plain_endpoint
from dspex_practice.api.files import Files
from dspex_practice.api.paging import openai_page
from dspex_practice.api.service import Service
from dspex_practice.model.errors import BadRequestError
from dspex_practice.openai.dialect import OPENAI

_WINDOW = "24h"
_DAY = 86_400
_MOST_LINES = 50_000
_STATES = {
    State.NEW: "validating",
    State.RUNNING: "in_progress",
    State.CANCELLING: "cancelling",
    State.CANCELLED: "cancelled",
    State.DONE: "completed",
    State.FAILED: "failed",
}


class OpenAIBatches:
    """The endpoints under ``/v1/batches``. `endpoints` answer the lines, by path."""

    def __init__(
        self, service: Service, files: Files, batches: BatchStore, endpoints: Mapping[str, PracticeEndpoint[Any]]
    ) -> None:
        self._service = service
        self._files = files
        self._batches = batches
        self._endpoints = endpoints
        self.create = self._endpoint(self._create)
        self.list = self._endpoint(
            lambda call: json_answer(openai_page([*map(self._object, batches.all())], call.query))
        )
        self.get = self._endpoint(lambda call: json_answer(self._object(batches.get(call.parts["id"]))))
        self.cancel = self._endpoint(lambda call: json_answer(self._object(batches.cancel(call.parts["id"]))))

    def _endpoint(self, answer: Callable[[EndpointCall], EndpointResponse]) -> PracticeEndpoint[Any]:
        return plain_endpoint("batches", OPENAI, answer)

    def _create(self, call: EndpointCall) -> EndpointResponse:
        body = read.load(call.raw)
        path = read.text(body, "endpoint")
        if path not in self._endpoints:
            raise BadRequestError(f"endpoint must be one of {', '.join(self._endpoints)}.", "endpoint")
        if body.get("completion_window") != _WINDOW:
            raise BadRequestError(f"completion_window must be {_WINDOW}.", "completion_window")
        file = self._files.get(read.text(body, "input_file_id"))
        if file.purpose != "batch":
            raise BadRequestError(f"File {file.id} has purpose {file.purpose!r}, not 'batch'.", "input_file_id")
        lines, problems = self._lines(file.data, path)
        about = {"endpoint": path, "input": file.id, "metadata": read.mapping(body, "metadata")}
        return json_answer(self._object(self._batches.start(lines, about, problems)))

    def _lines(self, data: bytes, path: str) -> tuple[list[BatchInput], list[dict[str, Any]]]:
        lines: dict[str, BatchInput] = {}
        problems: list[dict[str, Any]] = []
        for number, raw in enumerate(data.splitlines(), 1):
            if not raw.strip():
                continue
            try:
                line = self._line(read.load(raw), path)
                if line.key in lines:
                    raise BadRequestError(f"The custom_id for this request is a duplicate: {line.key}", "custom_id")
                lines[line.key] = line
            except BadRequestError as error:
                code = f"invalid_{error.param}" if error.param else "invalid_json_line"
                problems.append({"code": code, "message": str(error), "param": error.param, "line": number})
        if not 1 <= len(lines) <= _MOST_LINES and not problems:
            message = f"The input file has {len(lines)} requests, but 1 to {_MOST_LINES} are allowed."
            problems.append({"code": "invalid_file", "message": message, "param": None, "line": None})
        return list(lines.values()), problems

    def _line(self, line: Mapping[str, Any], path: str) -> BatchInput:
        key = read.text(line, "custom_id")
        if line.get("url") != path:
            raise BadRequestError(f"The URL provided for this request does not match the batch endpoint {path}.", "url")
        if line.get("method") != "POST":
            raise BadRequestError("The method must be POST.", "method")
        body = read.mapping(line, "body")
        if body is None:
            raise BadRequestError("body is missing.", "body")
        call = EndpointCall(orjson.dumps(body), path=path)
        return BatchInput(key, lambda: self._service.answer_batch_line(self._endpoints[path], call))

    def _object(self, batch: StoredBatch) -> dict[str, Any]:
        created, ended = int(batch.created), int(batch.ended) if batch.ended is not None else None
        output, errors = self._written(batch)
        failed = {"object": "list", "data": batch.problems} if batch.problems and batch.state.ended else None
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.about["endpoint"],
            "errors": failed,
            "input_file_id": batch.about["input"],
            "completion_window": _WINDOW,
            "status": _STATES[batch.state],
            "output_file_id": output,
            "error_file_id": errors,
            "created_at": created,
            "in_progress_at": None if batch.state is State.NEW else created,
            "expires_at": created + _DAY,
            "finalizing_at": ended if batch.state is State.DONE else None,
            "completed_at": ended if batch.state is State.DONE else None,
            "failed_at": ended if batch.state is State.FAILED else None,
            "expired_at": None,
            "cancelling_at": int(batch.cancel_asked) if batch.cancel_asked is not None else None,
            "cancelled_at": ended if batch.state is State.CANCELLED else None,
            "request_counts": {"total": len(batch.lines), "completed": batch.good, "failed": batch.bad},
            "metadata": batch.about["metadata"],
        }

    def _written(self, batch: StoredBatch) -> tuple[str | None, str | None]:
        """The ids of the files of an ended batch, which are written when they are first asked for."""
        if not batch.state.ended:
            return None, None
        if "written" not in batch.about:
            good = b"".join(_result(batch, result) for result in batch.results if result.good)
            bad = b"".join(_result(batch, result) for result in batch.results if not result.good)
            batch.about["written"] = self._write(batch, "output", good), self._write(batch, "error", bad)
        written: tuple[str | None, str | None] = batch.about["written"]
        return written

    def _write(self, batch: StoredBatch, kind: str, data: bytes) -> str | None:
        if not data:
            return None
        return self._files.add(f"{batch.id}_{kind}.jsonl", "batch_output", data, batch.ended or batch.created).id


def _result(batch: StoredBatch, result: BatchResult) -> bytes:
    response = {
        "status_code": result.status,
        "request_id": f"req_practice_{result.key}",
        "body": orjson.Fragment(result.body),
    }
    line = {"id": f"batch_req_{batch.id}_{result.key}", "custom_id": result.key, "response": response, "error": None}
    return orjson.dumps(line) + b"\n"
