"""`Refine`: several tries, each with advice drawn from the one before."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

import orjson

from dspex.adapters.annotations import field_list
from dspex.predict.attempts import Attempts, RewardFunction, Trace, as_of, sampling_copy
from dspex.predict.invoker import Invoker
from dspex.predict.predict import Predict
from dspex.predict.repeated import Repeated
from dspex.primitives.module import Module
from dspex.primitives.prediction import Prediction
from dspex.settings import context, settings
from dspex.signatures import InputField, OutputField, Signature

_NOT_TO_BLAME = "N/A"


class OfferFeedback(Signature):  # type: ignore[metaclass]  # mypy cannot see the metaclass of pydantic's
    """
    In the discussion, assign blame to each module that contributed to the final reward being below the threshold, if
    any. Then, prescribe concrete advice of how the module should act on its future input when we retry the process, if
    it were to receive the same or similar inputs. If a module is not to blame, the advice should be N/A.
    The module will not see its own history, so it needs to rely on entirely concrete and actionable advice from you
    to avoid the same mistake on the same or similar inputs.
    """

    program_code: str = InputField(desc="The code of the program that we are analyzing")
    modules_defn: str = InputField(desc="The definition of each module in the program, including its I/O")
    program_inputs: str = InputField(desc="The inputs to the program that we are analyzing")
    program_trajectory: str = InputField(desc="The trajectory of the program's execution, showing each module's I/O")
    program_outputs: str = InputField(desc="The outputs of the program that we are analyzing")
    reward_code: str = InputField(desc="The code of the reward function that we are analyzing")
    target_threshold: float = InputField(desc="The target threshold for the reward function")
    reward_value: float = InputField(desc="The reward value assigned to the program's outputs")
    module_names: list[str] = InputField(desc="The names of the modules in the program, for which we seek advice")
    discussion: str = OutputField(desc="Discussing blame of where each module went wrong, if it did")
    advice: dict[str, str] = OutputField(
        desc="For each module, describe very concretely, in this order: the specific scenarios in which it has made "
        "mistakes in the past and what each mistake was, followed by what it should do differently in that kind of"
        "scenario in the future. If the module is not to blame, write N/A."
    )


class Refine(Repeated):
    """Runs a module up to `N` times, as `BestOfN` does; after each try that falls short an LM advises the next one.

    The adviser (the configured LM) sees the program's code, its steps, the reward function's code and the reward. Its
    advice reaches each predictor as one more input field, ``hint_``.

    Args:
        module: What to run.
        N: How often at most.
        reward_fn: Rates a prediction, given the inputs as a dict and the prediction. It may be asynchronous.
        threshold: The reward that is good enough; None to run all `N`.
        fail_count: How many runs may fail: when one more does, or when all have, the error is raised. `N` by default.

    Source: DSPy's module of this name; the adviser's prompt is its `OfferFeedback`, to the byte.
    """

    def __init__(
        self,
        module: Module,
        N: int,
        reward_fn: RewardFunction,
        threshold: float,
        fail_count: int | None = None,
    ) -> None:
        super().__init__(module, N, reward_fn, threshold, fail_count)
        self.module_code = _source(type(module))
        self.reward_fn_code = _source(reward_fn)

    async def _search(self, invoker: Invoker, inputs: dict[str, Any]) -> Prediction | None:
        attempts = Attempts(self, self.fail_count)
        advice: Mapping[str, str] | None = None
        for index in range(self.N):
            last = index == self.N - 1
            program, rollout = sampling_copy(self.module, index, owner=self)
            if advice:
                _give_hints(advice, program)
            try:
                with context(trace=[]):
                    prediction = await invoker.call(program, **inputs)
                    trace = list(settings.trace)
                    reward = await invoker.run(self.reward_fn, inputs, prediction)
                attempts.note(prediction, as_of(self.module, program, trace), reward)
                if last or (self.threshold is not None and reward >= self.threshold):
                    break
                advice = await self._advice(invoker, program, inputs, prediction, trace, reward)
            except Exception as error:  # noqa: BLE001 - a run may fail in any way; `failed` raises it when it counts
                attempts.failed(index + 1, rollout, error, last)
        return attempts.result()

    async def _advice(
        self, invoker: Invoker, program: Module, inputs: Any, prediction: Prediction, trace: Trace, reward: Any
    ) -> Mapping[str, str] | None:
        """Advice by predictor."""
        names = {id(predictor): name for name, predictor in program.named_predictors()}
        steps = [
            {"module_name": names.get(id(predictor), type(predictor).__name__), "inputs": given, "outputs": dict(made)}
            for predictor, given, made in trace
        ]
        given = {
            "program_code": self.module_code,
            "modules_defn": inspect_modules(self.module),
            "program_inputs": inputs,
            "program_trajectory": steps,
            "program_outputs": dict(prediction),
            "reward_code": self.reward_fn_code,
            "target_threshold": self.threshold,
            "reward_value": reward,
            "module_names": list(names.values()),
        }
        with context(warn_on_type_mismatch=False):  # every input is passed as text
            answer = await invoker.call(Predict(OfferFeedback), **{name: _text(value) for name, value in given.items()})
        return answer.advice  # type: ignore[no-any-return]


def inspect_modules(program: Module) -> str:
    """Describe each predictor of `program` for the adviser: its input and output fields and its instructions."""
    rule = "-" * 80
    parts = [rule]
    for name, predictor in program.named_predictors():
        signature = predictor.signature
        parts += [
            f"Module {name}",
            "\n\tInput Fields:",
            _indented(field_list(signature.input_fields)),
            "\tOutput Fields:",
            _indented(field_list(signature.output_fields)),
            f"\tOriginal Instructions: {_indented(textwrap.dedent(signature.instructions))}",
            rule,
        ]
    return "\n".join(part.strip("\n") for part in parts)


def recursive_mask(o: Any) -> Any:
    """`o` with a placeholder for everything in it that JSON cannot hold."""
    try:
        orjson.dumps(o)
    except TypeError:
        pass
    else:
        return o
    if isinstance(o, dict):
        return {key: recursive_mask(value) for key, value in o.items()}
    if isinstance(o, list | tuple):
        return type(o)(map(recursive_mask, o)) if type(o) in (list, tuple) else [recursive_mask(each) for each in o]
    return f"<non-serializable: {type(o).__name__}>"


def _indented(text: str) -> str:
    return "\n\t\t".join(["", *text.splitlines()])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(recursive_mask(value), option=options).decode()


def _source(thing: Any) -> str:
    """The code of a class, a function, or the class of a callable object."""
    try:
        return inspect.getsource(thing)
    except TypeError:
        return _source(type(thing))
    except OSError:  # typed into a prompt, or made by exec
        return f"# The source code of {getattr(thing, '__qualname__', thing)} is not available."


def _give_hints(advice: Mapping[str, str], program: Module) -> None:
    """Give each predictor of `program` its advice, as one more input with that default."""
    for name, predictor in program.named_predictors():
        hint = str(advice.get(name, _NOT_TO_BLAME))
        field: Any = InputField(desc="A hint to the module from an earlier run", default=hint)
        predictor.signature = predictor.signature.append("hint_", field)
