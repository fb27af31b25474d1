"""Which entries of the ledger a command means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dspex.cli.output.figures import SIZES
from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.store import Selection

_AGES_S = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


@dataclass(frozen=True)
class LedgerConditions:
    """The conditions that entries must meet, as given on the command line; None is no condition.

    Args:
        older_than: An age, such as ``30d``.
        run_id: The run that has paid for them.
        model: The model that has answered.
        max_size: A size, such as ``500MB``: the oldest entries, until the others fit in that.
    """

    older_than: str | None = None
    run_id: str | None = None
    model: str | None = None
    max_size: str | None = None

    def selection(self, now: float, spared: set[str]) -> Selection:
        """The entries that meet the conditions.

        Args:
            now: The time, in seconds since 1970.
            spared: Runs whose entries are left alone.

        Raises:
            UsageError: an age or a size cannot be read.
        """
        from dspex.store import Selection

        return Selection(
            before=None if self.older_than is None else now - seconds_of(self.older_than),
            run_id=self.run_id,
            model=self.model,
            max_bytes=None if self.max_size is None else bytes_of(self.max_size),
            spared=spared,
        )


def seconds_of(age: str) -> float:
    """``30d`` in seconds.

    Raises:
        UsageError: it is no age.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mhdw])", age.strip())
    if found is None:
        raise UsageError(f"--older-than {age}: write a number and m, h, d or w, such as 30d.")
    return float(found[1]) * _AGES_S[found[2]]


def bytes_of(size: str) -> int:
    """``500MB`` in bytes.

    Raises:
        UsageError: it is no size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B)?", size.strip().upper())
    if found is None:
        raise UsageError(f"--max-size {size}: write a number and KB, MB or GB, such as 500MB.")
    return int(float(found[1]) * SIZES[found[2] or ""])
