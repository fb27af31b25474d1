"""What a predictor is called with, compared with what its signature asks for.

As in DSPy nothing is refused: a missing field, a field too many or a value of another type is a warning, and the call
goes on. A predictor says the same only once: the next ten thousand calls with that mistake would add nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin
from weakref import WeakKeyDictionary

from pydantic.fields import FieldInfo

from dspex.predict.type_check import Check, check_for, name_of
from dspex.settings import read
from dspex.signatures.field import TYPE_UNDEFINED

Warn = Callable[..., None]
"""The `warning` of the predictor's logger."""


@dataclass(frozen=True, slots=True)
class InputPlan:
    """What a signature asks for, worked out once for all calls.

    Args:
        names: The names of the input fields.
        defaults: The inputs that have a default, each with a function that makes it.
        required: The inputs whose type does not admit None.
        checks: The inputs whose type can be checked, each with the check and the type.
    """

    names: frozenset[str]
    defaults: tuple[tuple[str, Callable[[], Any]], ...]
    required: tuple[str, ...]
    checks: tuple[tuple[str, Check, Any], ...]


_plans: WeakKeyDictionary[Any, InputPlan] = WeakKeyDictionary()


def complete_inputs(signature: Any, inputs: dict[str, Any], warned: set[Any], warn: Warn) -> None:
    """Add the defaults of missing inputs, and warn about inputs that do not fit the signature.

    Args:
        signature: The signature.
        inputs: The values of the input fields by name; changed in place.
        warned: What a warning was given for already; it grows.
        warn: Logs a warning, such as ``logger.warning``.
    """
    plan = _plans.get(signature)
    if plan is None:
        plan = _plans[signature] = _plan(signature)
    if inputs.keys() != plan.names:
        for name, default in plan.defaults:
            if name not in inputs:
                inputs[name] = default()
        _warn_of_fields(plan, signature, inputs, warned, warn)
    if plan.checks and read("warn_on_type_mismatch"):
        _warn_of_types(plan, signature, inputs, warned, warn)


def _plan(signature: Any) -> InputPlan:
    fields: dict[str, FieldInfo] = signature.input_fields
    return InputPlan(
        names=frozenset(fields),
        defaults=tuple((name, _default_of(field)) for name, field in fields.items() if not field.is_required()),
        required=tuple(name for name, field in fields.items() if not _allows_none(field.annotation)),
        checks=tuple(
            (name, check, field.annotation)
            for name, field in fields.items()
            if not _is_untyped(field) and (check := check_for(field.annotation)) is not None
        ),
    )


def _default_of(field: FieldInfo) -> Callable[[], Any]:
    return lambda: field.get_default(call_default_factory=True, validated_data={})


def _is_untyped(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get(TYPE_UNDEFINED))


def _allows_none(annotation: Any) -> bool:
    if annotation is None or annotation is NoneType or annotation is Any:
        return True
    return get_origin(annotation) in (Union, UnionType) and any(_allows_none(arg) for arg in get_args(annotation))


def _warn_of_fields(plan: InputPlan, signature: Any, inputs: dict[str, Any], warned: set[Any], warn: Warn) -> None:
    extra = tuple(name for name in inputs if name not in plan.names)
    if extra and ("extra", extra) not in warned:
        warned.add(("extra", extra))
        warn(
            "Input contains fields not in signature. These fields will be ignored: %s. Expected fields: %s. "
            "The predictor is: %s.",
            list(extra), list(signature.input_fields), signature.signature,
        )  # fmt: skip
    missing = tuple(name for name in plan.required if name not in inputs)
    if missing and missing not in warned:
        warned.add(missing)
        warn(
            "Not all input fields were provided to module. Present: %s. Missing: %s. The predictor is: %s. "
            "Its prompt lacks what is missing.",
            [name for name in signature.input_fields if name in inputs], list(missing), signature.signature,
        )  # fmt: skip


def _warn_of_types(plan: InputPlan, signature: Any, inputs: dict[str, Any], warned: set[Any], warn: Warn) -> None:
    for name, check, annotation in plan.checks:
        value = inputs.get(name)
        if value is None or check(value) or (name, type(value)) in warned:
            continue
        warned.add((name, type(value)))
        warn(
            "Type mismatch for field '%s': expected %s based on given Signature, "
            "but the provided value is incompatible: %.200s. The predictor is: %s.",
            name, name_of(annotation), value, signature.signature,
        )  # fmt: skip
