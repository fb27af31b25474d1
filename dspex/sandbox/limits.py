"""How much a piece of sandboxed code may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_monty import OSPolicy, ResourceLimits

MIB = 1024 * 1024


@dataclass(frozen=True)
class SandboxLimits:
    """The most that one execution may use.

    Args:
        seconds: The time in which the sandbox computes; the time that its host functions take does not count.
        memory_mb: Memory in MiB, including what the session has kept from earlier executions.
        host_calls: The number of calls of host functions.
        recursion: The depth of nested calls.
        output_mb: What the code may print, in MiB.
    """

    seconds: float = 60.0
    memory_mb: int = 256
    host_calls: int = 10_000
    recursion: int = 1000
    output_mb: int = 10

    def __post_init__(self) -> None:
        wrong = [name for name, value in vars(self).items() if not value > 0]
        if wrong:
            raise ValueError(f"A sandbox's limits are positive numbers; these are not: {', '.join(wrong)}.")


def as_resource_limits(limits: SandboxLimits) -> ResourceLimits:
    """`limits` as Monty takes them."""
    return {
        "max_feed_duration_secs": limits.seconds,
        "max_memory": limits.memory_mb * MIB,
        "max_recursion_depth": limits.recursion,
        "max_suspensions": 4 * limits.host_calls + 1000,  # a net: looking up a name and importing suspend, too
    }


def os_policy(seed: int | None) -> OSPolicy:
    """Sleeping takes no time, as there is nothing to wait for, and random numbers are the same in every run."""
    return {"sleep": "zero", "random_start": "system" if seed is None else {"seed": seed}}
