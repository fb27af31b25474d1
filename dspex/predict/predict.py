"""`Predict`: one question to a language model, as a signature puts it."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import uuid4

from dspex.clients import BaseLM
from dspex.errors import LMNotConfiguredError, UsageError
from dspex.predict import state as predictor_state
from dspex.predict.inputs import complete_inputs
from dspex.predict.state import serialize_object
from dspex.primitives.module import Module
from dspex.primitives.parameter import Predictor
from dspex.primitives.prediction import Prediction
from dspex.settings import DEFAULT_CONFIG, DefaultTrace, context, read
from dspex.signatures import ensure_signature

__all__ = ["Predict", "serialize_object"]

logger = logging.getLogger(__name__)
"""Where predictors warn: of inputs, and of states (`dspex.predict.state`)."""


class Predict(Module, Predictor):
    """Asks a language model for the outputs of a signature, given its inputs and demos.

    Called with the input fields as keywords. Further keywords hold for one call: `signature`, `demos`, `config`
    (request parameters), `lm`.

    Args:
        signature: ``"question -> answer"``, or a `Signature` class.
        callbacks: Called at the start and end of each call.
        **config: Request parameters such as ``temperature``, for every call.

    Source: Khattab et al., "DSPy: Compiling Declarative Language Model Calls into Self-Improving Pipelines" (2023).
    """

    def __init__(self, signature: Any, callbacks: list[Any] | None = None, **config: Any) -> None:
        super().__init__(callbacks=callbacks)
        self.stage = uuid4().hex[:16]
        self.signature = ensure_signature(signature)
        self.config = config
        self.fields: dict[str, Any] = {}
        self._warned: set[Any] = set()
        self.reset()

    def reset(self) -> None:
        """Forget LM, demos and traces."""
        self.lm: Any = None
        self.traces: list[Any] = []
        self.train: list[Any] = []
        self.demos: list[Any] = []

    # Calling

    def forward(self, *args: Any, **inputs: Any) -> Prediction:
        """Ask the LM once and return its answers as a prediction.

        Args:
            *args: Refused: inputs are passed by name.
            **inputs: The signature's input fields, and the keywords that hold for one call (see the class).

        Raises:
            LMNotConfiguredError: there is no LM, or it is not a `BaseLM`.
            LMError: the call failed.
            AdapterParseError: an answer does not hold the output fields.
        """
        call = self._prepare(args, inputs)
        ask = call.adapter
        if read("send_stream") is not None:
            with self._streaming():
                return self._finish(call, ask(call.lm, **call.of_adapter()))
        return self._finish(call, ask(call.lm, **call.of_adapter()))

    async def aforward(self, *args: Any, **inputs: Any) -> Prediction:
        """`forward`, for asynchronous code."""
        call = self._prepare(args, inputs)
        answer = call.adapter.acall(call.lm, **call.of_adapter())
        if read("send_stream") is not None:
            with self._streaming():
                return self._finish(call, await answer)
        return self._finish(call, await answer)

    def _streaming(self) -> AbstractContextManager[None]:
        """Let the LM stream its answer under this predictor's name, if a listener is bound to this predictor."""
        listeners = read("stream_listeners")
        if listeners and not any(listener.predict is self for listener in listeners):
            return context(send_stream=None)
        return context(caller_predict=self)

    def _prepare(self, args: tuple[Any, ...], inputs: dict[str, Any]) -> _Call:
        """Take the keywords that are not inputs out of `inputs`, and gather all that the call needs."""
        if args:
            self._refuse_positional()
        signature = inputs.pop("signature", None)
        signature = self.signature if signature is None else ensure_signature(signature)
        demos = inputs.pop("demos", self.demos)
        config = {**self.config, **inputs.pop("config", {})}
        lm = _usable(inputs.pop("lm", None) or self.lm or read("lm"))
        keep_trace = inputs.pop("_trace", True)
        if "prediction" in inputs and _is_predicted_output(inputs["prediction"]):
            config["prediction"] = inputs.pop("prediction")
        _keep_samples_apart(config, lm)
        complete_inputs(signature, inputs, self._warned, logger.warning)
        return _Call(read("adapter") or _default_adapter(), lm, config, signature, demos, inputs, keep_trace)

    def _finish(self, call: _Call, completions: list[dict[str, Any]]) -> Prediction:
        prediction = Prediction.from_completions(completions, signature=call.signature)
        trace = read("trace")
        if trace is not None and call.keep_trace:
            _append(trace, (self, dict(call.inputs), prediction))
        return prediction

    def _refuse_positional(self) -> None:
        names = list(self.signature.input_fields)
        raise UsageError(
            "Positional arguments are not allowed when calling `dspy.Predict`, must use keyword arguments that match "
            f"your signature input fields: '{', '.join(names)}'. For example: "
            f"`predict({', '.join(f'{name}=...' for name in names)})`."
        )

    # State

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"_warned": set(), **state})  # a predictor that DSPy pickled has no `_warned`

    def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
        """Traces, training examples, demos, signature and LM, in DSPy's format."""
        return predictor_state.dump(self, json_mode)

    load_state = Predictor.load_state

    def read_state(self, state: Any, *, where: str, allow_unsafe_lm_state: bool = False) -> dict[str, Any]:
        """See `Predictor.read_state`."""
        return predictor_state.read(self, state, where, allow_unsafe_lm_state)

    def update_config(self, **config: Any) -> None:
        """Change request parameters for all further calls."""
        self.config = {**self.config, **config}

    def get_config(self) -> dict[str, Any]:
        """The request parameters for every call."""
        return self.config

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.signature})"


