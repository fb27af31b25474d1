"""DSPy's place for `get_dspy_field_type`."""

from __future__ import annotations

from pydantic.fields import FieldInfo

from dspex.errors import UsageError
from dspex.signatures.field import Role, role_of

__all__ = ["get_dspy_field_type"]


def get_dspy_field_type(field: FieldInfo) -> Role:
    """Say whether `field` is an ``"input"`` or an ``"output"``.

    Raises:
        UsageError: it is neither.
    """
    role = role_of(field)
    if role is None:
        raise UsageError(f"Field {field} does not have a __dspy_field_type: it is no InputField and no OutputField.")
    return role
