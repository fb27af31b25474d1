"""Budgets of runs as users give them, and the error of a call that a budget cannot cover."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, TypedDict

from dspex.clients.cost.pricing import price_of
from dspex.errors import BudgetExceededError, LMConfigurationError, UsageError

if TYPE_CHECKING:
    from dspex.store.records.budget import BudgetExhausted, Spending

_MOST_USD = 1e6
_MOST_COUNT = 10**15


class BudgetLimits(TypedDict):
    """The limits of a budget; None where there is none."""

    usd: float | None
    tokens: int | None
    calls: int | None


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend at most, in all: it stops *before* it would pass any of these.

    Args:
        usd: US dollars, at the prices of `dspex.clients.cost.pricing`. Every model of the run must have one.
        tokens: Prompt and completion tokens together.
        calls: Calls that are paid for; answers from the ledger cost nothing.

    Raises:
        UsageError: there is no limit, or one is no number of zero or more.
    """

    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None

    def __post_init__(self) -> None:
        if self.usd is None and self.tokens is None and self.calls is None:
            raise UsageError("A budget limits something: dspex.Budget(usd=20), or tokens=, or calls=.")
        for name, limit in self.limits.items():
            whole = isinstance(limit, int) and not isinstance(limit, bool) and limit <= _MOST_COUNT
            fits = whole or (name == "usd" and isinstance(limit, float) and isfinite(limit))
            if not fits or limit < 0 or (name == "usd" and limit > _MOST_USD):
                kind = f"a number of dollars, from 0 to {_MOST_USD:.0f}" if name == "usd" else "a whole number of them"
                raise UsageError(f"Budget({name}={limit!r}): this is not {kind}.")

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return {name: limit for name, limit in asdict(self).items() if limit is not None}

    @property
    def given(self) -> BudgetLimits:
        """All three, for `dspex.store.Budgets.set`."""
        return {"usd": self.usd, "tokens": self.tokens, "calls": self.calls}

    def __str__(self) -> str:
        usd = [] if self.usd is None else [f"${self.usd:g}"]
        counts = [f"{limit} {name}" for name, limit in self.limits.items() if name != "usd"]
        return ", ".join([*usd, *counts])


def refuse_unpriced(lm: Any, budget: Budget | None) -> None:
    """Raise now where a budget in dollars would refuse the first call.

    Args:
        lm: The model that the run calls. A user's LM without a `price` passes: only its call knows.
        budget: The run's budget. None, or one without dollars, refuses nothing.

    Raises:
        LMConfigurationError: no price of `lm` is known.
    """
    if budget is None or budget.usd is None or not hasattr(lm, "price"):  # a user's LM: only its call knows
        return
    if price_of(lm.model, lm.price) is None:
        raise _no_price(lm.model)


def of_spending(spending: Spending) -> Budget:
    """Return the budget whose use `spending` describes."""
    return Budget(spending.usd, spending.tokens, spending.calls)


def refusal(spent: BudgetExhausted, model: str) -> Exception:
    """Build the error for a call that would have to be paid for, when the budget has no room for it.

    Args:
        spent: What the ledger answered: the spending of the run, and the most that the call could cost.
        model: The model of the call.

    Returns:
        A `BudgetExceededError`; an `LMConfigurationError` where the budget is in dollars and the model has no price.
    """
    spending, most = spent.spending, spent.most
    lacking = spending.lacking(most)
    if lacking == "usd" and most.usd is None:
        return _no_price(model)
    asks = {"calls": "", "tokens": f" with up to {most.tokens} tokens", "usd": f" at up to ${most.usd or 0.0:.4f}"}
    error = BudgetExceededError(
        f"The budget of the run {spent.run_id!r} is used up: {spending}. There is no room for another call of "
        f"{model}{asks[lacking or 'calls']}."
    )
    error.model, error.run_id = model, spent.run_id
    return error


def _no_price(model: str) -> LMConfigurationError:
    return LMConfigurationError(
        "The run has a budget in dollars, and no price of this model is known. Give one, in US dollars per million "
        "tokens: dspex.LM(..., price={'input': 0.15, 'output': 0.6}), dspex.configure(prices={MODEL: ...}), or --price "
        "on the command line; or a budget in tokens or calls.",
        model=model,
    )
