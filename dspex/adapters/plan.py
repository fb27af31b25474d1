"""What an adapter works out about a signature once, not once a call: headings, parsers, defaults, native fields."""

from __future__ import annotations

from typing import Any, get_args, get_origin
from weakref import WeakKeyDictionary

import pydantic

from dspex.adapters.annotations import allows_none, unreadable
from dspex.adapters.parsing import Parser, parser_for
from dspex.adapters.types.base_type import Type
from dspex.adapters.types.history import History
from dspex.adapters.types.tool import Tool, ToolCalls
from dspex.signatures.meta import SignatureMeta, seal


class Plan:
    """The fields of one signature, as adapters need them.

    `inputs` are (name, heading, type); `parsers` are by output name; `typed_outputs` are the outputs (name, type) that
    are of a `Type`. `texts` is for what depends on the signature alone, by a name of the adapter's choice.
    """

    __slots__ = (
        "_without",
        "history_field",
        "inputs",
        "optional",
        "parsers",
        "texts",
        "tool_calls_field",
        "tools_field",
        "typed_outputs",
    )

    def __init__(self, signature: SignatureMeta) -> None:
        inputs, outputs = signature.input_fields, signature.output_fields
        self.inputs = [(name, f"[[ ## {name} ## ]]\n", field.annotation) for name, field in inputs.items()]
        self.history_field = next((name for name, field in inputs.items() if field.annotation is History), None)
        self.tools_field = next((name for name, field in inputs.items() if _is_tools(field.annotation)), None)
        self.tool_calls_field = next((name for name, field in outputs.items() if field.annotation is ToolCalls), None)
        self.typed_outputs: list[tuple[str, Any]] = [
            (name, field.annotation) for name, field in outputs.items() if _is_type(field.annotation)
        ]
        self.parsers = {name: _parser(name, field.annotation) for name, field in outputs.items()}
        self.optional = {
            name: field for name, field in outputs.items() if not field.is_required() or allows_none(field.annotation)
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
        """Return the signature without the field `name`, always the same class.

        Args:
            signature: The signature that this plan belongs to.
            name: The field to leave out.
        """
        if name not in self._without:
            self._without[name] = signature.delete(name)
        return self._without[name]


_plans: WeakKeyDictionary[SignatureMeta, Plan] = WeakKeyDictionary()


def plan_of(signature: Any) -> Plan:
    """Return the plan of `signature`, which from now on refuses to be changed.

    Raises:
        UsageError: naming an output field whose type cannot be read from an answer.
    """
    plan = _plans.get(signature)
    if plan is None:
        seal(signature)
        plan = _plans[signature] = Plan(signature)
    return plan


def remembered(signature: Any, name: str, write: Any) -> Any:
    """Return ``write(signature)``, computed once for each signature.

    Args:
        signature: The signature.
        name: The key under which the plan of the signature keeps the result.
        write: Computes the result from the signature.
    """
    texts = plan_of(signature).texts
    if name not in texts:
        texts[name] = write(signature)
    return texts[name]


def without(signature: Any, *names: str) -> Any:
    """Return the signature without some fields, always the same class.

    Args:
        signature: The signature.
        *names: The fields to leave out.
    """
    for name in names:
        signature = plan_of(signature).without(signature, name)
    return signature


def _parser(name: str, annotation: Any) -> Parser:
    try:
        return parser_for(annotation)
    except (pydantic.errors.PydanticUserError, pydantic.errors.PydanticUndefinedAnnotation) as error:
        raise unreadable(name, annotation, error) from None


def _default(field: Any) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _is_tools(annotation: Any) -> bool:
    """Whether a field takes a tool or a list of them."""
    return annotation is Tool or (get_origin(annotation) is list and get_args(annotation) == (Tool,))


def _is_type(annotation: Any) -> bool:
    return isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, Type)
