"""10,000 synchronous programs of three predictors each, all in flight in one process. Prints one JSON line.

Budget: 10,000 synchronous programs of three predictors each in flight in one process; memory
is noted. The programs are plain ``def forward`` code. Their LM answers after `--latency` seconds, and counts how many
programs wait for it at once: `most_in_flight`. Both sides run `Parallel` with as many threads as there are programs;
dspex has no threads in it, DSPy starts that many. `bytes_each` is what the peak of the process's memory rose by while
they ran, for each program.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import resource
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

from predict_overhead import _library
from side import report, run_side

_TEXT = "[[ ## {field} ## ]]\nSomething about it.\n\n[[ ## completed ## ]]"
STEPS = ("topic", "outline", "article")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=("dspex", "dspy"), help=argparse.SUPPRESS)
    parser.add_argument("--programs", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=5.0, help="seconds that the LM takes for an answer")
    options = parser.parse_args()
    if options.side:
        print(json.dumps(_run(options.side, options.programs, options.latency)))
        return
    given = ("--programs", options.programs, "--latency", options.latency)
    dspex, dspy = (run_side(__file__, side, *given) for side in ("dspex", "dspy"))
    report(
        "programs_in_flight",
        "every program in flight at once, right answers; memory noted",
        ratio=dspex["bytes_each"] / dspy["bytes_each"],
        met=dspex["most_in_flight"] == options.programs and dspex["right"] == options.programs,
        programs=options.programs,
        latency_s=options.latency,
        dspex=dspex,
        dspy=dspy,
    )


def _run(side: str, count: int, latency: float) -> dict[str, float]:
    library = _library(side)
    logging.disable(logging.CRITICAL)
    lm = _waiting_lm(library, latency)
    library.configure(lm=lm, disable_history=True)
    program = _program(library)
    program(question="warm up", wait=False)
    lm.most = 0
    before, cpu, wall = _peak_bytes(), time.process_time(), time.perf_counter()
    pairs = [(program, {"question": f"Question {index}", "wait": True}) for index in range(count)]
    parallel = _parallel(side, library)(num_threads=count, disable_progress_bar=True)
    results = parallel(pairs)
    return {
        "most_in_flight": lm.most,
        "right": sum(result is not None and result.article == "Something about it." for result in results),
        "wall_s": round(time.perf_counter() - wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "bytes_each": round((_peak_bytes() - before) / count),
        "peak_mb": round(_peak_bytes() / 1e6),
    }


def _parallel(side: str, library: Any) -> Any:
    if side == "dspy":
        return library.Parallel
    from dspex.predict.parallel import Parallel

    return Parallel


def _program(library: Any) -> Any:
    class Write(library.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.steps = [
                library.Predict("question -> topic"),
                library.Predict("topic -> outline"),
                library.Predict("outline -> article"),
            ]

        def forward(self, question: str, wait: bool) -> Any:
            config = {"wait": wait}
            topic = self.steps[0](question=question, config=config).topic
            outline = self.steps[1](topic=topic, config=config).outline
            return self.steps[2](outline=outline, config=config)

    return Write()


def _waiting_lm(library: Any, latency: float) -> Any:
    class Waiting(library.BaseLM):  # type: ignore[misc]
        waiting = most = 0
        lock = threading.Lock()

        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            self.count(+1)
            time.sleep(latency if kwargs.get("wait") else 0)
            self.count(-1)
            return _answer(messages)

        async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            self.count(+1)
            await asyncio.sleep(latency if kwargs.get("wait") else 0)
            self.count(-1)
            return _answer(messages)

        def count(self, change: int) -> None:
            with self.lock:
                self.waiting += change
                self.most = max(self.most, self.waiting)

    return Waiting(model="waiting")


class _Usage(dict[str, int]):
    __getattr__ = dict.__getitem__


def _answer(messages: Any) -> Any:
    field = next(
        step for step in STEPS if f"output fields, starting with the field `[[ ## {step} ## ]]`" in _last(messages)
    )
    message = SimpleNamespace(role="assistant", content=_TEXT.format(field=field), tool_calls=None)
    usage = _Usage(prompt_tokens=300, completion_tokens=10, total_tokens=310)
    choice = SimpleNamespace(index=0, message=message, finish_reason="stop")
    return SimpleNamespace(id="waiting", model="waiting", choices=[choice], usage=usage)


def _last(messages: Any) -> str:
    content = messages[-1]["content"]
    return content if isinstance(content, str) else json.dumps(content)


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
