"""`ChatAdapter`: fields as ``[[ ## name ## ]]`` blocks. DSPy's prompt format, to the byte."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

from pydantic.fields import FieldInfo

from dspex.adapters.annotations import annotation_name, field_list, placeholder
from dspex.adapters.asking import is_in_place
from dspex.adapters.base import Adapter
from dspex.adapters.formatting import format_value
from dspex.adapters.parsing import UNREADABLE
from dspex.adapters.plan import plan_of, remembered
from dspex.adapters.types.base_type import Type
from dspex.adapters.types.tool import ToolCalls
from dspex.bridge import run_sync
from dspex.clients.call_context import adapter_fallback_scope
from dspex.errors import AdapterParseError

field_header_pattern = re.compile(r"\[\[ ## (\w+) ## \]\]")
_COMPLETED = "[[ ## completed ## ]]"


class FieldInfoWithName(NamedTuple):
    """A field and its name, as `format_field_with_value` takes it."""

    name: str
    info: FieldInfo


class ChatAdapter(Adapter):
    """The adapter in use where none is configured.

    An answer that cannot be parsed is asked for once more as JSON, unless `use_json_adapter_fallback` is False or some
    of the answer was already streamed to the user. No other error is followed by a second call.

    Source: DSPy's adapter of this name; prompts are the same to the byte.
    """

    training_data_format: ClassVar[str] = "chat"
    """The format of the rows that it writes for fine-tuning (`TrainDataFormat`)."""
    fallback: ClassVar[type[Adapter] | None] = None
    """The adapter of the second call. `dspex.adapters.json_adapter` sets it to `JSONAdapter`, which has none itself."""

    def __init__(
        self,
        callbacks: Sequence[Any] | None = None,
        use_native_function_calling: bool = False,
        native_response_types: Sequence[type[Type]] | None = None,
        use_json_adapter_fallback: bool = True,
        parallel_tool_calls: bool | None = None,
    ) -> None:
        """Set up the adapter.

        Args:
            callbacks: Called at the start and end of each formatting and parsing.
            use_native_function_calling: Whether to pass tools to the LM's API, for signatures with tools, instead of
                describing them in the prompt.
            native_response_types: The output types that may come by a feature of the LM's API; by default citations and
                reasoning.
            use_json_adapter_fallback: Whether an answer that cannot be parsed is asked for once more by `JSONAdapter`.
            parallel_tool_calls: Whether the LM may call several tools at once; None leaves it to the provider.
        """
        super().__init__(callbacks, use_native_function_calling, native_response_types, parallel_tool_calls)
        self.use_json_adapter_fallback = use_json_adapter_fallback

    async def acall(
        self,
        lm: Any,
        lm_kwargs: dict[str, Any],
        signature: Any,
        demos: Sequence[Any],
        inputs: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """Call the LM as `Adapter.acall` does, and once more by the JSON adapter where an answer cannot be parsed."""
        with adapter_fallback_scope() as progress:
            try:
                return await super().acall(lm, lm_kwargs, signature, demos, inputs)
            except AdapterParseError:
                fallback = None if progress.emitted else self._json_fallback()
                if fallback is None:
                    raise
            if _is_replaced(type(fallback)):
                call = partial(fallback, lm, lm_kwargs, signature, demos, inputs)
                return call() if is_in_place(lm) else await run_sync(call)
            return await fallback.acall(lm, lm_kwargs, signature, demos, inputs)

    def _json_fallback(self) -> Adapter | None:
        if not self.use_json_adapter_fallback or self.fallback is None:
            return None
        return self.fallback(
            callbacks=self.callbacks,
            use_native_function_calling=self.use_native_function_calling,
            parallel_tool_calls=self.parallel_tool_calls,
        )

    def format_field_description(self, signature: Any) -> str:
        """Write the list of fields, inputs first."""
        return (
            f"Your input fields are:\n{field_list(signature.input_fields)}\n"
            f"Your output fields are:\n{field_list(signature.output_fields)}"
        )

    def format_field_structure(self, signature: Any) -> str:
        """Show each field under its header, ``[[ ## name ## ]]``."""
        parts = (
            "All interactions will be structured in the following way, with the appropriate values filled in.",
            self.format_field_with_value(placeholders(signature.input_fields)),
            self.format_field_with_value(placeholders(signature.output_fields)),
            _COMPLETED,
        )
        return "\n\n".join(parts).strip()

    def format_task_description(self, signature: Any) -> str:
        """Write the instructions, indented, as the objective."""
        lines = textwrap.dedent(signature.instructions).splitlines()
        return "In adhering to this structure, your objective is: " + "".join(f"\n        {line}" for line in lines)

    def format_user_message_content(
        self,
        signature: Any,
        inputs: Mapping[str, Any],
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> str:
        """Write each input under its header, ``[[ ## name ## ]]``. See `Adapter.format_user_message_content`."""
        parts = [prefix]
        for name, heading, annotation in plan_of(signature).inputs:
            if name in inputs:
                parts.append(heading + format_value(inputs[name], annotation))
        if main_request:
            reminder = self.user_message_output_requirements(signature)
            if reminder is not None:
                parts.append(reminder)
        parts.append(suffix)
        return "\n\n".join(parts).strip()

    def user_message_output_requirements(self, signature: Any) -> str | None:
        """Write the reminder, at the end of the question, of the outputs to produce."""
        reminder: str = remembered(signature, "chat reminder", _reminder)
        return reminder

    def format_assistant_message_content(
        self, signature: Any, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """Write each output under its header, and ``[[ ## completed ## ]]`` at the end."""
        values = values_with_names(signature.output_fields, outputs, missing_field_message)
        return f"{self.format_field_with_value(values)}\n\n{_COMPLETED}\n"

    def format_field_with_value(self, fields_with_values: Mapping[FieldInfoWithName, Any]) -> str:
        """Blocks of fields with their values."""
        return blocks(fields_with_values)

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        """Read each output from the section under its header; where a header comes twice the first counts."""
        plan = plan_of(signature)
        parsed: dict[str, Any] = {}
        for name, text in _sections(completion):
            if name in plan.parsers and name not in parsed:
                try:
                    parsed[name] = plan.parsers[name](text)
                except UNREADABLE as error:
                    raise self._unreadable(signature, completion, name, text, error) from error
        parsed = plan.complete(parsed)
        if len(parsed) != len(plan.parsers):
            raise AdapterParseError(type(self).__name__, signature, completion, parsed_result=parsed)
        return parsed

    def format_finetune_data(
        self, signature: Any, demos: Sequence[Any], inputs: Mapping[str, Any], outputs: Mapping[str, Any]
    ) -> dict[str, list[Any]]:
        """Write a call and its outputs as one row of OpenAI's chat fine-tuning format.

        Args:
            signature: The signature.
            demos: The demos of the call.
            inputs: The values of the input fields by name.
            outputs: The values of the output fields by name, which the model is to learn.

        Returns:
            A dict with the one key ``messages``.
        """
        answer = {"role": "assistant", "content": self.format_assistant_message_content(signature, outputs)}
        return {"messages": [*self.format(signature, demos, inputs), answer]}

    def _unreadable(
        self,
        signature: Any,
        completion: str,
        name: str,
        value: Any,
        error: BaseException,
        parsed: dict[str, Any] | None = None,
    ) -> AdapterParseError:
        problem = f"Failed to parse field {name} with value {value} from the LM response. Error message: {error}"
        return AdapterParseError(type(self).__name__, signature, completion, problem, parsed)


def _is_replaced(kind: type[Adapter]) -> bool:
    """Whether a user put a `__call__` of their own, such as a mock, in the place of the library's, and no `acall`."""
    return kind.__call__ is not Adapter.__call__ and kind.acall is ChatAdapter.acall


def blocks(fields_with_values: Mapping[FieldInfoWithName, Any]) -> str:
    """Write each field as its heading and, below, its value."""
    written = [
        f"[[ ## {name} ## ]]\n{format_value(value, field.annotation)}"
        for (name, field), value in fields_with_values.items()
    ]
    return "\n\n".join(written).strip()


def placeholders(fields: Mapping[str, FieldInfo]) -> dict[FieldInfoWithName, str]:
    """For each field what stands in its place in the description of the form."""
    return {FieldInfoWithName(name, field): placeholder(name, field) for name, field in fields.items()}


def values_with_names(
    fields: Mapping[str, FieldInfo], values: Mapping[str, Any], missing: str | None
) -> dict[FieldInfoWithName, Any]:
    """Pair each field with its value, as `format_field_with_value` takes them.

    Args:
        fields: The fields by name.
        values: Values by field name; names that are no fields are ignored.
        missing: The value of a field that has none in `values`.
    """
    return {FieldInfoWithName(name, field): values.get(name, missing) for name, field in fields.items()}


def must_be(annotation: Any) -> str:
    """Word what the reminder says of a type; nothing for text."""
    if annotation is ToolCalls:
        return ' (must be a JSON object like {"tool_calls": [{"name": "...", "args": {...}}]})'
    return "" if annotation is str else f" (must be formatted as a valid Python {annotation_name(annotation)})"


def _reminder(signature: Any) -> str:
    outputs = signature.output_fields.items()
    fields = ", then ".join(f"`[[ ## {name} ## ]]`{must_be(field.annotation)}" for name, field in outputs)
    return (
        f"Respond with the corresponding output fields, starting with the field {fields}, "
        f"and then ending with the marker for `{_COMPLETED}`."
    )


def _sections(completion: str) -> Iterator[tuple[str, str]]:
    """The named sections of an answer: a heading at the start of a line, and the text up to the next one."""
    name, lines = "", []
    for line in completion.splitlines():
        heading = field_header_pattern.match(line.strip()) if "[[ ## " in line else None
        if heading is None:
            lines.append(line)
            continue
        if name:
            yield name, "\n".join(lines).strip()
        name = heading[1]
        rest = line.strip()[heading.end() :].strip()
        lines = [rest] if rest else []
    if name:
        yield name, "\n".join(lines).strip()
