"""How long ``import dspex`` takes, beside ``import dspy``. Prints one JSON line; budget: 0.3 s.

Each import is made in a process of its own, in turns so that all meet the same machine; what Python itself takes to
start is taken off. Names of dspex are loaded when they are first used, so the time to load all of them is
reported as well.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

REPEATS = 7
STATEMENTS = {
    "dspex_s": "import dspex",
    "dspex_every_name_s": "import dspex; [getattr(dspex, name) for name in dspex.__all__]",
    "dspy_s": "import dspy",
}


def seconds(statement: str) -> float:
    """The time a fresh Python takes to run `statement`."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - began


def main() -> None:
    times: dict[str, list[float]] = {statement: [] for statement in ("pass", *STATEMENTS.values())}
    for statement in times:
        seconds(statement)  # the files are in the page cache, and compiled, from here on
    for _ in range(REPEATS):
        for statement, taken in times.items():
            taken.append(seconds(statement))
    bare = statistics.median(times["pass"])
    figures = {name: round(statistics.median(times[it]) - bare, 3) for name, it in STATEMENTS.items()}
    print(json.dumps({"benchmark": "import_time", **figures}))


if __name__ == "__main__":
    main()
