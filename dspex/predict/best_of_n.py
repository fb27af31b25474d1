"""`BestOfN`: several tries, the best of them."""

from __future__ import annotations

from typing import Any

from dspex.predict.attempts import Attempts, as_of, sampling_copy
from dspex.predict.invoker import Invoker
from dspex.predict.repeated import Repeated
from dspex.primitives.prediction import Prediction
from dspex.settings import context, settings


class BestOfN(Repeated):
    """Runs a module up to `N` times, one after another, and returns the prediction with the highest reward.

    Each run samples anew: at temperature 1.0, with a rollout id of its own (``start, start + 1, ...``, where `start` is
    that of the LM, or 0). The first prediction to reach `threshold` is returned at once.

    Args:
        module: What to run.
        N: How often at most.
        reward_fn: Rates a prediction, given the inputs as a dict and the prediction. It may be asynchronous.
        threshold: The reward that is good enough; None to run all `N`.
        fail_count: How many runs may fail: when one more does, or when all have, the error is raised. `N` by default.

    Source: DSPy's module of this name.
    """

    async def _search(self, invoker: Invoker, inputs: dict[str, Any]) -> Prediction | None:
        attempts = Attempts(self, self.fail_count)
        for index in range(self.N):
            program, rollout = sampling_copy(self.module, index, owner=self)
            try:
                with context(trace=[]):
                    prediction = await invoker.call(program, **inputs)
                    trace = list(settings.trace)
                    reward = await invoker.run(self.reward_fn, inputs, prediction)
                attempts.note(prediction, as_of(self.module, program, trace), reward)
                if self.threshold is not None and reward >= self.threshold:
                    break
            except Exception as error:  # noqa: BLE001 - a run may fail in any way; `failed` raises it when it counts
                attempts.failed(index + 1, rollout, error, last=index == self.N - 1)
        return attempts.result()
