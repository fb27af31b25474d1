"""Who is measured: the same prediction by dspex, by DSPy, and the same HTTP call by aiohttp alone.

Each contender runs in a process of its own (`measure`), so that none pays for the imports and threads of another, all
against one stub (`lm_stub`). A prediction is ``question -> answer`` with four demos; every question is asked once.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

DEMOS = [
    {"question": f"What is the capital of country number {i}?", "answer": f"City number {i}, by the river."}
    for i in range(4)
]
WARM_UP = 200

Ask = Callable[[str], Any]


def measure(contender: str, url: str, calls: int, concurrency: int) -> dict[str, float]:
    """Let `contender` make `calls` predictions, `concurrency` at once: ``{"cpu_us": ..., "per_s": ...}``.

    CPU is that of the whole process, all threads, in microseconds a prediction.
    """
    with tempfile.TemporaryDirectory() as home:
        stores = {"DSPEX_STORE": f"sqlite:///{home}/store.db", "DSPY_CACHEDIR": f"{home}/cache"}
        command = [sys.executable, __file__, contender, url, str(calls), str(concurrency)]
        done = subprocess.run(command, env={**os.environ, **stores}, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


async def _on_a_loop(ask: Callable[[str], Awaitable[Any]], calls: int, concurrency: int) -> dict[str, float]:
    async def worker(questions: Any) -> None:
        for question in questions:
            await ask(question)

    async def run(first: int, count: int) -> None:
        questions = (f"What is the capital of region {i}?" for i in range(first, first + count))
        await asyncio.gather(*(worker(questions) for _ in range(concurrency)))

    await run(-WARM_UP, WARM_UP)
    cpu, wall = time.process_time(), time.perf_counter()
    await run(0, calls)
    return _result(calls, time.process_time() - cpu, time.perf_counter() - wall)


def _in_threads(ask: Ask, calls: int, threads: int) -> dict[str, float]:
    questions = (f"What is the capital of region {i}?" for i in itertools.count(-WARM_UP))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(ask, itertools.islice(questions, WARM_UP)))
        cpu, wall = time.process_time(), time.perf_counter()
        list(pool.map(ask, itertools.islice(questions, calls)))
        return _result(calls, time.process_time() - cpu, time.perf_counter() - wall)


def _result(calls: int, cpu: float, wall: float) -> dict[str, float]:
    return {"cpu_us": cpu / calls * 1e6, "per_s": calls / wall}


def _aiohttp(url: str, calls: int, concurrency: int) -> dict[str, float]:
    import aiohttp

    system = "Your input fields are: question. Your output fields are: answer. " * 8
    turns = [("user", "question"), ("assistant", "answer")]
    demos = [{"role": role, "content": demo[field]} for demo in DEMOS for role, field in turns]
    stable = [{"role": "system", "content": system}, *demos]

    async def main() -> dict[str, float]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def ask(question: str) -> Any:
                body = {"model": "stub", "messages": [*stable, {"role": "user", "content": question}]}
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    return (await response.json())["choices"][0]["message"]["content"]

            return await _on_a_loop(ask, calls, concurrency)

    return asyncio.run(main())


def _dspex(url: str, calls: int, concurrency: int, cache: bool) -> dict[str, float]:
    from dspex.clients import LM
    from dspex.predict import Predict
    from dspex.primitives import Example
    from dspex.settings import configure

    configure(lm=LM("openai/stub", api_base=url, cache=cache, max_concurrency=concurrency))
    predict = Predict("question -> answer")
    predict.demos = [Example(demo) for demo in DEMOS]
    return asyncio.run(_on_a_loop(lambda question: predict.acall(question=question), calls, concurrency))


def _dspy(url: str, calls: int, concurrency: int, cache: bool, threads: bool) -> dict[str, float]:
    import dspy

    dspy.configure(lm=dspy.LM("openai/stub", api_base=url, api_key="none", cache=cache))
    predict = dspy.Predict("question -> answer")
    predict.demos = [dspy.Example(**demo) for demo in DEMOS]
    if threads:
        return _in_threads(lambda question: predict(question=question), calls, concurrency)
    return asyncio.run(_on_a_loop(lambda question: predict.acall(question=question), calls, concurrency))


CONTENDERS: dict[str, Callable[[str, int, int], dict[str, float]]] = {
    "aiohttp": _aiohttp,
    "dspex": lambda url, calls, concurrency: _dspex(url, calls, concurrency, cache=False),
    "dspex_ledger": lambda url, calls, concurrency: _dspex(url, calls, concurrency, cache=True),
    "dspy": lambda url, calls, concurrency: _dspy(url, calls, concurrency, cache=False, threads=True),
    "dspy_cache": lambda url, calls, concurrency: _dspy(url, calls, concurrency, cache=True, threads=True),
    "dspy_async": lambda url, calls, concurrency: _dspy(url, calls, concurrency, cache=False, threads=False),
}


if __name__ == "__main__":
    _, name, address, count, at_once = sys.argv
    print(json.dumps(CONTENDERS[name](address, int(count), int(at_once))))
