"""Callbacks: users' code that is called when a part of dspex starts and ends.

Subclass `BaseCallback`, override the methods of interest, and pass an instance as ``callbacks=[...]`` to a module, LM,
adapter, tool or `Evaluate`, or to `dspex.configure` for all of them. Names are DSPy's (``dspy.utils.callback``).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

logger = logging.getLogger(__name__)

Kind = Literal[
    "module",
    "lm",
    "adapter_format",
    "adapter_parse",
    "tool",
    "evaluate",
    "compile",
    "interpreter_execute",
    "interpreter_tool_call",
    "interpreter_startup",
    "interpreter_shutdown",
]

ACTIVE_CALL_ID: ContextVar[str | None] = ContextVar("dspex_active_call_id", default=None)
"""The id of the innermost call that callbacks were notified of: the parent of the next one."""


_Failure = BaseException | None


class BaseCallback:
    """Is notified of every start and end of a call. A callback that raises is logged, and changes nothing.

    All arguments of the methods are passed by name:

        call_id: The same text at the start and the end of a call, and different for every call.
        instance: The module, LM, adapter, tool, ... that is called.
        inputs: Its arguments by name.
        outputs: What it returned; None if it failed.
        exception: The error that it raised, or None.

    Source: DSPy's class of this name.
    """

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None: ...
    def on_module_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None: ...
    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None: ...
    def on_lm_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None: ...
    def on_adapter_format_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None: ...
    def on_adapter_format_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None: ...
    def on_adapter_parse_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None: ...
    def on_adapter_parse_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None: ...
    def on_tool_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None: ...
    def on_tool_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None: ...
    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None: ...
    def on_evaluate_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None: ...
    def on_interpreter_execute_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None: ...
    def on_interpreter_execute_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None: ...
    def on_interpreter_tool_call_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None: ...
    def on_interpreter_tool_call_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None: ...
    def on_interpreter_startup_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None: ...
    def on_interpreter_startup_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None: ...
    def on_interpreter_shutdown_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None: ...
    def on_interpreter_shutdown_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None: ...
    def on_compile_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None: ...
    def on_compile_end(self, call_id: str, outputs: Any, exception: _Failure = None) -> None: ...


class ReportedCall:
    """A call that callbacks are notified of; the caller sets `outputs`."""

    outputs: Any = None


@contextmanager
def notify_callbacks(
    kind: Kind, instance: Any, inputs: Mapping[str, Any], callbacks: Sequence[Any]
) -> Iterator[ReportedCall]:
    """Notify `callbacks` of the start and the end of the call inside the block.

    Args:
        kind: What is called; it decides which methods of the callbacks are used.
        instance: The module, LM, adapter, tool, ...
        inputs: The arguments, by name.
        callbacks: In the order in which they are notified. One that raises is logged.
    """
    call_id = uuid.uuid4().hex
    call, failure = ReportedCall(), None
    _notify(callbacks, kind, "start", call_id=call_id, instance=instance, inputs=dict(inputs))
    token = ACTIVE_CALL_ID.set(call_id)
    try:
        yield call
    except BaseException as error:
        failure = error
        raise
    finally:
        ACTIVE_CALL_ID.reset(token)
        _notify(callbacks, kind, "end", call_id=call_id, outputs=call.outputs, exception=failure)


def _notify(callbacks: Sequence[Any], kind: Kind, event: Literal["start", "end"], **what: Any) -> None:
    hook = f"on_{kind}_{event}"
    for callback in callbacks:
        try:
            getattr(callback, hook)(**what)
        except Exception as error:  # noqa: BLE001 - the user's code may fail in any way, and must not fail the call
            said = "calling callback %s: %s" if event == "start" else "applying callback %s's end handler: %s"
            logger.warning(f"Error when {said} (%s, in its %s)", callback, error, type(error).__name__, hook)
