"""Starting Python processes that import what the tests import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dspex.store

HERE = Path(__file__).parent
_ROOT = Path(dspex.store.__file__).parents[2]


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Run a script of this directory, with pipes to its input and output."""
    paths = os.pathsep.join([str(_ROOT), str(HERE)])
    return subprocess.Popen(
        [sys.executable, str(HERE / script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )


def line(process: subprocess.Popen[str]) -> str:
    """The next line it says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
