"""The parts of a form that was sent as ``multipart/form-data``, read by aiohttp's parser."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import BodyPartReader, MultipartReader, StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.hdrs import CONTENT_TYPE

from dspex_practice.model.errors import BadRequestError


@dataclass(frozen=True, slots=True)
class FormPart:
    """A field of a form. `filename` is None for a plain value."""

    name: str
    data: bytes
    filename: str | None = None
    content_type: str = ""


async def read_parts(raw: bytes, content_type: str) -> dict[str, FormPart]:
    """The parts of the form `raw`, by name.

    Args:
        raw: The body of the request.
        content_type: Its content type, with the boundary.

    Raises:
        BadRequestError: the form is broken.
    """
    loop = asyncio.get_running_loop()
    stream = StreamReader(BaseProtocol(loop), limit=2**16, loop=loop)
    stream.feed_data(raw)
    stream.feed_eof()
    parts: dict[str, FormPart] = {}
    try:
        async for part in MultipartReader({CONTENT_TYPE: content_type}, stream):
            if isinstance(part, BodyPartReader) and part.name is not None:
                data = bytes(await part.read(decode=False))
                parts[part.name] = FormPart(part.name, data, part.filename, part.headers.get(CONTENT_TYPE, ""))
    except (ValueError, AssertionError) as error:
        raise BadRequestError(f"The form cannot be read: {error}") from error
    return parts
