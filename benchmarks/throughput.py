"""Predictions a second in one process: dspex against DSPy at its best thread count, in one run. Prints one JSON line.

Budget: at least four times DSPy's. The stub answers in 50 ms.
"""

from __future__ import annotations

import argparse
import json

from contenders import measure
from lm_stub import lm_stub


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.05, help="of the stub, in seconds")
    parser.add_argument("--rounds", type=int, default=2, help="of which the best counts, for each contender")
    options = parser.parse_args()

    def best(name: str, calls: int, at_once: list[int]) -> dict[int, float]:
        return {n: max(measure(name, url, calls, n)["per_s"] for _ in range(options.rounds)) for n in at_once}

    with lm_stub(options.latency) as url:
        plain = best("dspex", 8000, [256, 512])
        ledger = best("dspex_ledger", 8000, [256, 512])
        dspy = best("dspy", 2000, [16, 32, 64, 128])
        dspy |= {-n: per_s for n, per_s in best("dspy_async", 2000, [64, 256]).items()}
    line = {
        "benchmark": "throughput",
        "per_s": {"dspex": round(max(plain.values())), "dspex_ledger": round(max(ledger.values()))},
        "dspex_by_concurrency": {str(n): round(per_s) for n, per_s in plain.items()},
        "dspy_by_threads": {str(n): round(per_s) for n, per_s in dspy.items() if n > 0},
        "dspy_async_by_concurrency": {str(-n): round(per_s) for n, per_s in dspy.items() if n < 0},
        "times_dspy": round(max(plain.values()) / max(dspy.values()), 2),
        "ledger_times_dspy": round(max(ledger.values()) / max(dspy.values()), 2),
        "budget": {"times_dspy": 4.0},
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
