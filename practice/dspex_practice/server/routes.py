"""Which endpoint a path means. Versions in front (``/v1``, ``/v1beta``) may be there, be repeated or be left out.

So a client finds its endpoints at the printed address, whether its provider's base URL has a version or not. Paths that
providers share (``/models``, ``/files``, ``/batches``) are told apart by the version and by headers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from dspex_practice.anthropic.batches import AnthropicBatches
from dspex_practice.anthropic.dialect import ANTHROPIC
from dspex_practice.api.batches import BatchStore
from dspex_practice.api.dialect import FormatDialect
from dspex_practice.api.endpoint import PracticeEndpoint
from dspex_practice.api.files import Files
from dspex_practice.api.prompt_cache import PromptCache
from dspex_practice.api.service import Service
from dspex_practice.gemini.batches import GeminiBatches
from dspex_practice.gemini.dialect import GEMINI
from dspex_practice.gemini.files import GeminiFiles
from dspex_practice.model.errors import Reason, RefusedError
from dspex_practice.openai.batches import OpenAIBatches
from dspex_practice.openai.dialect import OPENAI
from dspex_practice.openai.files import OpenAIFiles
from dspex_practice.openai.finetuning import FineTuning
from dspex_practice.server.embedding_endpoints import embed_content, embeddings, gemini_tokens
from dspex_practice.server.model_lists import anthropic_models, gemini_models, openai_models
from dspex_practice.server.text_endpoints import (
    chat,
    completions,
    generate,
    message_tokens,
    messages,
    responses,
    stream_generate,
)

Table = dict[str, dict[str, PracticeEndpoint[Any]]]
"""By path, by method."""

_VERSION = re.compile(r"^((?:/v1(?:beta|alpha)?\d*)+)(?=/)")
_GOOGLE = ("x-goog-api-key", "x-goog-api-client", "x-goog-upload-command")
_UPLOAD = re.compile(r"^/upload/v1[a-z]*/")
_FAMILIES: dict[str, FormatDialect] = {"openai": OPENAI, "anthropic": ANTHROPIC, "gemini": GEMINI}


class Routes:
    """All endpoints of one server. `now` gives the time of day."""

    def __init__(self, service: Service, now: Callable[[], float]) -> None:
        openai = _openai(service, now)
        anthropic = _anthropic(service, now)
        gemini = _gemini(service, now)
        generating = {path: methods for path, methods in gemini.items() if path.startswith("/models/{model}:")}
        self._families = {
            "openai": _PathTable({**generating, **openai, **{p: m for p, m in anthropic.items() if "/messages" in p}}),
            "anthropic": _PathTable({**openai, **anthropic}),
            "gemini": _PathTable(gemini),
        }

    def family(self, path: str, headers: Mapping[str, str]) -> tuple[str, str]:
        """Whose path it is, and the path without its version."""
        match = _VERSION.match(path)
        version = match[1] if match else ""
        if "beta" in version or "alpha" in version or any(name in headers for name in _GOOGLE):
            return "gemini", _UPLOAD.sub("/upload/", path[len(version) :])
        return ("anthropic" if "anthropic-version" in headers else "openai"), path[len(version) :]

    def find(self, method: str, family: str, path: str) -> tuple[PracticeEndpoint[Any], Mapping[str, str]]:
        """The endpoint, and what the path names.

        Raises:
            RefusedError: if there is none.
        """
        methods, parts = self._families[family].find(path)
        if methods is None:
            raise RefusedError(Reason.NO_PATH, f"Unknown URL: {method} {path}")
        if method not in methods:
            raise RefusedError(Reason.NO_METHOD, f"{path} takes {', '.join(methods)}.")
        return methods[method], parts


def dialect(family: str, path: str) -> FormatDialect:
    """The provider in whose format to refuse a path."""
    return ANTHROPIC if path.startswith("/messages") else _FAMILIES[family]


class _PathTable:
    """Paths as they stand first, then those with names in them."""

    def __init__(self, table: Table) -> None:
        self._exact = {path: methods for path, methods in table.items() if "{" not in path}
        self._named = [(_pattern(path), methods) for path, methods in table.items() if "{" in path]

    def find(self, path: str) -> tuple[Mapping[str, PracticeEndpoint[Any]] | None, Mapping[str, str]]:
        """The endpoints of a path by method (None if there is no such path), and the names in the path."""
        if (methods := self._exact.get(path)) is not None:
            return methods, {}
        for pattern, methods in self._named:
            if match := pattern.fullmatch(path):
                return methods, match.groupdict()
        return None, {}


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+?)", re.escape(path)))


def _openai(service: Service, now: Callable[[], float]) -> Table:
    options, practice_model = service.options, service.practice_model
    text_endpoints: dict[str, PracticeEndpoint[Any]] = {
        "/v1/chat/completions": chat(practice_model, options.chunk_chars),
        "/v1/completions": completions(practice_model, options.chunk_chars),
        "/v1/responses": responses(practice_model, options.chunk_chars),
        "/v1/embeddings": embeddings(),
    }
    files = Files("file-")
    file_endpoints = OpenAIFiles(files, now)
    batches = OpenAIBatches(service, files, BatchStore("batch_", options.batch_seconds, now), text_endpoints)
    jobs = FineTuning(practice_model, files, options.tuning_seconds, now)
    models, model = openai_models(practice_model)
    return {
        **{path.removeprefix("/v1"): {"POST": endpoint} for path, endpoint in text_endpoints.items()},
        "/models": {"GET": models},
        "/models/{model}": {"GET": model},
        "/files": {"POST": file_endpoints.create, "GET": file_endpoints.list},
        "/files/{id}": {"GET": file_endpoints.get, "DELETE": file_endpoints.delete},
        "/files/{id}/content": {"GET": file_endpoints.content},
        "/batches": {"POST": batches.create, "GET": batches.list},
        "/batches/{id}": {"GET": batches.get},
        "/batches/{id}/cancel": {"POST": batches.cancel},
        "/fine_tuning/jobs": {"POST": jobs.create, "GET": jobs.list},
        "/fine_tuning/jobs/{id}": {"GET": jobs.get},
        "/fine_tuning/jobs/{id}/events": {"GET": jobs.events},
        "/fine_tuning/jobs/{id}/cancel": {"POST": jobs.cancel},
    }


def _anthropic(service: Service, now: Callable[[], float]) -> Table:
    options, practice_model = service.options, service.practice_model
    cache = PromptCache(options.cache_min_tokens, service.clock)
    each = messages(practice_model, options.chunk_chars, cache, tier="batch")
    batches = AnthropicBatches(service, BatchStore("msgbatch_", options.batch_seconds, now), each)
    models, model = anthropic_models(practice_model)
    return {
        "/messages": {"POST": messages(practice_model, options.chunk_chars, cache)},
        "/messages/count_tokens": {"POST": message_tokens()},
        "/messages/batches": {"POST": batches.create, "GET": batches.list},
        "/messages/batches/{id}": {"GET": batches.get, "DELETE": batches.delete},
        "/messages/batches/{id}/cancel": {"POST": batches.cancel},
        "/messages/batches/{id}/results": {"GET": batches.results},
        "/models": {"GET": models},
        "/models/{model}": {"GET": model},
    }


def _gemini(service: Service, now: Callable[[], float]) -> Table:
    options, practice_model = service.options, service.practice_model
    files = Files("practice-")
    file_endpoints = GeminiFiles(files, now)
    generating = generate(practice_model)
    batches = GeminiBatches(service, files, BatchStore("practice-", options.batch_seconds, now), generating)
    models, model = gemini_models(practice_model)
    return {
        "/models/{model}:generateContent": {"POST": generating},
        "/models/{model}:streamGenerateContent": {"POST": stream_generate(practice_model, options.chunk_chars)},
        "/models/{model}:countTokens": {"POST": gemini_tokens()},
        "/models/{model}:embedContent": {"POST": embed_content(several=False)},
        "/models/{model}:batchEmbedContents": {"POST": embed_content(several=True)},
        "/models/{model}:batchGenerateContent": {"POST": batches.create},
        "/batches": {"GET": batches.list},
        "/batches/{id}:cancel": {"POST": batches.cancel},
        "/batches/{id}:delete": {"POST": batches.delete},
        "/batches/{id}": {"GET": batches.get, "DELETE": batches.delete},
        "/models": {"GET": models},
        "/models/{model}": {"GET": model},
        "/upload/files": {"POST": file_endpoints.start},
        "/upload/files/{id}": {"POST": file_endpoints.upload, "PUT": file_endpoints.upload},
        "/files": {"GET": file_endpoints.list},
        "/files/{id}:download": {"GET": file_endpoints.download},
        "/files/{id}": {"GET": file_endpoints.get, "DELETE": file_endpoints.delete},
    }
