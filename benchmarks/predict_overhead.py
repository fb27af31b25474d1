"""CPU of one `Predict` with an LM in memory, no HTTP: dspex against DSPy. Prints one JSON line.

Budget: at most a fifth of DSPy's. Both ask a user's `BaseLM` that answers at once, with the
same demos and questions, synchronously (``predict(...)``) and on an event loop (``await predict.acall(...)``), and the
worse of the two ratios counts. The LM is the same class for both but for one attribute: ``in_memory = True`` tells
dspex that it never waits, so that a synchronous call needs no event loop. ``sync_unmarked`` is a synchronous call
without that, which goes to dspex's event loop in another thread and back. The median of `--rounds`, each in a process
of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from statistics import median
from types import SimpleNamespace
from typing import Any

from contenders import DEMOS
from side import report, run_side

CALLS = {"dspex": 10_000, "dspy": 3_000}
WARM_UP = 300
_TEXT = "[[ ## answer ## ]]\nParis is the capital of France.\n\n[[ ## completed ## ]]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=list(CALLS), help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(_predict(options.side)))
    else:
        _compare(options.rounds)


def _compare(rounds: int) -> None:
    cpu: dict[str, list[dict[str, float]]] = {side: [] for side in CALLS}
    for number in range(rounds):
        for side in CALLS if number % 2 else reversed(CALLS):
            cpu[side].append(run_side(__file__, side))
    figures = {
        side: {form: round(median(each[form] for each in found), 1) for form in found[0]} for side, found in cpu.items()
    }
    ratios = {form: figures["dspex"][form] / figures["dspy"][form] for form in figures["dspy"]}
    ratio = max(ratios["sync"], ratios["async"])
    report(
        "predict_overhead",
        "<= 1/5 of DSPy's CPU for one Predict with an LM in memory, in either form",
        ratio=ratio,
        met=ratio <= 0.2,
        dspex_us=figures["dspex"],
        dspy_us=figures["dspy"],
        ratio_by_form={form: round(each, 3) for form, each in ratios.items()},
        demos=len(DEMOS),
    )


def _predict(side: str) -> dict[str, float]:
    library = _library(side)
    predict = library.Predict("question -> answer")
    predict.demos = [library.Example(**demo) for demo in DEMOS]

    def ask(first: int, count: int) -> None:
        for index in range(first, first + count):
            predict(question=f"What is the capital of region {index}?")

    async def ask_on_a_loop(first: int, count: int) -> None:
        for index in range(first, first + count):
            await predict.acall(question=f"What is the capital of region {index}?")

    calls = CALLS[side]
    figures = {}
    for form, marked in (("sync_unmarked", False), ("sync", True)):
        library.configure(lm=_memory(library, marked))
        ask(-WARM_UP, WARM_UP)
        figures[form] = _cpu(lambda: ask(0, calls), calls)
    asyncio.run(ask_on_a_loop(-WARM_UP, WARM_UP))
    return {**figures, "async": _cpu(lambda: asyncio.run(ask_on_a_loop(0, calls)), calls)}


def _cpu(work: Callable[[], Any], calls: int) -> float:
    """Microseconds of CPU a call, all threads."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / calls * 1e6


def _library(side: str) -> Any:
    if side == "dspy":
        import dspy

        return dspy
    import dspex

    return dspex


def _memory(library: Any, marked: bool) -> Any:
    """An LM that answers at once."""

    class Memory(library.BaseLM):  # type: ignore[misc]
        in_memory = marked

        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            return _answer()

        async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            return _answer()

    return Memory(model="memory")


class _Usage(dict[str, int]):
    """Usage as DSPy wants it (a mapping) and as OpenAI gives it (attributes)."""

    __getattr__ = dict.__getitem__


def _answer() -> Any:
    message = SimpleNamespace(role="assistant", content=_TEXT, tool_calls=None)
    choice = SimpleNamespace(index=0, message=message, finish_reason="stop")
    usage = _Usage(prompt_tokens=300, completion_tokens=10, total_tokens=310)
    return SimpleNamespace(id="memory", model="memory", choices=[choice], usage=usage)


if __name__ == "__main__":
    main()
