"""Wall time of BootstrapFewShot, dspex against DSPy, and whether both choose the same demos. Prints one JSON line.

Budget: at 50 ms a call, with 200 training examples of which half pass, at most a tenth of DSPy's time.
DSPy tries one example after another; dspex tries as many at once as it will probably need, and decides in order.

The budget is judged at 16 bootstrapped demos, for which DSPy makes about 32 calls in turn. For 4 demos it makes about
8: a tenth of that is less than the latency of one call, so no program that waits for an answer at all can meet it; the
line gives the time for 4, and for 64, all the same.

Both sides are warm: imports done, store or cache open, one call made. Each round is a new process with an empty store.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median
from typing import Any

from coin_stub import coin_stub
from side import report, run_side

ROWS = 200
JUDGED = 16
DEMOS = (JUDGED, 4, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=["dspex", "dspy"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--demos", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency", type=float, default=0.05, help="of the stub, in seconds")
    options = parser.parse_args()
    if options.side:
        print(json.dumps(_compile(options.side, options.url, options.demos)))
    else:
        _compare(options.rounds, options.latency)


def _compare(rounds: int, latency: float) -> None:
    with coin_stub(latency) as url:
        by_demos = {demos: _beside(url, demos, rounds if demos == JUDGED else min(rounds, 3)) for demos in DEMOS}
    judged = by_demos.pop(JUDGED)
    ratio = judged.pop("ratio")
    extra = {str(demos): figures for demos, figures in by_demos.items()}
    extra["4"]["note"] = (
        "a tenth of DSPy's time is less than one call's latency here: no call, however made, is as fast"
    )
    report(
        "bootstrap",
        f"<= 1/10 of DSPy's wall time at {JUDGED} bootstrapped demos, same demos chosen",
        ratio=ratio,
        met=ratio <= 0.1,
        **judged,
        same_demos=True,  # or `_beside` would have raised
        latency_s=latency,
        trainset=ROWS,
        with_other_numbers_of_demos=extra,
    )


def _beside(url: str, demos: int, rounds: int) -> dict[str, Any]:
    """Both sides in turn, in the other order every other round: the median seconds of each."""
    seconds: dict[str, list[float]] = {"dspex": [], "dspy": []}
    cpu: dict[str, list[float]] = {"dspex": [], "dspy": []}
    for number in range(rounds):
        chosen = {}
        for side in ("dspex", "dspy") if number % 2 else ("dspy", "dspex"):
            figures = run_side(__file__, side, "--url", url, "--demos", demos)
            seconds[side].append(figures["seconds"])
            cpu[side].append(figures["cpu_s"])
            chosen[side] = figures["chosen"]
        assert chosen["dspex"] == chosen["dspy"], f"other demos than DSPy's: {chosen}"
        assert sum("augmented" in demo for demo in chosen["dspex"]) == demos
    dspex, dspy = median(seconds["dspex"]), median(seconds["dspy"])
    return {
        "dspex_s": round(dspex, 4),
        "dspy_s": round(dspy, 4),
        "dspex_cpu_s": round(median(cpu["dspex"]), 4),
        "dspy_cpu_s": round(median(cpu["dspy"]), 4),
        "dspex_rounds_s": [round(each, 4) for each in seconds["dspex"]],
        "ratio": round(dspex / dspy, 4),
    }


def _compile(side: str, url: str, demos: int) -> dict[str, Any]:
    if side == "dspy":
        import dspy as library

        lm = library.LM("openai/coin", api_base=url, api_key="none", max_tokens=1000)
    else:
        import dspex as library  # type: ignore[no-redef]

        lm = library.LM("openai/coin", api_base=url, max_tokens=1000)
    library.configure(lm=lm)
    trainset = [
        library.Example(question=f"Is coin {index} heads?", answer="yes").with_inputs("question")
        for index in range(ROWS)
    ]
    student = library.Predict("question -> answer")
    student(question="Is the line warm?")
    optimizer = library.BootstrapFewShot(
        metric=lambda example, prediction, trace=None: example.answer == prediction.answer,
        max_bootstrapped_demos=demos,
        max_labeled_demos=JUDGED,
    )
    wall, cpu = time.perf_counter(), time.process_time()
    compiled = optimizer.compile(student, trainset=trainset)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"seconds": wall, "cpu_s": cpu, "chosen": [dict(demo.items()) for demo in compiled.demos]}


if __name__ == "__main__":
    main()
