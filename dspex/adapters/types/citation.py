"""`Citations`: which passages of the given documents an answer rests on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pydantic

from dspex.adapters.types.base_type import Type

logger = logging.getLogger(__name__)


class Citations(Type):
    """The citations of an answer, in order. As an output field, Anthropic's API delivers them; other LMs write them.

    Read it as a list: ``for citation in result.citations: ...``. See `Document` for what can be cited.
    """

    class Citation(Type):
        """One passage, by its place in a document. Indices are of characters, the end is the first after it."""

        type: str = "char_location"
        cited_text: str
        document_index: int
        document_title: str | None = None
        start_char_index: int
        end_char_index: int
        supported_text: str | None = None

        def format(self) -> dict[str, Any]:  # type: ignore[override]
            """The citation as Anthropic's API writes it."""
            keys = ("type", "cited_text", "document_index", "start_char_index", "end_char_index")
            context = {key: getattr(self, key) for key in ("document_title", "supported_text") if getattr(self, key)}
            return {**{key: getattr(self, key) for key in keys}, **context}

    citations: list[Citation]

    @classmethod
    def from_dict_list(cls, citations_dicts: list[dict[str, Any]]) -> Citations:
        """Make citations of dicts."""
        return cls(citations=[cls.Citation(**citation) for citation in citations_dicts])

    @classmethod
    def description(cls) -> str:
        """How prompts describe the type."""
        return (
            "Citations with quoted text and source references. "
            "Include the exact text being cited and information about its source."
        )

    def format(self) -> list[dict[str, Any]]:
        """The citations as dicts."""
        return [citation.format() for citation in self.citations]

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Accept a dict with `citations`, a list of citations, or one citation."""
        if isinstance(data, cls):
            return data
        if isinstance(data, dict) and isinstance(data.get("citations"), list):
            return {"citations": [cls.Citation(**one) if isinstance(one, dict) else one for one in data["citations"]]}
        if isinstance(data, dict) and "cited_text" in data and "citations" not in data:
            return {"citations": [cls.Citation(**data)]}
        if isinstance(data, list) and all(isinstance(one, dict) and "cited_text" in one for one in data):
            return {"citations": [cls.Citation(**one) for one in data]}
        raise ValueError(f"Received invalid value for `Citations`: {data}. Give a list of dicts with `cited_text`.")

    def __iter__(self) -> Iterator[Citation]:  # type: ignore[override]
        return iter(self.citations)

    def __len__(self) -> int:
        return len(self.citations)

    def __getitem__(self, index: Any) -> Any:
        return self.citations[index]

    @classmethod
    def adapt_to_native_lm_feature(cls, signature: Any, field_name: str, lm: Any, lm_kwargs: dict[str, Any]) -> Any:
        """Leave citing to Anthropic's API, which cites documents on its own."""
        return signature.delete(field_name) if lm.model.startswith("anthropic/") else signature

    @classmethod
    def parse_lm_response(cls, response: str | dict[str, Any]) -> Citations | None:
        """Read the citations that came beside an answer, if any; those that are not of characters are left out."""
        given = response.get("citations") if isinstance(response, dict) else None
        if not isinstance(given, list):
            return None
        return cls(citations=[citation for one in given if (citation := cls._read(one)) is not None])

    @classmethod
    def is_streamable(cls) -> bool:
        """It is: one citation after the other."""
        return True

    @classmethod
    def parse_stream_chunk(cls, chunk: Any) -> Citations | None:
        """Read the citation in a chunk, if any."""
        choices = getattr(chunk, "choices", None)
        beside = getattr(choices[0].delta, "provider_specific_fields", None) if choices else None
        citation = cls._read(beside["citation"]) if isinstance(beside, dict) and beside.get("citation") else None
        return None if citation is None else cls(citations=[citation])

    @classmethod
    def _read(cls, given: Any) -> Citation | None:
        if isinstance(given, cls.Citation):
            return given
        try:
            return cls.Citation(**given)
        except (pydantic.ValidationError, TypeError) as error:
            logger.warning("A citation was left out, since it is not one of characters: %s", error)
            return None
