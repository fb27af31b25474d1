"""`JSONAdapter`: outputs as one JSON object, by the provider's structured outputs where it has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from dspex.adapters.chat_adapter import (
    ChatAdapter,
    FieldInfoWithName,
    blocks,
    must_be,
    placeholders,
    values_with_names,
)
from dspex.adapters.formatting import jsonable
from dspex.adapters.parsing import UNREADABLE, read_json
from dspex.adapters.plan import plan_of, remembered, without
from dspex.adapters.response_format import response_model
from dspex.errors import AdapterParseError, UsageError


class JSONAdapter(ChatAdapter):
    """Asks for a JSON object. Prompts are DSPy's, to the byte.

    Where the LM takes a `response_format` and the caller gives none, it is set: a pydantic class with a strict schema
    (see `response_model`) for an LM that supports schemas and outputs that one can express, else ``json_object``.
    """

    fallback = None

    def __init__(
        self,
        callbacks: Sequence[Any] | None = None,
        use_native_function_calling: bool = True,
        parallel_tool_calls: bool | None = None,
    ) -> None:
        """Set up the adapter. It has no fallback: it is the fallback of `ChatAdapter`.

        Args:
            callbacks: Called at the start and end of each formatting and parsing.
            use_native_function_calling: Whether to pass tools to the LM's API, for signatures with tools, instead of
                describing them in the prompt.
            parallel_tool_calls: Whether the LM may call several tools at once; None leaves it to the provider.
        """
        super().__init__(
            callbacks=callbacks,
            use_native_function_calling=use_native_function_calling,
            parallel_tool_calls=parallel_tool_calls,
        )

    def _call_preprocess(self, lm: Any, lm_kwargs: dict[str, Any], signature: Any, inputs: Mapping[str, Any]) -> Any:
        asked = super()._call_preprocess(lm, lm_kwargs, signature, inputs)
        if "response_format" not in lm_kwargs and "response_format" in lm.supported_params:
            model = remembered(asked, "response model", response_model) if lm.supports_response_schema else None
            lm_kwargs["response_format"] = model or {"type": "json_object"}
        return asked

    def format_field_structure(self, signature: Any) -> str:
        """Show inputs under headers, and outputs as a JSON object."""
        parts = (
            "All interactions will be structured in the following way, with the appropriate values filled in.",
            "Inputs will have the following structure:",
            self.format_field_with_value(placeholders(signature.input_fields), role="user"),
            "Outputs will be a JSON object with the following fields.",
            self.format_field_with_value(placeholders(signature.output_fields), role="assistant"),
        )
        return "\n\n".join(parts).strip()

    def user_message_output_requirements(self, signature: Any) -> str | None:
        """Write the reminder of the keys of the JSON object to produce."""
        reminder: str = remembered(signature, "json reminder", _reminder)
        return reminder

    def format_assistant_message_content(
        self, signature: Any, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """Write the outputs as one JSON object."""
        values = values_with_names(signature.output_fields, outputs, missing_field_message)
        return self.format_field_with_value(values, role="assistant")

    def format_field_with_value(self, fields_with_values: Mapping[FieldInfoWithName, Any], role: str = "user") -> str:
        """Write inputs as blocks under headers, or outputs as a JSON object.

        Args:
            fields_with_values: The value of each field.
            role: "user" for inputs, "assistant" for outputs.
        """
        if role == "user":
            return blocks(fields_with_values)
        values = {name: value for (name, _), value in fields_with_values.items()}
        return json.dumps(jsonable(values), indent=2, ensure_ascii=False)

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        """Read the outputs from the JSON object in `completion`, even if text surrounds it; other keys are ignored."""
        plan = plan_of(signature)
        found = _json_object(completion)
        if found is None:
            problem = "LM response cannot be serialized to a JSON object."
            raise AdapterParseError(type(self).__name__, signature, completion, problem)
        parsed = {}
        for name, value in found.items():
            if name in plan.parsers:
                try:
                    parsed[name] = plan.parsers[name](value)
                except UNREADABLE as error:
                    raise self._unreadable(signature, completion, name, value, error, parsed) from error
        parsed = plan.complete(parsed)
        if len(parsed) != len(plan.parsers):
            raise AdapterParseError(type(self).__name__, signature, completion, parsed_result=parsed)
        return parsed


ChatAdapter.fallback = JSONAdapter


def _get_structured_outputs_response_format(
    signature: Any, use_native_function_calling: bool = True
) -> type[pydantic.BaseModel]:
    """`response_model` under the name that it has in DSPy, without the field that native function calling fills.

    Raises:
        ValueError: a strict schema cannot express the outputs.
    """
    calls = plan_of(signature).tool_calls_field
    asked = without(signature, calls) if calls is not None and use_native_function_calling else signature
    model = response_model(asked)
    if model is None:
        raise UsageError(
            f"The outputs {', '.join(asked.output_fields)} hold an open-ended mapping or another type which is not "
            "supported by Structured Outputs. Use a pydantic model for it."
        )
    return model


def _reminder(signature: Any) -> str:
    outputs = signature.output_fields.items()
    fields = ", then ".join(f"`{name}`{must_be(field.annotation)}" for name, field in outputs)
    return f"Respond with a JSON object in the following order of fields: {fields}."


def _json_object(completion: str) -> dict[str, Any] | None:
    """The JSON object that the answer is, or that stands somewhere in it."""
    try:
        found = read_json(completion)
        if not isinstance(found, dict):
            found = read_json(_first_braces(completion))
    except UNREADABLE:
        return None
    return found if isinstance(found, dict) else None


def _first_braces(text: str) -> str:
    """The leftmost ``{...}`` whose braces balance; an empty string if there is none."""
    opened: list[int] = []
    closed: dict[int, int] = {}
    for index, character in enumerate(text):
        if character == "{":
            opened.append(index)
        elif character == "}" and opened:
            closed[opened.pop()] = index
    if not closed:
        return ""
    first = min(closed)
    return text[first : closed[first] + 1]
