"""A piece of an answer that is coming in, in the shape of OpenAI's ``chat.completion.chunk``."""

from __future__ import annotations

from typing import Any

import orjson

from dspex.clients.canonical.answer import Answer


class StreamChunk(Answer):
    """A chunk whose keys are attributes too: ``chunk.choices[0].delta.content``.

    What a delta lacks is None there, as in the SDKs' and litellm's chunks.
    """

    predict_id: int | None = None
    """The `id` of the predictor that is being answered, None for an LM called directly."""

    def json(self) -> str:
        """Return the chunk as JSON."""
        return orjson.dumps(self).decode()

    def model_dump(self, **_: Any) -> dict[str, Any]:
        """Return the chunk as plain dicts. Options of pydantic's method have no effect: nothing could be left out."""
        plain: dict[str, Any] = orjson.loads(orjson.dumps(self))
        return plain
