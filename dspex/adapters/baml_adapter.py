"""`BAMLAdapter`: JSON outputs, with types described in a short form like BAML's instead of a JSON schema."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from dspex.adapters.formatting import format_value
from dspex.adapters.json_adapter import JSONAdapter
from dspex.adapters.plan import plan_of
from dspex.adapters.types.reasoning import Reasoning
from dspex.errors import UsageError

COMMENT_SYMBOL = "#"
INDENTATION = "  "

_PLAIN = {str: "string", Reasoning: "string", int: "int", float: "float", bool: "boolean"}
_INTRODUCTION = "All interactions will be structured in the following way, with the appropriate values filled in.\n"


class BAMLAdapter(JSONAdapter):
    """A `JSONAdapter` for deeply nested pydantic outputs and small LMs. Prompts are DSPy's, to the byte.

    Descriptions, aliases and docstrings of models stand in the prompt as comments. A model may stand in several places,
    but not inside itself (DSPy refuses both); `Reasoning` is a string, as for other adapters.
    """

    def format_field_structure(self, signature: Any) -> str:
        """Show each field under its header, outputs with their types in BAML's notation."""
        lines = [_INTRODUCTION]
        for name in signature.input_fields:
            lines += [f"[[ ## {name} ## ]]", f"{{{name}}}", ""]
        for name, field in signature.output_fields.items():
            type_text = type_in_words(field.annotation)
            lines += [f"[[ ## {name} ## ]]", f"Output field `{name}` should be of type: {type_text}\n"]
        return "\n".join([*lines, "[[ ## completed ## ]]"])

    def format_user_message_content(
        self,
        signature: Any,
        inputs: Mapping[str, Any],
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> str:
        """Write each input under its header, models among them as JSON."""
        parts = [prefix]
        for name, heading, annotation in plan_of(signature).inputs:
            if name in inputs:
                parts.append(heading + _input(inputs[name], annotation))
        if main_request:
            parts.append(self.user_message_output_requirements(signature) or "")
        return "\n\n".join(part for part in [*parts, suffix] if part).strip()


def _input(value: Any, annotation: Any) -> str:
    if isinstance(value, BaseModel):
        return value.model_dump_json(indent=2, by_alias=True)
    return format_value(value, annotation)


def type_in_words(annotation: Any, indent: int = 0, inside: tuple[Any, ...] = ()) -> str:
    """Describe a type in BAML's short notation, as the prompt shows it.

    Args:
        annotation: The type.
        indent: The depth of indentation at which the description stands, in steps of `INDENTATION`.
        inside: The models that enclose this type, to notice one that contains itself.

    Raises:
        UsageError: a model contains itself.
    """
    if isinstance(annotation, type) and annotation in _PLAIN:
        return _PLAIN[annotation]
    if _is_model(annotation):
        return "\n".join(_model_lines(annotation, indent, inside))
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        choices = [type_in_words(choice, indent, inside) for choice in arguments if choice is not types.NoneType]
        return " or ".join([*choices, "null"] if types.NoneType in arguments else choices)
    if origin is Literal:
        return " or ".join(map(_literal, arguments))
    if origin is list and arguments and _is_model(arguments[0]):
        item = "\n".join(_model_lines(arguments[0], indent + 1, inside))
        return f"[\n{item}\n{INDENTATION * indent}]"
    if origin is list and arguments:
        return f"{type_in_words(arguments[0], indent, inside)}[]"
    if origin is dict and arguments:
        key, value = (type_in_words(argument, indent, inside) for argument in arguments)
        return f"dict[{key}, {value}]"
    return getattr(annotation, "__name__", None) or str(annotation)


def _model_lines(model: type[BaseModel], indent: int, inside: tuple[Any, ...]) -> Iterator[str]:
    if model in inside:
        raise UsageError(
            f"BAMLAdapter cannot handle recursive pydantic models, and {model.__name__} contains itself. Please use a "
            "different adapter, such as JSONAdapter."
        )
    around, within = INDENTATION * indent, INDENTATION * (indent + 1)
    if indent == 0:
        yield from _comments(model, around)  # elsewhere they stand above the field
    yield f"{around}{{"
    if not model.model_fields:
        yield f"{within}{COMMENT_SYMBOL} No fields defined"
    for name, field in model.model_fields.items():
        if field.description:
            yield f"{within}{COMMENT_SYMBOL} {field.description}"
        elif field.alias and field.alias != name:
            yield f"{within}{COMMENT_SYMBOL} alias: {field.alias}"
        nested = _without_none(field.annotation)
        if _is_model(nested):
            yield from _comments(nested, within)
        yield f"{within}{name}: {type_in_words(field.annotation, indent + 1, (*inside, model))},"
    yield f"{around}}}"


def _comments(model: type[BaseModel], indentation: str) -> Iterator[str]:
    """The docstring, unless the model is one of our own types: that one is written for programmers."""
    docstring = "" if model.__module__.startswith("dspex.") else model.__doc__ or ""
    for line in docstring.strip().split("\n"):
        if line.strip():
            yield f"{indentation}{COMMENT_SYMBOL} {line.strip()}"


def _without_none(annotation: Any) -> Any:
    """The one type in an optional."""
    if get_origin(annotation) in (Union, types.UnionType):
        choices = [choice for choice in get_args(annotation) if choice is not types.NoneType]
        return choices[0] if len(choices) == 1 else annotation
    return annotation


def _literal(value: Any) -> str:
    """A choice as the JSON that the LM is to write."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel)
