"""`HotPotQA`: questions that take two articles to answer. Source: Yang et al., "HotpotQA" (2018)."""

from __future__ import annotations

import random
from typing import Any

from dspex.datasets.dataset import Dataset
from dspex.datasets.hub import load_dataset
from dspex.errors import UsageError


class EasyExamplesError(UsageError, AssertionError):
    """Easy examples were asked for (DSPy asserts that they are not)."""


class HotPotQA(Dataset):
    """The hard questions of HotPotQA's full-wiki setting, from the Hugging Face hub.

    `train` and `dev` are three quarters and one quarter of the official training set, `test` is the official
    development set.

    Args:
        only_hard_examples: Must be True.
        keep_details: False for question and answer alone; ``"dev_titles"`` for `gold_titles` too, in `dev`; True for
            everything.
        unofficial_dev: Whether there is a `dev`.
        *args, **kwargs: See `Dataset`.
    """

    def __init__(
        self,
        *args: Any,
        only_hard_examples: bool = True,
        keep_details: bool | str = "dev_titles",
        unofficial_dev: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not only_hard_examples:
            raise EasyExamplesError(
                "HotPotQA: only_hard_examples must be True, as all of the official dev set is hard."
            )
        load = load_dataset("HotPotQA")
        official = load("hotpot_qa", "fullwiki", split="train")
        keys = ["question", "answer"] + (["supporting_facts"] if keep_details else [])
        keys += ["id", "type", "context"] if keep_details is True else []
        rows = [_row(row, keys) for row in official if row["level"] == "hard"]
        random.Random(0).shuffle(rows)
        cut = len(rows) * 75 // 100
        self._train = rows[:cut]
        self._dev = rows[cut:] if unofficial_dev else None  # type: ignore[assignment]
        if keep_details == "dev_titles":
            for row in rows[:cut]:
                del row["gold_titles"]
        keys = ["id", "question", "answer", "type", "supporting_facts"]
        self._test = [_row(row, keys) for row in load("hotpot_qa", "fullwiki", split="validation")]


def _row(row: Any, keys: list[str]) -> dict[str, Any]:
    found = {key: row[key] for key in keys if key != "supporting_facts"}
    if "supporting_facts" in keys:
        found["gold_titles"] = set(row["supporting_facts"]["title"])
    return found
