"""`Module`: a program, and each of its parts."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Self, TextIO

from dspex.bridge import run_sync, wait_for
from dspex.callback import notify_callbacks
from dspex.clients.history import print_history
from dspex.errors import UsageError
from dspex.execution.parallel import asynchronous, run_parallel
from dspex.observability.callbacks import callbacks_for
from dspex.observability.switch import telemetry
from dspex.primitives import by_path
from dspex.primitives.base_module import BaseModule
from dspex.primitives.direct_call import Forward
from dspex.primitives.example import Example
from dspex.primitives.parameter import Predictor
from dspex.primitives.prediction import Prediction
from dspex.primitives.traversal import parameters_of
from dspex.primitives.usage import UsageTracker, track_usage
from dspex.settings import override, read, restore, settings

logger = logging.getLogger(__name__)


class NoForwardError(UsageError, AttributeError):
    """A module was called that defines neither `forward` nor `aforward`."""


class ProgramMeta(type):
    """Gives every module what `Module` needs, even when its ``__init__`` does not call ``super().__init__()``."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        module: Any = cls.__new__(cls, *args, **kwargs)  # type: ignore[arg-type]
        if isinstance(module, cls):
            Module._base_init(module)
            cls.__init__(module, *args, **kwargs)
        return module


class Module(BaseModule, metaclass=ProgramMeta):
    """A program: predictors, submodules, and the code in `forward` that uses them.

    A subclass defines ``forward`` (plain synchronous code, which runs concurrently all the same) or ``aforward``, or
    both. Call it as ``program(...)`` or ``await program.acall(...)``; both work whichever is defined.
    """

    _compiled: bool
    callbacks: list[Any]
    history: list[dict[str, Any]]

    def __init__(self, callbacks: list[Any] | None = None) -> None:
        self._base_init()
        self.callbacks = callbacks or []

    def _base_init(self) -> None:
        self._compiled = False
        self.callbacks = []
        self.history = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Forward.watch(cls)

    # Calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program from synchronous code."""
        if _is_watched(self):
            return self._watched(args, kwargs)
        token = override("caller_modules", [*(read("caller_modules") or ()), self])
        try:
            return self._run(args, kwargs)
        finally:
            restore(token)

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program from asynchronous code.

        Args:
            *args: Passed to `aforward`.
            **kwargs: Passed to `aforward`.

        Returns:
            What `aforward` returns, usually a `Prediction`.
        """
        if _is_watched(self):
            return await self._awatched(args, kwargs)
        token = override("caller_modules", [*(read("caller_modules") or ()), self])
        try:
            return await self._arun(args, kwargs)
        finally:
            restore(token)

    def _run(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if _nearest(self, "forward", "aforward") == "aforward":
            return wait_for(self.aforward(*args, **kwargs))  # type: ignore[attr-defined]
        return self.forward(*args, **kwargs)  # type: ignore[attr-defined]

    async def _arun(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if _nearest(self, "aforward", "forward") == "aforward":
            return await self.aforward(*args, **kwargs)  # type: ignore[attr-defined]
        result = await run_sync(self.forward, *args, **kwargs)  # type: ignore[attr-defined]
        return await result if inspect.iscoroutine(result) else result  # of an ``async def forward``

    def _watched(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        with ExitStack() as stack:
            finish = self._watch(stack, args, kwargs)
            return finish(self._run(args, kwargs))

    async def _awatched(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        with ExitStack() as stack:
            finish = self._watch(stack, args, kwargs)
            return finish(await self._arun(args, kwargs))

    def _watch(self, stack: ExitStack, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Callable[[Any], Any]:
        """Set up callbacks and the usage tracker for one call; what is returned takes the call's result."""
        listeners = callbacks_for(self)
        call = None
        if listeners:
            inputs = {"args": args, "kwargs": kwargs}
            call = stack.enter_context(notify_callbacks("module", self, inputs, listeners))
        token = override("caller_modules", [*(read("caller_modules") or ()), self])
        stack.callback(restore, token)
        tracker = stack.enter_context(track_usage()) if _starts_tracking() else None

        def finish(result: Any) -> Any:
            if tracker is not None:
                _note_usage(result, tracker)
            if call is not None:
                call.outputs = result
            return result

        return finish

    # Parts

    def named_predictors(self) -> list[tuple[str, Any]]:
        """The predictors with their paths, in program order."""
        return [(path, part) for path, part in self.named_parameters() if isinstance(part, Predictor)]

    def predictors(self) -> list[Any]:
        """The predictors of this program: see `named_predictors`."""
        return [predictor for _, predictor in self.named_predictors()]

    def predictor_name(self, predictor: Any) -> str | None:
        """Return the path of `predictor`, as found in a trace; None when it is no (unfrozen) part of this program."""
        return next((path for path, part in self.named_predictors() if part is predictor), None)

    def map_named_predictors(self, func: Callable[[Any], Any]) -> Self:
        """Replace each predictor with ``func(predictor)``; returns this module."""
        for _, part, place in list(parameters_of(self)):
            if isinstance(part, Predictor):
                replacement = func(part)
                if replacement is not part:
                    place(replacement)
        return self

    def set_lm(self, lm: Any) -> None:
        """Give every predictor, and every other part that asks an LM itself, this LM."""
        for part in self._asking():
            part.lm = lm

    def get_lm(self) -> Any:
        """The LM that all predictors share.

        Raises:
            UsageError: they have different LMs, or there is no predictor.
        """
        lms = {id(part.lm): part.lm for part in self._asking()}
        if len(lms) != 1:
            raise UsageError(
                f"Multiple LMs are being used in the module. There's no unique LM to return, but {len(lms)}."
                if lms
                else "The module has no predictor, so it has no LM."
            )
        return next(iter(lms.values()))

    def _asking(self) -> list[Any]:
        return [part for _, part in self.named_parameters() if isinstance(part, Module)]

    # Pickling

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("history", "callbacks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"history": [], "callbacks": [], **state})

    # Looking

    def inspect_history(self, n: int = 1, file: TextIO | None = None) -> None:
        """Print the last LM calls that this module made.

        Args:
            n: How many.
            file: Where to print; by default standard output.
        """
        print_history(self.history, n, file=file)

    def batch(
        self,
        examples: Sequence[Example],
        num_threads: int | None = None,
        max_errors: int | None = None,
        return_failed_examples: bool = False,
        provide_traceback: bool | None = None,
        disable_progress_bar: bool = False,
        timeout: float = 120,
        straggler_limit: int = 3,
    ) -> Any:
        """Run the program on many examples at once.

        Rate limits and other troubles of the provider are waited out.

        Args:
            examples: The examples; the program is called with their inputs.
            num_threads: The most examples in flight; ``settings.num_threads`` by default.
            max_errors: After how many failed examples to give up; ``settings.max_errors`` by default.
            return_failed_examples: Whether to return the failed examples and their errors, too.
            provide_traceback: Whether the log of a failure holds its traceback.
            disable_progress_bar: Whether to show no progress.
            timeout: DSPy's, of no effect: no example waits for another.
            straggler_limit: DSPy's, of no effect.

        Returns:
            The predictions in the order of `examples`, None for a failed one; with `return_failed_examples` a tuple of
            predictions, failed examples and their errors.

        Raises:
            BatchInterrupted: `max_errors` examples failed.
        """
        call = asynchronous(self)
        results, failures = wait_for(
            run_parallel(
                [partial(call, **dict(example.inputs().items())) for example in examples],
                in_flight=num_threads or settings.num_threads,
                max_errors=settings.max_errors if max_errors is None else max_errors,
                show_progress=not disable_progress_bar,
                provide_traceback=provide_traceback,
            )
        )
        if not return_failed_examples:
            return results
        return results, [examples[index].inputs() for index, _ in failures], [error for _, error in failures]

    def __repr__(self) -> str:
        return "\n".join(f"{path} = {predictor}" for path, predictor in self.named_predictors())


def _is_watched(module: Module) -> bool:
    """Whether a call has to do more than run: mostly not, and then it must cost nothing."""
    return bool(module.callbacks or read("callbacks") or read("track_usage") or telemetry() is not None)


def _starts_tracking() -> bool:
    return bool(settings.track_usage) and settings.usage_tracker is None


def _note_usage(result: Any, tracker: UsageTracker) -> None:
    """Tell the prediction what it took; with a trace it comes as a tuple."""
    prediction = result[0] if isinstance(result, tuple) and result else result
    if isinstance(prediction, Prediction):
        prediction.set_lm_usage(tracker.get_total_tokens())
    else:
        logger.warning(
            "Failed to set LM usage. Please return `dspy.Prediction` object from dspy.Module to enable usage tracking."
        )


def _nearest(module: Module, first: str, second: str) -> str:
    """Which of the two methods is defined closest to `module`: on itself, or in the most derived class."""
    own = module.__dict__
    if first in own:
        return first
    if second in own:
        return second
    for cls in type(module).__mro__:
        defined = cls.__dict__
        if first in defined:
            return first
        if second in defined:
            return second
    raise NoForwardError(
        f"'{type(module).__name__}' object has no attribute 'forward': a Module without that method cannot be called."
    )


def set_attribute_by_name(obj: Any, name: str, value: Any) -> None:
    """Put `value` at a path of `obj`.

    Args:
        obj: Where the path begins.
        name: The path, such as ``steps[0].predict``.
        value: The value.
    """
    by_path.set(obj, name, value)
