"""What the prompt of a model that works in an interpreter shows: its variables, and its code and outputs so far."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic import ConfigDict, Field

from dspex.adapters.formatting import jsonable

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = ["REPLEntry", "REPLHistory", "REPLVariable"]


class REPLVariable(pydantic.BaseModel):
    """What a variable of the interpreter holds, in few words. In prompts and JSON it is the text of `format`."""

    model_config = ConfigDict(frozen=True)

    name: str
    type_name: str
    desc: str = ""
    constraints: str = ""
    total_length: int
    preview: str

    @classmethod
    def from_value(
        cls, name: str, value: Any, field_info: FieldInfo | None = None, preview_chars: int = 1000
    ) -> REPLVariable:
        """Describe a value for the model, with its beginning and end when it is long.

        Args:
            name: The variable that holds it.
            value: The value.
            field_info: The signature's field, whose description and constraints are shown, too.
            preview_chars: The most characters of the value to show.
        """
        plain = jsonable(value)
        text = json.dumps(plain, indent=2) if isinstance(plain, dict | list) else str(plain)
        extra: Any = (field_info.json_schema_extra if field_info else None) or {}
        desc = extra.get("desc", "")
        return cls(
            name=name,
            type_name=type(value).__name__,
            desc="" if not desc or desc.startswith("${") else desc,
            constraints=extra.get("constraints", ""),
            total_length=len(text),
            preview=_shortened(text, preview_chars, "..."),
        )

    def format(self) -> str:
        """The text for a prompt."""
        lines = [
            f"Variable: `{self.name}` (access it in your code)",
            f"Type: {self.type_name}",
            f"Description: {self.desc}" if self.desc else "",
            f"Constraints: {self.constraints}" if self.constraints else "",
            f"Total length: {self.total_length:,} characters",
            f"Preview:\n```\n{self.preview}\n```",
        ]
        return "\n".join(line for line in lines if line)

    @pydantic.model_serializer()
    def serialize_model(self) -> str:
        return self.format()


class REPLEntry(pydantic.BaseModel):
    """One step in an interpreter: what the model thought, the code it wrote, and what came of that."""

    model_config = ConfigDict(frozen=True)

    reasoning: str = ""
    code: str
    output: str

    @staticmethod
    def format_output(output: str, max_output_chars: int = 10_000) -> str:
        """Write what a step printed, with its length and, when it is long, without its middle.

        Args:
            output: What it printed.
            max_output_chars: The most characters to show.
        """
        omitted = f"\n\n... ({len(output) - max_output_chars:,} characters omitted) ...\n\n"
        return f"Output ({len(output):,} chars):\n{_shortened(output, max_output_chars, omitted)}"

    def format(self, index: int, max_output_chars: int = 10_000) -> str:
        """Write the step for a prompt.

        Args:
            index: Which step it is, from 0.
            max_output_chars: The most characters of its output to show.
        """
        reasoning = f"Reasoning: {self.reasoning}\n" if self.reasoning else ""
        output = self.format_output(self.output, max_output_chars)
        return f"=== Step {index + 1} ===\n{reasoning}Code:\n```python\n{self.code}\n```\n{output}"


class REPLHistory(pydantic.BaseModel):
    """The steps so far; `append` returns a longer history. In prompts and JSON it is the text of `format`."""

    model_config = ConfigDict(frozen=True)

    entries: list[REPLEntry] = Field(default_factory=list)
    max_output_chars: int = 10_000

    def format(self) -> str:
        """The text for a prompt."""
        if not self.entries:
            return "You have not interacted with the REPL environment yet."
        steps = enumerate(self.entries)
        return "\n".join(entry.format(index, max_output_chars=self.max_output_chars) for index, entry in steps)

    @pydantic.model_serializer()
    def serialize_model(self) -> str:
        return self.format()

    def append(self, *, reasoning: str = "", code: str, output: str) -> REPLHistory:
        """Return this history with one more step; the history itself stays as it is.

        Args:
            reasoning: What the LM thought before it wrote the code.
            code: The code of the step.
            output: What it printed or returned.
        """
        entry = REPLEntry(reasoning=reasoning, code=code, output=output)
        return REPLHistory(entries=[*self.entries, entry], max_output_chars=self.max_output_chars)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[REPLEntry]:  # type: ignore[override]
        return iter(self.entries)

    def __bool__(self) -> bool:
        return bool(self.entries)


def _shortened(text: str, limit: int, between: str) -> str:
    """`text`, or its first and last `limit` characters, half and half."""
    if len(text) <= limit:
        return text
    head = limit // 2
    tail = limit - head if limit > 0 else head
    return text[:head] + between + text[-tail:]
