"""`BatchProgress`: how the batches of one owner are doing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How the batches of one owner are doing; sums over batches with ``+``.

    Attributes:
        under_way: Batches that have not ended.
        requests: Requests in the batches under way.
        done: Those of `requests` that the provider has dealt with.
        answered: Requests that were answered since the last look.
        refused: Requests that the provider refused since the last look.
        again: Requests that were left unanswered since the last look, and go into another batch.
        held: Batches that could not be submitted for now, for the reason in `trouble`.
        trouble: A failure that may pass by itself; empty if there was none.
        lacking: Why some requests are not submitted: the run's budget is too small for them, as it stands.
    """

    under_way: int = 0
    requests: int = 0
    done: int = 0
    answered: int = 0
    refused: int = 0
    again: int = 0
    held: int = 0
    trouble: str = ""
    lacking: str = ""

    @property
    def moved(self) -> bool:
        """Whether a request was answered, refused or returned since the last look."""
        return bool(self.answered or self.refused or self.again)

    def __add__(self, other: BatchProgress) -> BatchProgress:
        return BatchProgress(
            under_way=self.under_way + other.under_way,
            requests=self.requests + other.requests,
            done=self.done + other.done,
            answered=self.answered + other.answered,
            refused=self.refused + other.refused,
            again=self.again + other.again,
            held=self.held + other.held,
            trouble=self.trouble or other.trouble,
            lacking=self.lacking or other.lacking,
        )
