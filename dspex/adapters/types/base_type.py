"""`Type`: the base of types that an LM is given as content parts of a message (images, files, ...), or in its own way.

A value of such a type is written into the text of a message between two markers; `with_content_parts` then cuts the
text at the markers, so that adapters may treat every value as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pydantic

CUSTOM_TYPE_START_IDENTIFIER = "<<CUSTOM-TYPE-START-IDENTIFIER>>"
CUSTOM_TYPE_END_IDENTIFIER = "<<CUSTOM-TYPE-END-IDENTIFIER>>"
_MARKED = re.compile(f"{CUSTOM_TYPE_START_IDENTIFIER}(.*?){CUSTOM_TYPE_END_IDENTIFIER}", re.DOTALL)
_MOST_ESCAPES = 4  # how often JSON inside JSON inside JSON ... is unpacked


class Type(pydantic.BaseModel):
    """Subclass it, and let `format` return OpenAI content parts (a list of dicts), or a string."""

    def format(self) -> list[dict[str, Any]] | str:
        """What the LM is given for this value."""
        raise NotImplementedError

    @classmethod
    def description(cls) -> str:
        """How prompts describe the type; nothing by default."""
        return ""

    @classmethod
    def extract_custom_type_from_annotation(cls, annotation: Any) -> list[type[Type]]:
        """Find the subclasses of this class that `annotation` mentions, at any depth."""
        if isinstance(annotation, type) and not get_args(annotation):
            return [annotation] if issubclass(annotation, cls) else []
        return [found for part in get_args(annotation) for found in cls.extract_custom_type_from_annotation(part)]

    @classmethod
    def adapt_to_native_lm_feature(cls, signature: Any, field_name: str, lm: Any, lm_kwargs: dict[str, Any]) -> Any:
        """Ask the LM for this output by a feature of its API instead of the prompt, if it has one.

        By default there is no such feature, and the signature stays as it is.

        Args:
            signature: The signature that is asked.
            field_name: The output field of this type.
            lm: The LM that is asked.
            lm_kwargs: The request parameters; changed in place.

        Returns:
            The signature to write the prompt for: without the field, where the API takes care of it.
        """
        return signature

    @classmethod
    def parse_lm_response(cls, response: str | dict[str, Any]) -> Any:
        """Read the value of this type that came with an answer beside its text; None by default."""
        return None

    @classmethod
    def is_streamable(cls) -> bool:
        """Whether `parse_stream_chunk` finds values of this type in the chunks of an answer."""
        return False

    @classmethod
    def parse_stream_chunk(cls, chunk: Any) -> Any:
        """Read the value, or the part of one, that a chunk of an answer brings beside its text; None by default."""
        return None

    @pydantic.model_serializer()
    def serialize_model(self) -> Any:
        """The text that stands for the value until `with_content_parts`."""
        formatted = self.format()
        if isinstance(formatted, list):
            written = json.dumps(formatted, ensure_ascii=False)
            return f"{CUSTOM_TYPE_START_IDENTIFIER}{written}{CUSTOM_TYPE_END_IDENTIFIER}"
        return formatted

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """The schema; without the docstring of a type of ours, which tells programmers about it, not LMs."""
        schema: dict[str, Any] = handler(core_schema)
        if cls.__module__.startswith(__name__.rpartition(".")[0]):
            handler.resolve_ref_schema(schema).pop("description", None)
        return schema


def with_content_parts(message: dict[str, Any]) -> dict[str, Any]:
    """`message`, its text cut into content parts where values of a `Type` stand in it."""
    content = message["content"]
    if message["role"] != "user" or not isinstance(content, str) or CUSTOM_TYPE_START_IDENTIFIER not in content:
        return message
    return {**message, "content": list(_parts(content))}


def split_message_content_for_custom_types(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`messages` themselves, each user message's text cut into content parts where values of a `Type` stand in it."""
    for message in messages:
        if isinstance(message["content"], str) and _MARKED.search(message["content"]):
            message["content"] = with_content_parts(message)["content"]
    return messages


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
    """The parts that were written; inside another value's JSON they were escaped once more for every level."""
    text = payload
    for _ in range(_MOST_ESCAPES):
        try:
            parts = json.loads(text)
        except ValueError:
            try:
                text = json.loads(f'"{text}"')
            except ValueError:
                break
            continue
        if isinstance(parts, list):
            return [part if isinstance(part, dict) else {"type": "text", "text": str(part)} for part in parts]
        break
    return [{"type": "text", "text": payload}]
