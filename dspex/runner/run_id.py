"""What a run is called."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

from dspex.errors import UsageError

_LONGEST = 200


def new_run_id(label: str, what: str) -> str:
    """Make an id that no other run has.

    Args:
        label: The program's label.
        what: What the run does, such as the optimizer's name.
    """
    return f"{slug(label)}-{what}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def slug(label: str) -> str:
    """Reduce a label to lower-case letters, digits and dashes, 40 at most."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower())[:40].strip("-") or "program"


def checked_run_id(run_id: str) -> str:
    """Return `run_id` if it can be the id of a run.

    Raises:
        UsageError: it cannot.
    """
    if not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{_LONGEST - 1}}}", run_id):
        raise UsageError(
            f"The id {run_id!r} cannot be: use letters, digits, dots, dashes and underscores, {_LONGEST} at most."
        )
    return run_id
