"""`Code`: program text, in a language that the type names: ``Code["java"]``."""

from __future__ import annotations

import re
from functools import lru_cache, reduce
from typing import Any, ClassVar

import pydantic

from dspex.adapters.types.base_type import Type

_BLOCKS = (re.compile(r"```[^\n]*\n(.*?)```", re.DOTALL), re.compile(r"```(.*?)```", re.DOTALL))


class Code(Type):
    """Program text, as an input or an output; ``Code`` alone is Python. `code` is without a model's Markdown fences."""

    code: str

    language: ClassVar[str] = "python"
    _made_of: ClassVar[tuple[type[Code], tuple[str, ...]] | None] = None

    def __class_getitem__(cls, language: str) -> type[Code]:  # type: ignore[override]
        """The type of code in `language`, always the same class."""
        return _code_in(cls, language)

    def __reduce__(self) -> Any:
        """Pickle a value of a type that has no name in any module by how that type is made."""
        made_of = vars(type(self)).get("_made_of")
        return (_unpickled, (*made_of, self.code)) if made_of else super().__reduce__()

    def format(self) -> str:
        """The code."""
        return self.code

    @classmethod
    def description(cls) -> str:
        """How prompts describe the type."""
        return (
            "Code represented in a string, specified in the `code` field. If this is an output field, the code "
            f"field should follow the markdown code block format, e.g. \n```{cls.language.lower()}\n{{code}}\n```"
            f"\nProgramming language: {cls.language}"
        )

    @pydantic.model_validator(mode="before")
    @classmethod
    def validate_input(cls, data: Any) -> Any:
        """Accept a text, or a dict with `code`; of a text with Markdown blocks of code, the first block."""
        if isinstance(data, cls):
            return data
        if isinstance(data, str):
            return {"code": _unfenced(data)}
        if not isinstance(data, dict):
            raise ValueError(f"Received invalid value for `dspex.Code`: {data}. Give the code as a text.")
        if "code" not in data:
            raise ValueError("`code` field is required for `dspex.Code`")
        if not isinstance(data["code"], str):
            raise ValueError(f"`code` field must be a string, but received type: {type(data['code'])}")
        return {"code": _unfenced(data["code"])}


@lru_cache(maxsize=256)
def _code_in(base: type[Code], language: str) -> type[Code]:
    typed = pydantic.create_model(f"{base.__name__}_{language}", __base__=base)
    root, languages = vars(base).get("_made_of") or (base, ())
    typed.language, typed._made_of = language, (root, (*languages, language))
    return typed


def _unpickled(root: type[Code], languages: tuple[str, ...], code: str) -> Code:
    return reduce(_code_in, languages, root).model_construct(code=code)


def _unfenced(text: str) -> str:
    """The code in the first Markdown block, or all of `text` where there is none."""
    for block in _BLOCKS:
        if found := block.search(text):
            return found[1].strip()
    return text
