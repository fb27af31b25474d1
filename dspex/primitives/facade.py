"""``import dspy`` in code that runs in an interpreter: the host's side of it.

The code gets a stand-in for ``dspy`` (`dspex.primitives.interpreters.facade_shims`). Its predictors are built, and ask
the LM, on the host. Only JSON crosses, through two host functions. Every LM call of theirs goes through a `SandboxLM`,
which counts it and lets the code choose how to sample and nothing else. Source: DSPy's module of this name.
"""

from __future__ import annotations

import inspect
import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from dspex.errors import LMError
from dspex.primitives.interpreters.facade_shims import CPYTHON as SHIM_SETUP
from dspex.primitives.interpreters.facade_shims import SANDBOX
from dspex.primitives.interpreters.interpreter import CodeInterpreterError
from dspex.primitives.interpreters.sandbox_lm import SandboxLM
from dspex.settings import context, settings
from dspex.signatures import make_signature

CONSTRUCT_TOOL = "__dspy_construct__"
CALL_TOOL = "__dspy_call__"
BRIDGEABLE_KINDS = ("Predict", "ChainOfThought", "RLM", "CodeAct", "ProgramOfThought", "ReAct", "ReActV2")
"""The modules that sandboxed code may build."""
SIGNATURE_MARKER = "__dspy_sig__"
TOOL_MARKER = "__dspy_tool__"
HOST_TOKEN_VAR = "__dspy_host_token"
_HOST_PROCESS_TOKEN = secrets.token_hex(16)
"""By which code can tell that it runs in the host's own memory."""


def is_reserved_sandbox_name(name: str) -> bool:
    """Say whether the stand-in for ``dspy`` needs the name for itself."""
    return name == "dspy" or name.startswith(("_dspy", "__dspy"))


