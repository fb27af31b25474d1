"""What `BestOfN` and `Refine` have in common: what they are made of, and one search for both ways of calling."""

from __future__ import annotations

from typing import Any

from dspex.predict.attempts import RewardFunction, check_arguments
from dspex.predict.invoker import ASYNC, SYNC, Invoker, run_steps
from dspex.primitives.module import Module
from dspex.primitives.prediction import Prediction


class Repeated(Module):
    """Runs a module several times. A subclass says in `_search` which prediction is returned."""

    def __init__(
        self,
        module: Module,
        N: int,
        reward_fn: RewardFunction,
        threshold: float,
        fail_count: int | None = None,
    ) -> None:
        """Set up the module; `BestOfN` and `Refine` describe the arguments.

        Args:
            module: What to run.
            N: The most runs.
            reward_fn: Rates a prediction, given the inputs as a dict and the prediction. It may be asynchronous.
            threshold: The reward that is good enough; None for none.
            fail_count: How many runs may fail; `N` by default.

        Raises:
            UsageError: an argument is wrong.
        """
        super().__init__()
        self.reward_fn, self.fail_count = check_arguments(self, module, N, reward_fn, threshold, fail_count)
        self.module = module
        self.threshold = threshold
        self.N = N

    def forward(self, **kwargs: Any) -> Prediction | None:
        """Run the module on the input fields given as keywords, and return the best prediction.

        Returns:
            The prediction; None where every run failed, `fail_count` notwithstanding.

        Raises:
            Exception: a run's own error, when more than `fail_count` runs, or all of them, have failed.
        """
        return run_steps(self._search(SYNC, kwargs))

    async def aforward(self, **kwargs: Any) -> Prediction | None:
        """`forward`, for asynchronous code."""
        return await self._search(ASYNC, kwargs)

    async def _search(self, invoker: Invoker, inputs: dict[str, Any]) -> Prediction | None:
        """The prediction for `inputs`, or None where every run failed and nothing is raised."""
        raise NotImplementedError
