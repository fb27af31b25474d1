"""Budgets at the client: the most that a call can come to, and what is said when there is no room for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from client_fakes import FakeTransport, MemoryLedger, completion, response

import dspex
from dspex.clients.calls.calling_predictor import calling_predictor
from dspex.clients.calls.scope import CallScope, call_scope
from dspex.clients.canonical.request import encode_messages
from dspex.clients.cost.budget import refusal
from dspex.clients.cost.upper_bound import MEDIA_TOKENS, longest_answer, request_upper_bound
from dspex.errors import BudgetExceededError, FailureKind, LMConfigurationError, UsageError, classify
from dspex.settings import context
from dspex.store import BudgetExhausted, CostUpperBound, Spending, Won

Make = Callable[..., Any]
PRICE = {"input": 1.0, "output": 10.0}


def body(text: str, params: bytes = b'"max_tokens":100') -> bytes:
    return b'{"messages":[%b],%b}' % (encode_messages([{"role": "user", "content": text}])[0], params)


@pytest.mark.parametrize(
    "text", ["", "hello world", "\u4f60\u597d" * 50, "\U0001f600" * 30, '"\\\n' * 40, "a" * 10_000]
)
def test_prompt_is_taken_at_a_token_a_byte_or_more(text: str) -> None:
    most = request_upper_bound("openai/mine", body(text), PRICE)
    assert most.tokens >= len(text.encode()) + 100
    assert most.usd == pytest.approx(((most.tokens - 100) * 1.0 + 100 * 10.0) / 1e6)


@pytest.mark.parametrize(
    ("model", "params", "tokens"),
    [
        ("openai/gpt-4o-mini", b'"max_tokens":7', 7),
        ("openai/o3-mini", b'"max_completion_tokens":20000', 20_000),
        ("gemini/gemini-2.5-flash", b'"generationConfig":{"maxOutputTokens":9,"candidateCount":3}', 27),
        ("openai/gpt-4o-mini", b'"max_tokens":7,"n":5', 35),
        ("openai/gpt-4o-mini", b'"temperature":1', 16_384),
        ("openai/gpt-5-mini", b'"temperature":1', 128_000),
    ],
)
def test_answer_is_taken_at_its_longest(model: str, params: bytes, tokens: int) -> None:
    assert longest_answer(model, body("hi", params)) == tokens


def test_text_that_looks_like_a_parameter_is_none() -> None:
    assert longest_answer("openai/mine", body('{"max_tokens":999999,"n":9}')) == 100


def test_image_that_is_sent_by_its_address_counts() -> None:
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://images.test/a.png"}}]}]
    sent = b'{"messages":[%b],"max_tokens":1}' % encode_messages(image)[0]
    assert request_upper_bound("openai/mine", sent, None).tokens > MEDIA_TOKENS


def test_writing_to_the_providers_cache_may_cost_more() -> None:
    price = {"input": 1.0, "cache_write": 4.0, "output": 0.0}
    plain, marked = body("hi"), body('x","cache_control":{"type":"ephemeral"},"y":"').replace(b'\\"', b'"')
    assert request_upper_bound("mine", plain, price).usd == pytest.approx(len(plain) / 1e6)
    assert request_upper_bound("mine", marked, price).usd == pytest.approx(4 * len(marked) / 1e6)


@pytest.mark.parametrize(
    "limits",
    [{}, {"usd": -1.0}, {"usd": float("inf")}, {"usd": float("nan")}, {"usd": "20"}, {"tokens": 1.5}, {"calls": True},
     {"usd": 1e9}],
)  # fmt: skip
def test_what_is_no_budget_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        dspex.Budget(**limits)


def test_budget_in_words() -> None:
    assert str(dspex.Budget(usd=20, calls=1000)) == "$20, 1000 calls"


def test_refusal_says_what_is_spent_and_what_a_call_may_cost() -> None:
    spending = Spending(usd=2.0, tokens=None, calls=None, used_usd=1.9, used_tokens=7, used_calls=3)
    error = refusal(BudgetExhausted("nightly", spending, CostUpperBound(100, 0.25)), "openai/gpt-4o")
    assert isinstance(error, BudgetExceededError)
    assert (error.run_id, classify(error)) == ("nightly", FailureKind.BUDGET)
    assert "$1.9000 of $2.0000" in str(error)
    assert "$0.2500" in str(error)


def test_unpriced_model_is_a_matter_of_the_set_up() -> None:
    spending = Spending(usd=2.0, tokens=None, calls=None, used_usd=0.0, used_tokens=0, used_calls=0)
    error = refusal(BudgetExhausted("nightly", spending, CostUpperBound(100, None)), "openai/mine")
    assert isinstance(error, LMConfigurationError)
    assert "price=" in str(error)


class Refusing(MemoryLedger):
    """Has room for nothing."""

    async def claim(self, key: str, run_id: str | None = None) -> Any:
        return Won(limited=run_id == "run")

    async def reserve(self, key: str, payer: Any) -> Any:
        assert payer.run_id == "run"
        self.most = payer.most()
        return BudgetExhausted("run", Spending(None, None, 1, 0.0, 0, 1), self.most)


async def test_refused_call_is_not_made_and_its_scope_knows_why(make_lm: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, transport, scope = Refusing(), FakeTransport(), CallScope("run", "step/1")
    monkeypatch.setattr("dspex.clients.prepare.current_ledger", lambda: ledger)
    with call_scope(scope), pytest.raises(BudgetExceededError, match="1 of 1 calls"):
        await make_lm(transport, max_tokens=50, price=PRICE).acall("How many?")
    assert transport.sent == []
    assert isinstance(scope.failure, BudgetExceededError)
    assert ledger.most.tokens >= len("How many?") + 50
    assert ledger.most.usd is not None


async def test_entry_tells_tokens_price_predictor_and_outcome(make_lm: Make, ledger: MemoryLedger) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    answer = {**completion("[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]"), "usage": usage}
    program = dspex.Predict("question -> answer")
    price = {"input": 1.0, "cached_input": 0.5, "output": 4.0}
    lm = make_lm(FakeTransport(response(body=answer)), price=price)
    with call_scope(CallScope("run", "step/1", program=program)), context(lm=lm):
        await program.acall(question="Where?")
    (entry,) = ledger.entries.values()
    assert (entry.prompt_tokens, entry.cached_tokens, entry.completion_tokens, entry.reasoning_tokens) == (
        100,
        60,
        30,
        20,
    )
    assert entry.cost_usd == pytest.approx((40 * 1.0 + 60 * 0.5 + 30 * 4.0) / 1e6)
    assert (entry.run_id, entry.predictor, entry.outcome, entry.model) == ("run", "self", "stop", "openai/gpt-4o-mini")


class Outer(dspex.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = dspex.Predict("a -> b")
        self.again = dspex.BestOfN(dspex.Predict("b -> c"), N=2, reward_fn=lambda args, found: 1.0, threshold=1.0)


def test_caller_is_the_innermost_predictor_of_the_program_and_copies_go_by_its_name() -> None:
    program = Outer()
    scope = CallScope("run", "step/1", program=program)
    judge = dspex.Predict("text -> verdict")

    def caller(*modules: Any) -> str | None:
        with context(caller_modules=list(modules)):
            return calling_predictor(scope)

    assert caller(program, program.first) == "first"
    assert caller(program, program.again, program.again.module.deepcopy()) == "again.module"
    assert caller(judge) == "other/text -> verdict"
    assert caller(program) is None
    assert caller() is None


async def test_own_price_is_saved_with_the_lm_and_no_key_is(make_lm: Make) -> None:
    state = make_lm(price=PRICE).dump_state()
    assert state["price"] == PRICE
    assert dspex.LM.load_state(state).price == PRICE
    assert "price" not in make_lm().dump_state()
    with pytest.raises(UsageError, match="price of openai/mine"):
        dspex.LM("openai/mine", price={"input": 1})
