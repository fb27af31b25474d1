"""What an adapter works out about a signature once, not once a call: headings, parsers, defaults."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import pydantic

from dspex.adapters.annotations import allows_none, unreadable
from dspex.adapters.parsing import Parser, parser_for
from dspex.adapters.types.history import History
from dspex.signatures.meta import SignatureMeta, seal


class Plan:
    """The fields of one signature, as adapters need them.

    `inputs` are (name, heading, type); `parsers` are by output name. `texts` is for texts that depend on the signature
    alone, by a name of the adapter's choice.
    """

    __slots__ = ("_without", "history_field", "inputs", "optional", "parsers", "texts")

    def __init__(self, signature: SignatureMeta) -> None:
        inputs = signature.input_fields
        self.inputs = [(name, f"[[ ## {name} ## ]]\n", field.annotation) for name, field in inputs.items()]
        self.history_field = next((name for name, field in inputs.items() if field.annotation is History), None)
        self.parsers = {name: _parser(name, field.annotation) for name, field in signature.output_fields.items()}
        self.optional = {
            name: field
            for name, field in signature.output_fields.items()
            if not field.is_required() or allows_none(field.annotation)
        }
        self.texts: dict[Any, Any] = {}
        self._without: dict[str, Any] = {}

    def complete(self, parsed: dict[str, Any]) -> dict[str, Any]:
        """`parsed` in the order of the signature, with defaults for optional outputs that are missing."""
        if parsed.keys() != self.parsers.keys():
            parsed = {
                **{name: _default(field) for name, field in self.optional.items() if name not in parsed},
                **parsed,
            }
        return {name: parsed[name] for name in self.parsers if name in parsed}

    def without(self, signature: Any, name: str) -> Any:
        """The signature without the field `name`, always the same class."""
        if name not in self._without:
            self._without[name] = signature.delete(name)
        return self._without[name]


_plans: WeakKeyDictionary[SignatureMeta, Plan] = WeakKeyDictionary()


def plan_of(signature: Any) -> Plan:
    """The plan of `signature`, which from now on refuses to be changed.

    Raises:
        UsageError: naming an output field whose type cannot be read from an answer.
    """
    plan = _plans.get(signature)
    if plan is None:
        seal(signature)
        plan = _plans[signature] = Plan(signature)
    return plan


def _parser(name: str, annotation: Any) -> Parser:
    try:
        return parser_for(annotation)
    except (pydantic.errors.PydanticUserError, pydantic.errors.PydanticUndefinedAnnotation) as error:
        raise unreadable(name, annotation, error) from None


def _default(field: Any) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True)
