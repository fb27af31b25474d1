"""`XMLAdapter`: each field in an XML element of its name, lists and models in nested elements."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin
from xml.etree import ElementTree

import pydantic
from typing_extensions import is_typeddict

from dspex.adapters.annotations import placeholder, schema_of
from dspex.adapters.chat_adapter import ChatAdapter, FieldInfoWithName, values_with_names
from dspex.adapters.formatting import format_value, jsonable
from dspex.adapters.parsing import UNREADABLE
from dspex.adapters.plan import plan_of, remembered
from dspex.adapters.xml_values import escaped, grouped, read_elements, skeleton, written
from dspex.errors import AdapterParseError
from dspex.signatures.field import role_of

_INTRODUCTION = "All interactions will be structured in the following way, with the appropriate values filled in."


class XMLAdapter(ChatAdapter):
    """Asks for the outputs in XML elements. Prompts are DSPy's, to the byte.

    But for one thing: ``&`` and ``<`` in an output that a demo shows are escaped whatever its type, since an LM that
    did as unescaped demos do would answer what is no XML.
    """

    def format_field_structure(self, signature: Any) -> str:
        """Show each field as an XML element."""
        groups = (signature.input_fields, signature.output_fields)
        forms = ("\n\n".join(_form(name, field) for name, field in group.items()) for group in groups)
        return "\n\n".join((_INTRODUCTION, *forms))

    def format_user_message_content(
        self,
        signature: Any,
        inputs: Mapping[str, Any],
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> str:
        """Write each input as an XML element. See `Adapter.format_user_message_content`."""
        fields = {
            FieldInfoWithName(name, field): inputs[name]
            for name, field in signature.input_fields.items()
            if name in inputs
        }
        parts = [prefix, self.format_field_with_value(fields)]
        if main_request:
            parts.append(self.user_message_output_requirements(signature) or "")
        return "\n\n".join([*parts, suffix]).strip()

    def user_message_output_requirements(self, signature: Any) -> str | None:
        """Write the reminder of the elements to produce."""
        reminder: str = remembered(signature, "xml reminder", _reminder)
        return reminder

    def format_assistant_message_content(
        self, signature: Any, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """Write each output as an XML element."""
        return self.format_field_with_value(values_with_names(signature.output_fields, outputs, missing_field_message))

    def format_field_with_value(self, fields_with_values: Mapping[FieldInfoWithName, Any]) -> str:
        """Write each field as an element, outputs of lists, dicts and models with nested elements."""
        elements = [_element(name, field, value) for (name, field), value in fields_with_values.items()]
        return "\n\n".join(elements).strip()

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        """Read each output from the element of its name."""
        plan = plan_of(signature)
        elements = self._elements(signature, completion)
        parsed: dict[str, Any] = {}
        for name, read in remembered(signature, "xml readers", _readers).items():
            if name in elements:
                try:
                    parsed[name] = read(elements[name], plan.parsers[name])
                except UNREADABLE as error:
                    value = " ".join("".join(element.itertext()) for element in elements[name])
                    raise self._unreadable(signature, completion, name, value, error, parsed) from error
        parsed = plan.complete(parsed)
        if len(parsed) != len(plan.parsers):
            raise AdapterParseError(type(self).__name__, signature, completion, parsed_result=parsed)
        return parsed

    def _elements(self, signature: Any, completion: str) -> dict[str, list[ElementTree.Element]]:
        """The outermost elements in the answer, by name; text between them is ignored."""
        try:
            return grouped(ElementTree.fromstring(f"<dspex_root>{completion}</dspex_root>"))
        except (ElementTree.ParseError, ValueError) as error:  # ValueError: text that is not Unicode
            problem = f"Failed to parse XML: {error}"
            raise AdapterParseError(type(self).__name__, signature, completion, problem) from error


def _form(name: str, field: Any) -> str:
    """What stands for a field in the description of the form."""
    if role_of(field) == "output" and is_nested(field.annotation):
        return skeleton(name, _schema(name, field.annotation))
    return f"<{name}>\n{placeholder(name, field)}\n</{name}>"


def _element(name: str, field: Any, value: Any) -> str:
    is_output = role_of(field) == "output"
    if is_output and is_nested(field.annotation) and isinstance(plain := jsonable(value), dict | list):
        return written(plain, name)
    text = format_value(value, field.annotation)
    return f"<{name}>\n{escaped(text) if is_output else text}\n</{name}>"


def _reminder(signature: Any) -> str:
    outputs = signature.output_fields.items()
    fields = ", then ".join(f"`<{name}>`" for name, _ in outputs)
    forms = [skeleton(name, _schema(name, field.annotation)) for name, field in outputs if is_nested(field.annotation)]
    nested = f" Use this nested XML structure: {' '.join(forms)}" if forms else ""
    return f"Respond with the corresponding output fields wrapped in XML tags {fields}.{nested}"


def is_nested(annotation: Any) -> bool:
    """Say whether values of the type are written as nested elements: lists, dicts and pydantic models."""
    choices = [choice for choice in get_args(annotation) if choice is not types.NoneType]
    if get_origin(annotation) in (Union, types.UnionType) and len(choices) == 1:
        annotation = choices[0]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if _is_model(arguments[0] if origin is list and arguments else annotation, ours=True):
        return False
    return origin in (list, dict) or is_typeddict(annotation) or _is_model(annotation)


def _is_model(annotation: Any, *, ours: bool = False) -> bool:
    if not isinstance(annotation, type) or get_args(annotation) or not issubclass(annotation, pydantic.BaseModel):
        return False
    return annotation.__module__.startswith("dspex.") or not ours


def _schema(name: str, annotation: Any) -> dict[str, Any]:
    return schema_of(name, annotation, by_alias=False)


def _readers(signature: Any) -> dict[str, Any]:
    return {name: _reader(name, field.annotation) for name, field in signature.output_fields.items()}


def _reader(name: str, annotation: Any) -> Any:
    """A function from elements and the parser of the type to a value of it.

    A union is tried as a whole first, then choice by choice. Fields of models may go by their names or their aliases.
    """
    validate = pydantic.TypeAdapter(annotation).validate_python
    schema = _schema(name, annotation)
    definitions = schema.get("$defs", {})

    def read(elements: list[ElementTree.Element], parse: Any) -> Any:
        for choice in (schema, *schema.get("anyOf", [])):
            try:
                value = read_elements(elements, choice, definitions)
                try:
                    return parse(value)
                except pydantic.ValidationError:
                    return validate(value, by_name=True)
            except UNREADABLE as error:
                failure = error
        raise failure

    return read
