"""`SandboxSerializable`: values that know how to enter an interpreter (a data frame, a graph, ...)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from dspex.primitives.repl_types import REPLVariable  # loads the adapters, which few programs need here

__all__ = ["SandboxSerializable", "build_repl_variable"]


class SandboxSerializable(ABC):
    """A value that `RLM` takes into its interpreter by code of the value's own. A subclass may annotate a field.

    What the code needs must be there: `PythonInterpreter`'s sandbox has no third-party packages.
    """

    @abstractmethod
    def sandbox_setup(self) -> str:
        """Statements to run first (imports, mostly); the model sees them."""

    @abstractmethod
    def to_sandbox(self) -> bytes:
        """The value as bytes: text in UTF-8, or anything else."""

    @abstractmethod
    def sandbox_assignment(self, var_name: str, data_expr: str) -> str:
        """Write the code that makes the value again in the sandbox.

        Args:
            var_name: The variable to assign it to.
            data_expr: An expression for what `to_sandbox` returned.
        """

    @abstractmethod
    def rlm_preview(self, max_chars: int = 500) -> str:
        """Show the value in a few words, for the model."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source_type: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """As the type of a field: any value, written with ``str``."""
        return core_schema.no_info_plain_validator_function(
            lambda value: value, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    def to_repl_variable(self, name: str, field_info: FieldInfo | None = None) -> REPLVariable:
        """Describe this value for the model.

        Args:
            name: The variable that holds it.
            field_info: The signature's field, whose description is shown, too.
        """
        return build_repl_variable(self, name, field_info=field_info)


def build_repl_variable(obj: SandboxSerializable, name: str, field_info: FieldInfo | None = None) -> REPLVariable:
    """Describe a value for the model by its own preview, and by what its setup imports.

    Args:
        obj: The value.
        name: The variable that holds it.
        field_info: The signature's field, whose description is shown, too.
    """
    from dspex.primitives.repl_types import REPLVariable  # loads the adapters, which few programs need here

    preview = obj.rlm_preview()
    variable = REPLVariable.from_value(name, obj, field_info=field_info)
    setup = obj.sandbox_setup().strip()
    parts = [variable.desc, f"Sandbox imports available:\n{setup}" if setup else ""]
    desc = "\n".join(part for part in parts if part)
    return variable.model_copy(update={"preview": preview, "total_length": len(preview), "desc": desc})