class FacadeInvocation:
    """The sub-agents of one call of a module: what its code has built, and what they may spend.

    Args:
        tools: The module's tools by name; code may pass these, and no other, to its sub-agents.
        interpreter_factory: Where sub-agents that run code run it.
        max_predictor_calls: How many calls of sub-agents there may be; None for any number.
        modules: The classes of `BRIDGEABLE_KINDS` by name.
        custom_types: Types by name, for string signatures.
        lm: For the sub-agents; ``settings.lm`` when None.
        reserve: Told, before each LM call, how many completions it asks for; it raises when they are too many.
        originals: Values to put back for the strings by which the code knows them.
    """

    def __init__(
        self,
        tools: dict[str, Any],
        interpreter_factory: Callable[[], Any],
        max_predictor_calls: int | None,
        *,
        modules: Mapping[str, type],
        custom_types: dict[str, type] | None = None,
        lm: Any = None,
        reserve: Callable[[int], None] | None = None,
        originals: dict[str, Any] | None = None,
    ) -> None:
        self._tools = tools
        self._interpreter_factory = interpreter_factory
        self._max_predictor_calls = max_predictor_calls
        self._modules = modules
        self._custom_types = custom_types
        self._lm = lm
        self._reserve = reserve
        self._originals = originals or {}
        self._predictors: dict[str, Any] = {}
        self._calls = 0
        self._lm_error: tuple[LMError, str] | None = None

    def install(self, interpreter: Any) -> None:
        """Make ``import dspy`` work in `interpreter`.

        Raises:
            CodeExecutionError, SyntaxError: it cannot run the stand-in.
        """
        interpreter.tools.update({CONSTRUCT_TOOL: self.construct, CALL_TOOL: self.call})
        if hasattr(interpreter, "provide_module"):  # our own sandbox, which runs a dialect
            interpreter.provide_module("dspy", SANDBOX)
        else:
            interpreter.execute(SHIM_SETUP, variables={HOST_TOKEN_VAR: _HOST_PROCESS_TOKEN})

    def construct(self, kind: str, signature: Any, attr_name: str, kwargs: dict[str, Any] | None = None) -> str:
        """Build the sub-agent that the code constructs.

        Args:
            kind: The name of the module class, one of `BRIDGEABLE_KINDS`.
            signature: The signature, as the code gave it.
            attr_name: The name that the code gives the sub-agent.
            kwargs: The constructor's other arguments.

        Returns:
            The sub-agent's handle, which is `attr_name`.

        Raises:
            CodeInterpreterError: modules of this kind cannot be built from inside the sandbox.
        """
        self._lm_error = None
        if kind not in BRIDGEABLE_KINDS:
            raise CodeInterpreterError(
                f"dspy.{kind} is not supported through the sandbox dspy bridge yet "
                f"(bridgeable: {', '.join(BRIDGEABLE_KINDS)})"
            )
        self._predictors[attr_name] = self._build(kind, signature, kwargs or {})
        return attr_name

    def call(self, handle: str, inputs: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run a sub-agent that `construct` built.

        Args:
            handle: Its handle.
            inputs: The values of its input fields by name.

        Returns:
            Its outputs by name.

        Raises:
            CodeInterpreterError: there is no such sub-agent, the budget of calls is used up, or the LM failed.
        """
        self._lm_error = None
        self._calls += 1
        if self._max_predictor_calls is not None and self._calls > self._max_predictor_calls:
            raise CodeInterpreterError(
                f"Sandboxed forward exceeded its predictor-call budget ({self._max_predictor_calls}). "
                "Raise max_predictor_calls if this is expected."
            )
        predictor = self._predictors.get(handle)
        if predictor is None:
            raise CodeInterpreterError(f"Unknown predictor handle: {handle!r}")
        restored = {name: restore_custom_types(value, self._originals) for name, value in (inputs or {}).items()}
        try:
            with self._lm_scope():
                return prediction_to_fields(predictor(**restored))
        except LMError as error:
            tag = f"[dspy bridge lm-error #{self._calls}]"
            self._lm_error = (error, tag)
            raise CodeInterpreterError(f"{tag} {type(error).__name__}: {error}") from error

    def _lm_scope(self) -> AbstractContextManager[None]:
        lm = self._lm if self._lm is not None else settings.lm
        if lm is None:
            return nullcontext()
        if isinstance(lm, SandboxLM) and self._reserve is None:
            return context(lm=lm)
        return context(lm=SandboxLM(lm, self._reserve))

    def _build(self, kind: str, signature: Any, options: dict[str, Any]) -> Any:
        if "interpreter_factory" in options:
            raise CodeInterpreterError(
                f"dspy.{kind} built in the sandbox runs on the host module's interpreter; "
                "sandboxed code cannot choose its interpreter_factory."
            )
        cls: Any = self._modules[kind]
        known = {name: self._with_tools(value) for name, value in options.items()}
        if _takes_a_factory(cls):
            known["interpreter_factory"] = self._interpreter_factory
        return cls(_resolve_signature(signature, self._custom_types), **known)

    def _with_tools(self, value: Any) -> Any:
        """`value` with the module's tools in place of their names."""
        if isinstance(value, dict) and TOOL_MARKER in value:
            name = value[TOOL_MARKER]
            if name not in self._tools:
                raise CodeInterpreterError(
                    f"Sandboxed code referenced tool {name!r}, which was not provided to the host module's tools. "
                    "Functions authored inside the sandbox cannot be handed to a bridged sub-predictor."
                )
            return self._tools[name]
        if isinstance(value, list):
            return [self._with_tools(item) for item in value]
        if isinstance(value, dict):
            return {name: self._with_tools(item) for name, item in value.items()}
        return value


def prediction_to_fields(pred: Any) -> dict[str, Any]:
    """Turn a prediction's outputs (or a dict) into what JSON can hold.

    Raises:
        CodeInterpreterError: it is neither, or JSON cannot hold it.
    """
    store = getattr(pred, "_store", pred if isinstance(pred, dict) else None)
    if store is None:
        raise CodeInterpreterError(f"A bridged predictor must return a dspy.Prediction; got {type(pred).__name__}")
    fields = {name: _jsonable(value) for name, value in dict(store).items()}
    try:
        json.dumps(fields)
    except TypeError as error:
        raise CodeInterpreterError(
            "A bridged predictor returned a field that cannot cross the sandbox boundary "
            f"(must be JSON-serializable): {error}"
        ) from error
    return fields


def restore_custom_types(value: Any, originals: dict[str, Any]) -> Any:
    """Put the host's own objects back in place of the strings that stand for them in the sandbox.

    Args:
        value: What came from the sandbox: text, dictionaries, lists.
        originals: The objects by their strings.
    """
    if isinstance(value, str):
        return originals.get(value, value)
    if isinstance(value, dict):
        return {name: restore_custom_types(item, originals) for name, item in value.items()}
    if isinstance(value, list):
        return [restore_custom_types(item, originals) for item in value]
    return value


def _jsonable(value: Any) -> Any:
    try:
        return to_jsonable_python(value)
    except PydanticSerializationError:
        return value


def _resolve_signature(signature: Any, custom_types: dict[str, type] | None = None) -> Any:
    if isinstance(signature, dict) and signature.get(SIGNATURE_MARKER):
        return make_signature(signature["signature"], signature.get("instructions"), custom_types=custom_types)
    return make_signature(signature, custom_types=custom_types) if isinstance(signature, str) else signature


def _takes_a_factory(cls: type) -> bool:
    return "interpreter_factory" in inspect.signature(cls).parameters
