"""Predictions a second that the ledger answers, in one process, beside DSPy's cache. Prints one JSON line.

Budget: at least 10,000 a second, judged on hits in memory and in SQLite alike, with the settings as they
are by default. A prediction goes the whole way: `Predict`, adapter, `LM`, ledger, parsing. Each is asked once from a
store that another process filled (hits in SQLite), and then again (hits in memory). ``without_history`` is the same
with ``disable_history``, as workers have it. DSPy's side is the same: its cache on disk, filled by another process,
then its cache in memory; at its best thread count. The median of `--rounds`; ``cpu_us`` is of the whole process, all
threads, a prediction.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

from contenders import DEMOS
from lm_stub import lm_stub
from side import report

CALLS = {"dspex": 20_000, "dspy": 3_000}
THREADS = (1, 8)
CONCURRENCY = 256
BUDGET = 10_000

Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=list(CALLS), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--fill", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-history", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=8, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.side == "dspex":
        print(json.dumps(asyncio.run(_dspex(options.url, options.fill, options.no_history))))
    elif options.side == "dspy":
        print(json.dumps(_dspy(options.url, options.fill, options.threads)))
    else:
        _compare(options.rounds)


def _compare(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as home, lm_stub(0.0) as url:
        for side in CALLS:
            _in_process(home, "--side", side, "--url", url, "--fill")
        ours: list[Figures] = []
        quiet: list[Figures] = []
        dspy: list[Figures] = []
        for number in range(rounds):
            if number % 2:
                dspy.append(_best_of_dspy(home, url))
            ours.append(_in_process(home, "--side", "dspex", "--url", url))
            quiet.append(_in_process(home, "--side", "dspex", "--url", url, "--no-history"))
            if not number % 2:
                dspy.append(_best_of_dspy(home, url))
    dspex, other = _medians(ours), _medians(dspy)
    slowest = min(dspex["sqlite_per_s"], dspex["memory_per_s"])
    report(
        "ledger_predictions",
        f">= {BUDGET} predictions/s from the ledger in one process, from memory and from SQLite",
        ratio=slowest / BUDGET,
        met=slowest >= BUDGET,
        dspex=dspex,
        dspex_without_history=_medians(quiet),
        dspy=other,
        times_dspy={kind: round(dspex[kind] / other[kind], 1) for kind in ("sqlite_per_s", "memory_per_s")},
        dspex_rounds_per_s={kind: [round(each[kind]) for each in ours] for kind in ("sqlite_per_s", "memory_per_s")},
    )


def _in_process(home: str, *arguments: object) -> Figures:
    """Figures of one side in a new process, with the store and cache in `home`."""
    stores = {"DSPEX_STORE": f"sqlite:///{home}/store.db", "DSPY_CACHEDIR": f"{home}/cache"}
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **stores}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _best_of_dspy(home: str, url: str) -> Figures:
    by_threads = [_in_process(home, "--side", "dspy", "--url", url, "--threads", threads) for threads in THREADS]
    best: Figures = {}
    for kind in by_threads[0]:
        best[kind] = (max if kind.endswith("per_s") else min)(figures[kind] for figures in by_threads)
    return best


def _medians(rounds: list[Figures]) -> Figures:
    return {kind: round(median(each[kind] for each in rounds), 1) for kind in rounds[0]}


def _questions(side: str) -> list[str]:
    return [f"What is the capital of region {index}?" for index in range(CALLS[side])]


async def _dspex(url: str, fill: bool, no_history: bool = False) -> Figures:
    import dspex

    lm = dspex.LM("openai/stub", api_base=url, max_concurrency=CONCURRENCY)
    dspex.configure(lm=lm, disable_history=no_history)
    predict = dspex.Predict("question -> answer")
    predict.demos = [dspex.Example(demo) for demo in DEMOS]

    async def ask_all(questions: list[str]) -> None:
        left = iter(questions)

        async def caller() -> None:
            for question in left:
                await predict.acall(question=question)

        await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))

    if fill:
        await ask_all(_questions("dspex"))
        return {}
    warm_up, timed = _questions("dspex")[:CONCURRENCY], _questions("dspex")[CONCURRENCY:]
    await ask_all(warm_up)
    figures: Figures = {}
    for kind in ("sqlite", "memory"):
        cpu, wall = time.process_time(), time.perf_counter()
        await ask_all(timed)
        figures |= _figures(kind, len(timed), time.process_time() - cpu, time.perf_counter() - wall)
    return figures


def _dspy(url: str, fill: bool, threads: int) -> Figures:
    import dspy

    dspy.configure(lm=dspy.LM("openai/stub", api_base=url, api_key="none"))
    predict = dspy.Predict("question -> answer")
    predict.demos = [dspy.Example(**demo) for demo in DEMOS]

    def ask_all(questions: list[str]) -> None:
        ask: Callable[[str], Any] = lambda question: predict(question=question)  # noqa: E731
        if threads == 1:
            for question in questions:
                ask(question)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(ask, questions))

    if fill:
        ask_all(_questions("dspy"))
        return {}
    warm_up, timed = _questions("dspy")[:CONCURRENCY], _questions("dspy")[CONCURRENCY:]
    ask_all(warm_up)
    figures: Figures = {}
    for kind in ("sqlite", "memory"):  # DSPy's cache on disk is SQLite, too
        cpu, wall = time.process_time(), time.perf_counter()
        ask_all(timed)
        figures |= _figures(kind, len(timed), time.process_time() - cpu, time.perf_counter() - wall)
    return figures


def _figures(kind: str, calls: int, cpu: float, wall: float) -> Figures:
    return {f"{kind}_per_s": round(calls / wall), f"{kind}_cpu_us": round(cpu / calls * 1e6, 1)}


if __name__ == "__main__":
    main()