class _Call(NamedTuple):
    """All that one call needs."""

    adapter: Any
    lm: Any
    config: dict[str, Any]
    signature: Any
    demos: list[Any]
    inputs: dict[str, Any]
    keep_trace: bool

    def of_adapter(self) -> dict[str, Any]:
        """The keywords that an adapter is called with."""
        return {"lm_kwargs": self.config, "signature": self.signature, "demos": self.demos, "inputs": self.inputs}


def _append(trace: list[Any], entry: tuple[Predict, dict[str, Any], Prediction]) -> None:
    most = read("max_trace_size")
    if type(trace) is DefaultTrace and most == DEFAULT_CONFIG["max_trace_size"]:
        most = DefaultTrace.SIZE
    if most > 0:
        if len(trace) >= most:
            trace.pop(0)
        trace.append(entry)


@lru_cache(maxsize=1)
def _default_adapter() -> Any:
    from dspex.adapters import ChatAdapter

    return ChatAdapter()


def _usable(lm: Any) -> Any:
    if isinstance(lm, BaseLM):
        return lm
    if lm is None:
        raise LMNotConfiguredError(
            "No LM is loaded. Please configure the LM using `dspy.configure(lm=dspy.LM(...))`. e.g, "
            "`dspy.configure(lm=dspy.LM('openai/gpt-4o-mini'))`"
        )
    if isinstance(lm, str):
        call = f'dspy.configure(lm=dspy.LM("{lm}"))'
        problem = "a string"
        remedy = f"Instead of using a string like {lm!r}, please configure the LM like '{call}'."
    else:
        problem, remedy = str(type(lm)), "Subclass dspex.BaseLM for a model of your own."
    raise LMNotConfiguredError(f"LM must be an instance of `dspy.BaseLM`, not {problem}. {remedy}")


def _keep_samples_apart(config: dict[str, Any], lm: Any) -> None:
    """Several completions at a temperature near zero would all be the same: sample at 0.7 then (DSPy's rule)."""
    defaults = getattr(lm, "kwargs", None) or {}
    count = config.get("n") or defaults.get("n") or defaults.get("num_generations") or 1
    if count > 1:
        temperature = config.get("temperature") or defaults.get("temperature")
        if temperature is None or temperature <= 0.15:
            config["temperature"] = 0.7


def _is_predicted_output(value: Any) -> bool:
    """OpenAI's predicted outputs, which is a request parameter although it is passed like an input."""
    return isinstance(value, dict) and value.get("type") == "content" and "content" in value
