"""One side of a comparison in a process of its own, and the line that says how the comparison came out.

A side is a script called with ``--side NAME``: so neither pays for the imports, threads and garbage of the other. It
starts with an empty store and an empty DSPy cache, and its last line of output is its figures as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any


def run_side(script: str, side: str, *arguments: object) -> dict[str, Any]:
    """The figures of `side`, measured by a new process that runs `script`."""
    with tempfile.TemporaryDirectory() as home:
        stores = {"DSPEX_STORE": f"sqlite:///{home}/store.db", "DSPY_CACHEDIR": f"{home}/cache"}
        command = [sys.executable, script, "--side", side, *map(str, arguments)]
        done = subprocess.run(command, env={**os.environ, **stores}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{side} failed:\n{done.stderr}")  # otherwise its progress bars and warnings are noise
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def report(name: str, budget: str, ratio: float, met: bool, **figures: Any) -> None:
    """Print a benchmark's one line. The load shows how busy the machine was otherwise."""
    line = {
        "name": name,
        "budget": budget,
        **figures,
        "ratio": round(ratio, 4),
        "met": met,
        "machine": {"cores": os.cpu_count(), "load_1m": round(os.getloadavg()[0], 2)},
    }
    print(json.dumps(line))
