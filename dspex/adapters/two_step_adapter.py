"""`TwoStepAdapter`: one LM answers freely, a second one reads the outputs from its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from dspex.adapters.annotations import field_list
from dspex.adapters.base import Adapter
from dspex.adapters.chat_adapter import ChatAdapter
from dspex.adapters.formatting import format_value
from dspex.adapters.plan import remembered
from dspex.adapters.types.base_type import CUSTOM_TYPE_START_IDENTIFIER
from dspex.bridge import in_sync_code, wait_for
from dspex.clients.base_lm import BaseLM
from dspex.clients.canonical.prompt import Message
from dspex.errors import AdapterParseError, UsageError
from dspex.signatures import InputField, make_signature

_synchronous: ContextVar[bool] = ContextVar("dspex_two_steps_synchronous", default=False)


class TwoStepAdapter(Adapter):
    """For LMs that reason well and keep to a format badly. Prompts are DSPy's, to the byte.

    But for two things: a `History` is shown as turns and values of a `Type` as content parts, as by other adapters.

    Args:
        extraction_model: the LM that reads the answers, with a `ChatAdapter`; a small one will do.
        **kwargs: arguments of `Adapter`.
    """

    _may_wait = True  # `parse` asks the second LM

    def __init__(self, extraction_model: BaseLM, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(extraction_model, BaseLM):
            raise UsageError(
                "extraction_model must be an instance of dspex.BaseLM, such as dspex.LM('openai/gpt-4o-mini'), and "
                f"this is a {type(extraction_model).__name__}."
            )
        self.extraction_model = extraction_model

    def __call__(
        self,
        lm: Any,
        lm_kwargs: dict[str, Any],
        signature: Any,
        demos: Sequence[Any],
        inputs: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        token = _synchronous.set(True)
        try:
            return super().__call__(lm, lm_kwargs, signature, demos, inputs)
        finally:
            _synchronous.reset(token)

    def format(self, signature: Any, demos: Sequence[Any], inputs: Mapping[str, Any]) -> list[Message]:
        """Write the messages as `Adapter.format` does; a call without inputs ends in an empty user message."""
        messages = super().format(signature, demos, inputs)
        if not self.format_user_message_content(signature, inputs):
            messages.append({"role": "user", "content": ""})  # an LM answers a user
        return messages

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        """Have the second LM find the outputs in the answer of the first.

        Args:
            signature: The signature that was asked.
            completion: The first LM's answer, in free form.

        Raises:
            AdapterParseError: the second LM's answer does not hold the outputs.
        """
        extraction = remembered(signature, "extraction", extraction_signature)
        question: Any = (self.extraction_model, {}, extraction, [], {"text": completion})
        asynchronous = in_sync_code() and not _synchronous.get()  # run for `acall`: the second LM is awaited as well
        try:
            found = wait_for(ChatAdapter().acall(*question)) if asynchronous else ChatAdapter()(*question)
        except AdapterParseError as error:
            problem = f"Failed to parse response from the original completion: {error}"
            raise AdapterParseError(type(self).__name__, signature, completion, problem) from error
        return found[0]

    def format_system_message(self, signature: Any) -> str:
        return self.format_task_description(signature)

    def format_task_description(self, signature: Any) -> str:
        lines = [
            "You are a helpful assistant that can solve tasks based on user input.",
            f"As input, you will be provided with:\n{field_list(signature.input_fields)}",
            f"Your outputs must contain:\n{field_list(signature.output_fields)}",
            "You should lay out your outputs in detail so that your answer can be understood by another agent",
        ]
        if signature.instructions:
            lines.append(f"Specific instructions: {signature.instructions}")
        return "\n".join(lines)

    def format_user_message_content(
        self,
        signature: Any,
        inputs: Mapping[str, Any],
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> str:
        """Write each input as ``name: value``. `main_request` makes no difference."""
        given = [f"{name}: {_told(inputs[name])}" for name in signature.input_fields if name in inputs]
        return "\n\n".join([prefix, *given, suffix]).strip()

    def format_assistant_message_content(
        self, signature: Any, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """Write each output as ``name: value``; outputs without a value are left out."""
        return "\n\n".join(f"{name}: {outputs[name]}" for name in signature.output_fields if name in outputs).strip()


def _told(value: Any) -> str:
    """`value` as it prints; with pictures and the like in it, in the way of other adapters, which makes them parts."""
    if isinstance(value, str):
        return value
    text = format_value(value)
    return text if CUSTOM_TYPE_START_IDENTIFIER in text else str(value)


def extraction_signature(signature: Any) -> Any:
    """Make the signature for the second LM: a text in, the outputs of `signature` out."""
    outputs = signature.output_fields
    names = ", ".join(f"`{name}`" for name in outputs)
    instructions = (
        f"The input is a text that should contain all the necessary information to produce the fields {names}."
        "             Your job is to extract the fields from the text verbatim. "
        "Extract precisely the appropriate value (content) for each field."
    )
    found = {name: (field.annotation, field) for name, field in outputs.items()}
    return make_signature({"text": (str, InputField()), **found}, instructions)
