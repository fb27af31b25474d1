"""`Type`: the base of types that are content parts of a message (images, files, ...), not text.

A value of such a type is written into the text of a message between two markers; `with_content_parts` then cuts the
text at the markers, so that adapters may treat every value as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pydantic

_START, _END = "<<CUSTOM-TYPE-START-IDENTIFIER>>", "<<CUSTOM-TYPE-END-IDENTIFIER>>"
_MARKED = re.compile(f"{_START}(.*?){_END}", re.DOTALL)


class Type(pydantic.BaseModel):
    """Subclass it, and let `format` return OpenAI content parts (a list of dicts), or a string."""

    def format(self) -> list[dict[str, Any]] | str:
        """What the LM is given for this value."""
        raise NotImplementedError

    @classmethod
    def description(cls) -> str:
        """What the LM is told about the type; nothing by default."""
        return ""

    @classmethod
    def extract_custom_type_from_annotation(cls, annotation: Any) -> list[type[Type]]:
        """The subclasses of this class that `annotation` mentions, at any depth."""
        if isinstance(annotation, type) and not get_args(annotation):
            return [annotation] if issubclass(annotation, cls) else []
        return [found for part in get_args(annotation) for found in cls.extract_custom_type_from_annotation(part)]

    @classmethod
    def adapt_to_native_lm_feature(cls, signature: Any, field_name: str, lm: Any, lm_kwargs: dict[str, Any]) -> Any:
        """Ask the LM for this output by a feature of its API: change `lm_kwargs`, and return the signature without it.

        By default there is no such feature, and the signature stays as it is.
        """
        return signature

    @classmethod
    def parse_lm_response(cls, response: str | dict[str, Any]) -> Any:
        """The value of this type that came with an answer beside its text; None by default."""
        return None

    @pydantic.model_serializer()
    def serialize_model(self) -> Any:
        """The text that stands for the value until `with_content_parts`."""
        formatted = self.format()
        if isinstance(formatted, list):
            return f"{_START}{json.dumps(formatted, ensure_ascii=False)}{_END}"
        return formatted


def with_content_parts(message: dict[str, Any]) -> dict[str, Any]:
    """`message`, its text cut into content parts where values of a `Type` stand in it."""
    content = message["content"]
    if not isinstance(content, str) or _START not in content or message["role"] != "user":
        return message
    return {**message, "content": list(_parts(content))}


def _parts(content: str) -> Iterator[dict[str, Any]]:
    end = 0
    for marked in _MARKED.finditer(content):
        if marked.start() > end:
            yield {"type": "text", "text": content[end : marked.start()]}
        yield from _between_markers(marked[1].strip())
        end = marked.end()
    if end < len(content):
        yield {"type": "text", "text": content[end:]}


def _between_markers(payload: str) -> list[dict[str, Any]]:
    """The parts that were written; inside another value's JSON they were escaped once more."""
    for read in (json.loads, lambda text: json.loads(json.loads(f'"{text}"'))):
        try:
            parts = read(payload)
        except ValueError:
            continue
        if isinstance(parts, list):
            return [part if isinstance(part, dict) else {"type": "text", "text": str(part)} for part in parts]
    return [{"type": "text", "text": payload}]
