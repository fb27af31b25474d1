"""`Document`: a text or PDF that an answer may cite."""

from __future__ import annotations

from typing import Any, Literal

import pydantic

from dspex.adapters.types.base_type import Type


class Document(Type):
    """A document to be cited; see `Citations`.

    Attributes:
        data: the text, or a PDF in base64.
        title: named in citations.
        media_type: what `data` is.
        context: what else the LM should know of it; it cannot be cited.
    """

    data: str
    title: str | None = None
    media_type: Literal["text/plain", "application/pdf"] = "text/plain"
    context: str | None = None

    def format(self) -> list[dict[str, Any]]:
        """A content part in Anthropic's format."""
        kind = "base64" if self.media_type == "application/pdf" else "text"
        described = {key: getattr(self, key) for key in ("title", "context") if getattr(self, key)}
        source = {"type": kind, "media_type": self.media_type, "data": self.data}
        return [{"type": "document", "source": source, "citations": {"enabled": True}, **described}]

    @classmethod
    def description(cls) -> str:
        """How prompts describe the type."""
        return (
            "A document containing text content that can be referenced and cited. "
            "Include the full text content and optionally a title for proper referencing."
        )

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Accept a text, or a dict of the attributes."""
        if isinstance(data, str):
            return {"data": data}
        if isinstance(data, cls | dict):
            return data
        raise ValueError(f"Received invalid value for `Document`: {data}. Give a text, or a dict with `data`.")

    def __str__(self) -> str:
        title = f"'{self.title}': " if self.title else ""
        return f"Document({title}{len(self.data)} chars)"
