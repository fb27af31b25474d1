"""`Adapter`: from a signature and its inputs to messages, and from an LM's answers back to the outputs.

A call is preprocess, format, ask the LM, parse. `format` renders the system message and the demos once for a signature
and its demos (see `prefix_cache`); an adapter of your own overrides any of the ``format_...`` methods and `parse`. What
it overrides is synchronous code, and may ask an LM itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from dspex.adapters.asking import ask, asks_in_place, in_place, is_in_place
from dspex.adapters.conversation import turn_messages
from dspex.adapters.native_tools import offer_tools, refuse_tools, tool_calls_of
from dspex.adapters.overrides import RENDERING_THE_PREFIX, STEPS, is_ours
from dspex.adapters.plan import plan_of, without
from dspex.adapters.prefix_cache import PrefixCache
from dspex.adapters.step_callbacks import with_step_callbacks
from dspex.adapters.types.base_type import Type, with_content_parts
from dspex.adapters.types.citation import Citations
from dspex.adapters.types.history import History
from dspex.adapters.types.reasoning import Reasoning
from dspex.bridge import finish_now, run_sync, wait_for
from dspex.clients.calls.scope import current_scope
from dspex.clients.canonical.prompt import Message, Prefix, Prompt
from dspex.errors import AdapterParseError

_INCOMPLETE = "This is an example of the task, though some input or output fields are not supplied."
_MISSING_IN_DEMO = "Not supplied for this particular example. "
_NATIVE_BY_DEFAULT: tuple[type[Type], ...] = (Citations, Reasoning)
_prefixes = PrefixCache()


class Adapter:
    """The base of adapters.

    Args:
        callbacks: called at the start and end of every `format` and `parse`.
        use_native_function_calling: let the LM's API carry tool calls, where the LM can.
        native_response_types: output types that the LM's API delivers beside the text (see `Type`); by default
            `Citations` and `Reasoning`.
        parallel_tool_calls: ask the provider for parallel tool calls; None leaves it to the provider.
    """

    _renders_purely = True
    """Whether a prefix depends on nothing but class, `prefix_key`, signature and demos, so that it can be kept."""

    _may_wait = False
    """Whether the synchronous steps of a call may ask an LM themselves: those of a user's class, and of TwoStep."""

    _proper_acall: Callable[..., Any]
    """The nearest `acall` that is not made of a `__call__`."""

    _in_place_acall: Callable[..., Any]
    """The nearest `acall` of this library: it waits for nothing but the LM."""

    def __init__(
        self,
        callbacks: Sequence[Any] | None = None,
        use_native_function_calling: bool = False,
        native_response_types: Sequence[type[Type]] | None = None,
        parallel_tool_calls: bool | None = None,
    ) -> None:
        self.callbacks = list(callbacks or ())
        self.use_native_function_calling = use_native_function_calling
        self.native_response_types = list(native_response_types or _NATIVE_BY_DEFAULT)
        self.parallel_tool_calls = parallel_tool_calls

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A user's methods may render something else at every call, so what they render is not kept.
        cls._renders_purely = all(is_ours(getattr(cls, name, None)) for name in RENDERING_THE_PREFIX)
        cls._may_wait = cls._may_wait or not all(is_ours(getattr(cls, name)) for name in STEPS)
        if "format" in vars(cls):
            cls.format = with_step_callbacks("adapter_format")(vars(cls)["format"])  # type: ignore[method-assign]
        if "parse" in vars(cls):
            cls.parse = with_step_callbacks("adapter_parse")(vars(cls)["parse"])  # type: ignore[method-assign]
        if "acall" in vars(cls):
            cls._proper_acall = vars(cls)["acall"]
            cls._in_place_acall = vars(cls)["acall"] if is_ours(vars(cls)["acall"]) else cls._in_place_acall
        elif "__call__" in vars(cls) and not is_ours(vars(cls)["__call__"]):
            cls.acall = _acall_through_call  # type: ignore[method-assign]

    def __call__(
        self,
        lm: Any,
        lm_kwargs: dict[str, Any],
        signature: Any,
        demos: Sequence[Any],
        inputs: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """`acall`, from synchronous code."""
        kind = type(self)
        if asks_in_place(lm):
            with in_place(lm):
                return finish_now(kind._in_place_acall(self, lm, lm_kwargs, signature, demos, inputs))
        call = kind._proper_acall(self, lm, lm_kwargs, signature, demos, inputs)
        return finish_now(call) if self._never_waits(lm) else wait_for(call)

    def _never_waits(self, lm: Any) -> bool:
        """Whether a call to `lm` needs no event loop: an in-memory LM, no user code in between, and no ledger."""
        return (
            getattr(lm, "in_memory", False) is True
            and not self._may_wait
            and type(self).__module__.startswith("dspex.")
            and current_scope() is None
        )

    async def acall(
        self,
        lm: Any,
        lm_kwargs: dict[str, Any],
        signature: Any,
        demos: Sequence[Any],
        inputs: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """Ask `lm` for the outputs of `signature`.

        Args:
            lm: The LM.
            lm_kwargs: Request parameters; the dict is not changed.
            signature: The signature.
            demos: Examples with inputs and outputs, for the prompt.
            inputs: The values of the input fields by name.

        Returns:
            A dict of outputs for each of the LM's answers.

        Raises:
            AdapterParseError: an answer does not hold the outputs.
        """
        lm_kwargs = dict(lm_kwargs)
        switching = self._may_wait and not is_in_place(lm)
        asked, messages = (
            await run_sync(self._ready, lm, lm_kwargs, signature, demos, inputs)
            if switching
            else self._ready(lm, lm_kwargs, signature, demos, inputs)
        )
        answers = await ask(lm, messages, lm_kwargs)
        if switching:
            return await run_sync(self._call_postprocess, asked, signature, answers, lm, lm_kwargs)
        return self._call_postprocess(asked, signature, answers, lm, lm_kwargs)

    @with_step_callbacks("adapter_format")
    def format(self, signature: Any, demos: Sequence[Any], inputs: Mapping[str, Any]) -> list[Message]:
        """Write the messages of one call: system message, demos, earlier turns and the question.

        Args:
            signature: The signature to answer.
            demos: Examples with inputs and outputs, shown before the question.
            inputs: The values of the input fields by name. A `History` among them becomes the earlier turns.

        Returns:
            A `Prompt`: a list of messages that knows how many of them are the same for every input.
        """
        prefix = self._prefix(signature, demos)
        given = dict(inputs)
        turns: list[Message] = []
        history_field = plan_of(signature).history_field
        if history_field is not None:
            signature = without(signature, history_field)
            turns = self.format_conversation_history(signature, history_field, given)
        if content := self.format_user_message_content(signature, given, main_request=True):
            turns.append(with_content_parts({"role": "user", "content": content}))
        return Prompt(prefix, turns)

    @with_step_callbacks("adapter_parse")
    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        """Read the outputs out of the text of one answer.

        Args:
            signature: The signature that was asked.
            completion: The text that the LM answered.

        Returns:
            The values of the output fields by name, converted to the fields' types.

        Raises:
            AdapterParseError: the text does not hold all outputs, or one is not of its type.
        """
        raise NotImplementedError

    # The parts of a prompt, to be overridden

    def format_system_message(self, signature: Any) -> str:
        """Write the system message: the fields, the form of an interaction, the task."""
        parts = (self.format_field_description, self.format_field_structure, self.format_task_description)
        return "\n".join(part(signature) for part in parts)

    def format_field_description(self, signature: Any) -> str:
        """Write the list of fields, for the system message."""
        raise NotImplementedError

    def format_field_structure(self, signature: Any) -> str:
        """Describe the form in which inputs come and outputs must come, for the system message."""
        raise NotImplementedError

    def format_task_description(self, signature: Any) -> str:
        """Write the instructions, for the system message."""
        raise NotImplementedError

    def format_user_message_content(
        self,
        signature: Any,
        inputs: Mapping[str, Any],
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> str:
        """Write the inputs of one turn.

        Args:
            signature: The signature.
            inputs: The values of the input fields by name; fields without a value are left out.
            prefix: Text to put before the inputs.
            suffix: Text to put after them.
            main_request: Whether this is the question itself, and not a demo or an earlier turn; a reminder of the
                outputs to write then follows the inputs.
        """
        raise NotImplementedError

    def format_assistant_message_content(
        self, signature: Any, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """Write the outputs of one turn, in the form in which the LM should write them.

        Args:
            signature: The signature.
            outputs: The values of the output fields by name.
            missing_field_message: The text for an output that has no value.
        """
        raise NotImplementedError

    def format_demos(self, signature: Any, demos: Sequence[Any]) -> list[Message]:
        """Write two messages for each demo: first the demos that lack a field, then the complete ones.

        A demo without any input or without any output is left out, as in DSPy.

        Args:
            signature: The signature.
            demos: Examples or dictionaries that hold values of the signature's fields by name.

        Returns:
            User and assistant messages in turn.
        """
        names = list(signature.fields)
        inputs, outputs = list(signature.input_fields), list(signature.output_fields)
        incomplete: list[Message] = []
        complete: list[Message] = []
        for demo in demos:
            if all(name in demo and demo[name] is not None for name in names):
                complete += self._demo_turn(signature, demo, "", None)
            elif any(name in demo for name in inputs) and any(name in demo for name in outputs):
                incomplete += self._demo_turn(signature, demo, _INCOMPLETE, _MISSING_IN_DEMO)
        return incomplete + complete

    def format_conversation_history(
        self, signature: Any, history_field_name: str, inputs: dict[str, Any]
    ) -> list[Message]:
        """Write the earlier turns of a conversation as messages.

        Args:
            signature: The signature, already without the history field.
            history_field_name: The name of the input field that holds the `History`.
            inputs: The values of the input fields by name; the history is removed from this dict.

        Returns:
            The messages, oldest first; none if there is no history.
        """
        history = inputs.pop(history_field_name, None)
        if history is None:
            return []
        turns = History.model_validate(history).messages
        return [message for turn in turns for message in turn_messages(self, signature, turn)]

    def prefix_key(self) -> Hashable:
        """The options of this adapter that change a prefix; adapters with equal options share prefixes."""
        return ()

    # Around the call

    def _ready(
        self, lm: Any, lm_kwargs: dict[str, Any], signature: Any, demos: Sequence[Any], inputs: Mapping[str, Any]
    ) -> tuple[Any, list[Message]]:
        """The signature to ask for, and the messages; `lm_kwargs` are completed."""
        asked = self._call_preprocess(lm, lm_kwargs, signature, inputs)
        messages = self.format(asked, demos, inputs)
        if lm_kwargs.get("parallel_tool_calls") is not None:
            lm_kwargs.setdefault("tool_choice", "auto")
        return asked, messages

    def _call_preprocess(self, lm: Any, lm_kwargs: dict[str, Any], signature: Any, inputs: Mapping[str, Any]) -> Any:
        """The signature to ask for: without the outputs that the LM's API delivers; `lm_kwargs` ask for those."""
        if not self.use_native_function_calling:
            refuse_tools(lm_kwargs)
        else:
            signature = offer_tools(signature, inputs, lm, lm_kwargs, self.parallel_tool_calls)
        for name, native in self._native_among(plan_of(signature).typed_outputs):
            adapted = native.adapt_to_native_lm_feature(signature, name, lm, lm_kwargs)
            signature = _same_class_each_time(signature, name, adapted)
        return signature

    def _call_postprocess(
        self,
        processed_signature: Any,
        original_signature: Any,
        outputs: Sequence[Any],
        lm: Any,
        lm_kwargs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """The outputs in each answer, a string or a dict with ``text`` and what came beside it."""
        return [self._outputs_of(answer, processed_signature, original_signature) for answer in outputs]

    def _outputs_of(self, answer: Any, asked: Any, signature: Any) -> dict[str, Any]:
        beside = answer if isinstance(answer, dict) else {}
        text = beside.get("text") if beside else answer
        plan = plan_of(signature)
        calls_field = plan.tool_calls_field
        calls = beside.get("tool_calls") if calls_field is not None else None
        if calls_field is not None and calls:
            values = self._parse_beside_calls(asked, text)
        elif text:
            values = self.parse(asked, text) if asked is signature or plan_of(asked).parsers else {}
        else:
            problem = "The LM returned an empty or null response."
            raise AdapterParseError(type(self).__name__, signature, str(answer), problem)
        if asked is not signature or self._may_wait:
            values = dict.fromkeys(signature.output_fields) | plan.complete(values)
        try:
            if calls_field is not None and calls:
                values[calls_field] = tool_calls_of(calls)
            for name, native in self._native_among(plan.typed_outputs):
                delivered = native.parse_lm_response(answer)
                if delivered is not None:
                    values[name] = delivered
        except ValueError as error:
            raise AdapterParseError(type(self).__name__, signature, str(answer), str(error)) from error
        if beside.get("logprobs"):
            values["logprobs"] = beside["logprobs"]
        return values

    def _parse_beside_calls(self, asked: Any, text: str | None) -> dict[str, Any]:
        """The outputs in a text that came with tool calls; it need not hold any."""
        try:
            return self.parse(asked, text) if text and plan_of(asked).parsers else {}
        except AdapterParseError:
            return {}

    def _native_among(self, outputs: list[tuple[str, type[Type]]]) -> list[tuple[str, type[Type]]]:
        return outputs and [(name, type_) for name, type_ in outputs if type_ in self.native_response_types]

    # Names that DSPy's adapters use themselves, for subclasses written against them

    def _get_history_field_name(self, signature: Any) -> str | None:
        return plan_of(signature).history_field

    def _get_tool_call_input_field_name(self, signature: Any) -> str | None:
        return plan_of(signature).tools_field

    def _get_tool_call_output_field_name(self, signature: Any) -> str | None:
        return plan_of(signature).tool_calls_field

    # The shared part of prompts

    def _prefix(self, signature: Any, demos: Sequence[Any]) -> Prefix:
        if not self._renders_purely:
            return self._render_prefix(signature, demos)
        key = (type(self), self.prefix_key(), signature)
        return _prefixes.get(key, demos, lambda: self._render_prefix(signature, demos))

    def _render_prefix(self, signature: Any, demos: Sequence[Any]) -> Prefix:
        system = {"role": "system", "content": self.format_system_message(signature)}
        return Prefix([system, *map(with_content_parts, self.format_demos(signature, demos))])

    def _demo_turn(self, signature: Any, demo: Any, note: str, missing: str | None) -> list[Message]:
        asked = self.format_user_message_content(signature, demo, prefix=note)
        answered = self.format_assistant_message_content(signature, demo, missing_field_message=missing)
        return [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]


Adapter._proper_acall = Adapter._in_place_acall = Adapter.acall


def _same_class_each_time(signature: Any, name: str, adapted: Any) -> Any:
    """A type takes its field out of the signature by making a new class at each call, for which nothing is kept."""
    if adapted is signature or name in adapted.fields or adapted.instructions != signature.instructions:
        return adapted
    known = without(signature, name)
    return known if adapted.fields.keys() == known.fields.keys() else adapted


async def _acall_through_call(self: Adapter, *args: Any, **kwargs: Any) -> Any:
    """`acall` of a subclass that overrides only `__call__`, as DSPy's synchronous programs may do."""
    return await run_sync(self.__call__, *args, **kwargs)
