"""OpenAI's files: uploaded, listed, read, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dspex_practice.api.endpoint import EndpointCall, EndpointResponse, PracticeEndpoint, json_answer, plain_endpoint
from dspex_practice.api.files import Files, StoredFile
from dspex_practice.api.paging import openai_page
from dspex_practice.model.errors import BadRequestError
from dspex_practice.openai.dialect import OPENAI


class OpenAIFiles:
    """The endpoints under ``/v1/files``. `now` gives the time of day."""

    def __init__(self, files: Files, now: Callable[[], float]) -> None:
        self._files = files
        self._now = now
        self.create = self._endpoint(self._create)
        self.list = self._endpoint(self._list)
        self.get = self._endpoint(lambda call: json_answer(file_object(files.get(call.parts["id"]))))
        self.content = self._endpoint(self._content)
        self.delete = self._endpoint(self._delete)

    def _endpoint(self, answer: Callable[[EndpointCall], EndpointResponse]) -> PracticeEndpoint[Any]:
        return plain_endpoint("files", OPENAI, answer)

    def _create(self, call: EndpointCall) -> EndpointResponse:
        parts = call.form
        if parts is None:
            raise BadRequestError("The request must be multipart/form-data.")
        if "file" not in parts:
            raise BadRequestError("'file' is a required property", "file")
        if "purpose" not in parts:
            raise BadRequestError("'purpose' is a required property", "purpose")
        file, purpose = parts["file"], parts["purpose"].data.decode("utf-8", "replace")
        return json_answer(file_object(self._files.add(file.filename or "file", purpose, file.data, self._now())))

    def _list(self, call: EndpointCall) -> EndpointResponse:
        purpose = call.query.get("purpose")
        found = [file_object(file) for file in self._files.all() if purpose in (None, file.purpose)]
        return json_answer(openai_page(found, call.query, 10_000))

    def _content(self, call: EndpointCall) -> EndpointResponse:
        return EndpointResponse(self._files.get(call.parts["id"]).data, content_type="application/octet-stream")

    def _delete(self, call: EndpointCall) -> EndpointResponse:
        self._files.delete(call.parts["id"])
        return json_answer({"id": call.parts["id"], "object": "file", "deleted": True})


def file_object(file: StoredFile) -> dict[str, Any]:
    """A file as the API shows it."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": len(file.data),
        "created_at": int(file.created),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
    }
