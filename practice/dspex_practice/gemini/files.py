"""Gemini's files: resumable uploads, downloads, lists."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import orjson

from dspex_practice.api import body as read
from dspex_practice.api.clock import rfc3339
from dspex_practice.api.endpoint import EndpointCall, EndpointResponse, PracticeEndpoint, json_answer, plain_endpoint
from dspex_practice.api.files import Files, StoredFile
from dspex_practice.api.paging import gemini_page
from dspex_practice.gemini.dialect import GEMINI
from dspex_practice.gemini.names import camel
from dspex_practice.model.errors import BadRequestError, Reason, RefusedError

_COMMAND = "X-Goog-Upload-Command"
_STATUS = "X-Goog-Upload-Status"


class GeminiFiles:
    """``/upload/v1beta/files`` and the endpoints under ``/v1beta/files``."""

    def __init__(self, files: Files, now: Callable[[], float]) -> None:
        self._files = files
        self._now = now
        self._uploads: dict[str, tuple[str, str, bytearray]] = {}
        """Those that are not finished: name, type and what has come."""
        self.start = self._endpoint(self._start)
        self.upload = self._endpoint(self._upload)
        self.list = self._endpoint(
            lambda call: json_answer(gemini_page([*map(_object, files.all())], call.query, "files"))
        )
        self.get = self._endpoint(lambda call: json_answer(_object(files.get(call.parts["id"]))))
        self.download = self._endpoint(self._download)
        self.delete = self._endpoint(self._delete)

    def _endpoint(self, answer: Callable[[EndpointCall], EndpointResponse]) -> PracticeEndpoint[Any]:
        return plain_endpoint("files", GEMINI, answer)

    def _start(self, call: EndpointCall) -> EndpointResponse:
        if call.headers.get("X-Goog-Upload-Protocol") != "resumable" or call.headers.get(_COMMAND) != "start":
            raise BadRequestError("Only resumable uploads are taken here.")
        about = camel(read.mapping(read.load(call.raw), "file") or {}) if call.raw else {}
        content_type = call.headers.get("X-Goog-Upload-Header-Content-Type", "application/octet-stream")
        key = f"{len(self._uploads)}{sha256(call.raw).hexdigest()[:16]}"
        self._uploads[key] = (str(about.get("displayName") or ""), content_type, bytearray())
        url = f"{call.origin}/upload/v1beta/files/{key}"
        return EndpointResponse(b"{}", headers={"X-Goog-Upload-URL": url, _STATUS: "active"})

    def _upload(self, call: EndpointCall) -> EndpointResponse:
        key = call.parts["id"]
        if key not in self._uploads:
            raise RefusedError(Reason.NO_SUCH, "There is no such upload.")
        name, content_type, data = self._uploads[key]
        if int(call.headers.get("X-Goog-Upload-Offset", "0")) != len(data):
            raise BadRequestError(f"The upload has come to {len(data)} bytes.")
        data += call.raw
        if "finalize" not in call.headers.get(_COMMAND, ""):
            return EndpointResponse(b"", headers={_STATUS: "active"})
        del self._uploads[key]
        kept = self._files.add(name, "upload", bytes(data), self._now(), content_type)
        return EndpointResponse(orjson.dumps({"file": _object(kept)}), headers={_STATUS: "final"})

    def _download(self, call: EndpointCall) -> EndpointResponse:
        return EndpointResponse(self._files.get(call.parts["id"]).data, content_type="application/octet-stream")

    def _delete(self, call: EndpointCall) -> EndpointResponse:
        self._files.delete(call.parts["id"])
        return json_answer({})


def _object(file: StoredFile) -> dict[str, Any]:
    made = {"downloadUri": f"files/{file.id}:download"} if file.purpose == "batch_output" else {}
    return {
        "name": f"files/{file.id}",
        "displayName": file.name,
        "mimeType": file.content_type,
        "sizeBytes": str(len(file.data)),
        "createTime": rfc3339(file.created),
        "updateTime": rfc3339(file.created),
        "sha256Hash": sha256(file.data).hexdigest(),
        "uri": f"files/{file.id}",
        "state": "ACTIVE",
        "source": "GENERATED" if made else "UPLOADED",
        **made,
    }
