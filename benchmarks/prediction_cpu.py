"""CPU of one prediction, HTTP included: dspex, DSPy and aiohttp alone, in one run. Prints one JSON line.

Budget: at most a quarter of DSPy's, and at most 1.7 times an aiohttp call's. Each figure is the median of
`--rounds` rounds, in microseconds; the rounds of the contenders alternate, so that a busy machine slows all of them.
"""

from __future__ import annotations

import argparse
import json
from statistics import median

from contenders import measure
from lm_stub import lm_stub

CALLS = {"aiohttp": 3000, "dspex": 3000, "dspex_ledger": 3000, "dspy": 1000, "dspy_cache": 1000, "dspy_async": 1000}
THREADS = 8
"""DSPy's default, and the cheapest for its CPU: more threads contend for the interpreter's lock."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.05, help="of the stub, in seconds")
    parser.add_argument("--concurrency", type=int, default=64, help="of those that run on an event loop")
    options = parser.parse_args()
    rounds: dict[str, list[float]] = {name: [] for name in CALLS}
    with lm_stub(options.latency) as url:
        for _ in range(options.rounds):
            for name, calls in CALLS.items():
                at_once = THREADS if name in ("dspy", "dspy_cache") else options.concurrency
                rounds[name].append(measure(name, url, calls, at_once)["cpu_us"])
    cpu = {name: round(median(values), 1) for name, values in rounds.items()}
    best_dspy = min(cpu["dspy"], cpu["dspy_async"])
    line = {
        "benchmark": "prediction_cpu",
        "cpu_us": cpu,
        "of_dspy": round(cpu["dspex"] / best_dspy, 3),
        "of_aiohttp": round(cpu["dspex"] / cpu["aiohttp"], 2),
        "ledger_of_dspy_cache": round(cpu["dspex_ledger"] / cpu["dspy_cache"], 3),
        "ledger_of_aiohttp": round(cpu["dspex_ledger"] / cpu["aiohttp"], 2),
        "budget": {"of_dspy": 0.25, "of_aiohttp": 1.7},
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
