"""What `make demo` promises: a better program, and a run that goes on where it was after it has been killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
from support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

ROOT = Path(__file__).resolve().parents[2]
CALLS_AT_ONCE = 4


def start(folder: Path, out: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "examples.support_intents.demo"],
        cwd=ROOT,
        env={**os.environ, "DSPEX_DEMO": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=out,
        text=True,
    )


def run(folder: Path) -> str:
    """Run the demo to its end and return what it printed."""
    printed = folder.parent / "printed"
    with printed.open("w") as out:
        demo = start(folder, out)
        try:
            status = demo.wait(240)
        finally:
            demo.kill()
    assert status == 0, printed.read_text() + "".join(path.read_text() for path in folder.glob("*.log"))
    return printed.read_text()


def killed_half_way(folder: Path) -> int:
    """Start the demo, kill it and all its processes when some calls are paid, and return how many it said were."""
    printed = folder.parent / "printed"
    with printed.open("w") as out:
        demo = start(folder, out)
        try:
            wait_until(
                lambda: demo.poll() is not None or re.search(r"[3-9]\d LM calls paid so far", printed.read_text()),
                printed.read_text,
                seconds=120,
            )
            assert demo.poll() is None, "the demo has ended"
        finally:
            notes = folder / "demo.json"
            others = json.loads(notes.read_text())["processes"].values() if notes.exists() else []
            for pid in (*others, demo.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            demo.wait()
    return int(re.findall(r"(\d+) LM calls paid so far", printed.read_text())[-1])


def found(printed: str, pattern: str) -> str:
    """What the group of `pattern` stands for in what was printed."""
    match = re.search(pattern, printed)
    assert match, printed
    return match.group(1)


def test_a_killed_demo_goes_on_where_it_was_and_a_finished_one_is_answered_from_the_ledger(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    paid_before = killed_half_way(folder)

    resumed = run(folder)
    paid = int(found(resumed, r"LM calls +(\d+) paid"))
    assert found(resumed, r"run +(demo-\d+)\n") == "demo-1"
    assert int(found(resumed, r"where it was: (\d+) LM calls are paid already")) >= paid_before
    assert float(found(resumed, r"([\d.]+)% after")) > float(found(resumed, r"([\d.]+)% before")) + 10

    again = run(folder)
    assert found(again, r"run +(demo-\d+)\n") == "demo-2"
    assert found(again, r"LM calls +(\d+) paid") == "0"
    assert found(again, r"([\d.]+% before, [\d.]+% after)") == found(resumed, r"([\d.]+% before, [\d.]+% after)")
    assert (folder / "demo-1.json").read_bytes() == (folder / "demo-2.json").read_bytes()
    assert paid <= int(found(again, r"paid, (\d+) answered from the ledger")) + CALLS_AT_ONCE
