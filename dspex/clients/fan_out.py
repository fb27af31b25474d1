"""Several answers from a provider that gives one to a call: as many calls at once, and their answers in one."""

from __future__ import annotations

import asyncio
from typing import Any

from dspex.clients.calls.call import FinishedCall, LMOptions
from dspex.clients.calls.pipeline import answer
from dspex.clients.canonical.answer import Answer
from dspex.clients.prepare import prepare
from dspex.clients.wires.endpoints import takes_n


def asks_one_by_one(lm: LMOptions, params: dict[str, Any]) -> bool:
    """Tell whether each of the ``n`` answers that a request asks for needs a call of its own.

    Args:
        lm: The model.
        params: Parameters of the request, with ``n`` among them.
    """
    count = params.get("n")
    if not isinstance(count, int) or isinstance(count, bool) or count < 2:
        return False
    direct = lm.engine_transport is None and not lm.goes_through_litellm(params)
    return direct and not takes_n(lm.model_name, lm.model_type)


async def fan_out(
    lm: LMOptions, prompt: str | None, messages: list[dict[str, Any]] | None, params: dict[str, Any]
) -> tuple[Answer, list[FinishedCall]]:
    """Make one call for each of the ``n`` answers, all at once, and join the answers. Each call is recorded by itself.

    The first is that of the same request with ``n=1``. If one fails, the others are still waited for, since they are
    paid; asked again, they come from the ledger. Where answers are streamed, the first one is.

    Args:
        lm: The model.
        prompt: The text of one user message. Ignored where `messages` is given.
        messages: A conversation in OpenAI's chat format.
        params: Parameters of the request; ``n`` is at least 2.

    Returns:
        The joined answer, and the calls in the order of its choices.

    Raises:
        LMError: one of the calls failed; the first in order, if several did.
    """
    asked = {name: value for name, value in params.items() if name != "n"}
    calls = [prepare(lm, prompt, messages, asked, nth) for nth in range(params["n"])]
    outcomes = await asyncio.gather(*map(answer, calls), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    found = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    reply = in_one([reply for reply, _ in found])
    reply.cache_hit = all(reply.cache_hit for reply, _ in found)
    return reply, [finished for _, finished in found]


def in_one(replies: list[Any]) -> Answer:
    """Join answers to one with all their choices; in the Responses API, with the answers themselves as `responses`."""
    whole = Answer(replies[0])
    usages = [reply["usage"] for reply in replies if isinstance(reply.get("usage"), dict)]
    if usages:
        whole["usage"] = _sum(usages)
    if "output" in whole:
        whole["responses"] = [dict(reply) for reply in replies]
    else:
        choices = [choice for reply in replies for choice in reply["choices"]]
        whole["choices"] = [{**choice, "index": index} for index, choice in enumerate(choices)]
    return whole


def _sum(usages: list[dict[str, Any]]) -> dict[str, Any]:
    """The counts of all together; of what is no count, the first."""
    total: dict[str, Any] = {}
    for usage in usages:
        for name, value in usage.items():
            known = total.get(name)
            if isinstance(value, dict):
                total[name] = _sum([known, value]) if isinstance(known, dict) else _sum([value])
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                total[name] = (known or 0) + value
            else:
                total.setdefault(name, value)
    return total
