"""Predictions a second through Temporal, all on one machine, against DSPy without durability. Prints one JSON line.

Budget: at least twice DSPy's best over its thread counts, and at least 1,000 a second. On this machine run
the LM stub (50 ms a call), the Temporal development server, the worker processes and the client; the ledger is empty,
so every prediction is a call over HTTP that is claimed, recorded and scored, and whose outcome is kept.

Timed is `Client.evaluate` from the call to its result, the writing of the data set included, after a small evaluation
that warms the workers up. DSPy's side is `dspy.Evaluate` on the same questions, demos and stub, without its cache
(which only costs it time here), after a warm-up too. The median of `--rounds` counts for dspex and for each of DSPy's
thread counts; the order alternates. A busy machine shows in the load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any

from contenders import DEMOS
from lm_stub import lm_stub
from side import report, run_side

THREADS = (8, 16, 32, 64, 128)
WARM_UP = 256


def main() -> None:
    options = _options()
    if options.side == "dspex":
        print(json.dumps(_evaluate_durably(options)))
    elif options.side == "dspy":
        print(json.dumps(_evaluate_with_dspy(options.url, options.rows, options.threads)))
    else:
        _compare(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=["dspex", "dspy"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=12_000)
    parser.add_argument("--dspy-rows", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    parser.add_argument("--concurrency", type=int, default=256, help="LM calls under way at once in a worker")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.05, help="of the stub, in seconds")
    parser.add_argument("--no-dspy", action="store_true", help="only our side, to look for what takes time")
    return parser.parse_args()


def _compare(options: argparse.Namespace) -> None:
    ours: list[dict[str, Any]] = []
    dspy: dict[int, list[float]] = {threads: [] for threads in THREADS}
    durable = ["--rows", options.rows, "--workers", options.workers, "--concurrency", options.concurrency]
    with lm_stub(options.latency) as url:

        def ask_dspy() -> None:
            for threads in () if options.no_dspy else THREADS:
                plain = ("--url", url, "--rows", options.dspy_rows, "--threads", threads)
                dspy[threads].append(run_side(__file__, "dspy", *plain)["per_s"])

        for number in range(options.rounds):
            if number % 2:
                ask_dspy()
            ours.append(run_side(__file__, "dspex", "--url", url, *durable))
            if not number % 2:
                ask_dspy()
    middle = sorted(ours, key=lambda figures: figures["per_s"])[len(ours) // 2]
    by_threads = {threads: round(median(per_s)) for threads, per_s in dspy.items() if per_s}
    best_dspy = max(by_threads.values(), default=0)
    ratio = middle["per_s"] / best_dspy if best_dspy else 0.0
    report(
        "temporal_throughput",
        ">= 2x DSPy's best without durability, and >= 1000 predictions/s, everything on this machine",
        ratio=ratio,
        met=ratio >= 2 and middle["per_s"] >= 1000,
        dspex_per_s=round(middle["per_s"]),
        dspy_per_s=best_dspy,
        dspex_rounds_per_s=[round(figures["per_s"]) for figures in ours],
        dspex_cpu_us_a_prediction=middle["cpu_us"],
        dspy_per_s_by_threads=by_threads,
        latency_s=options.latency,
        rows=options.rows,
        workers=options.workers,
    )


def _evaluate_durably(options: argparse.Namespace) -> dict[str, Any]:
    from dspex.temporal.server import EmbeddedServer, free_port

    with tempfile.TemporaryDirectory() as state, ExitStack() as stack:
        server = EmbeddedServer(Path(state), port=free_port(), ui_port=free_port())
        server.start()
        stack.callback(server.stop)
        asyncio.run(server.ready())
        workers = [stack.enter_context(_worker(server.address)) for _ in range(options.workers)]
        assert server.process is not None
        processes = {"server": [server.process.pid], "workers": [w.pid for w in workers], "client": [os.getpid()]}
        return asyncio.run(_evaluate(options, server.address, processes))


async def _evaluate(options: argparse.Namespace, address: str, processes: dict[str, list[int]]) -> dict[str, Any]:
    import dspex
    from dspex.temporal.client import Client

    lm = dspex.LM("openai/stub", api_base=options.url, max_concurrency=options.concurrency)
    dspex.configure(lm=lm)
    predict = dspex.Predict("question -> answer")
    predict.demos = [dspex.Example(demo) for demo in DEMOS]
    client = await Client.connect(address)

    async def evaluate(first: int, count: int) -> Any:
        devset = [dspex.Example(row).with_inputs("question") for row in _rows(first, count)]
        began = time.perf_counter()
        run = await client.evaluate(predict, devset=devset, metric="exact_match")
        result = await run.result()
        assert result.lm_calls == count, f"{result.lm_calls} calls for {count} rows"
        return time.perf_counter() - began

    await evaluate(-WARM_UP, WARM_UP)
    before = {name: sum(map(_cpu_s, pids)) for name, pids in processes.items()}
    seconds = await evaluate(0, options.rows)
    cpu = {name: sum(map(_cpu_s, pids)) - before[name] for name, pids in processes.items()}
    return {
        "per_s": options.rows / seconds,
        "cpu_us": {name: round(used / options.rows * 1e6) for name, used in cpu.items()},
    }


@contextmanager
def _worker(address: str) -> Iterator[subprocess.Popen[str]]:
    """A worker as one starts it on any host."""
    command = [sys.executable, "-m", "dspex", "worker", "--temporal", address]
    with subprocess.Popen(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        while "ready" not in said:
            said = process.stderr.readline()
            assert said, "the worker ended"
        Thread(target=shutil.copyfileobj, args=(process.stderr, sys.stderr), daemon=True).start()
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def _evaluate_with_dspy(url: str, rows: int, threads: int) -> dict[str, Any]:
    import dspy

    dspy.configure(lm=dspy.LM("openai/stub", api_base=url, api_key="none", cache=False))
    predict = dspy.Predict("question -> answer")
    predict.demos = [dspy.Example(**demo) for demo in DEMOS]

    def evaluate(first: int, count: int) -> float:
        devset = [dspy.Example(**row).with_inputs("question") for row in _rows(first, count)]
        grade = dspy.Evaluate(devset=devset, metric=_same_answer, num_threads=threads, display_progress=False)
        began = time.perf_counter()
        grade(predict)
        return time.perf_counter() - began

    evaluate(-WARM_UP, WARM_UP)
    return {"per_s": rows / evaluate(0, rows)}


def _same_answer(example: Any, prediction: Any, trace: Any = None) -> bool:
    return bool(example.answer == prediction.answer)


def _rows(first: int, count: int) -> Iterator[dict[str, str]]:
    for index in range(first, first + count):
        yield {"question": f"What is the capital of region {index}?", "answer": "Paris"}


def _cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, all threads (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
