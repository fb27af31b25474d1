"""The demo data is fit to show a gain: two sets apart, no repetitions, and examples that teach."""

from __future__ import annotations

import json
import random
import runpy
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

from practice_prompts import choosing, share_right

from dspex_practice.model.label_voting import SimilarityIndex
from dspex_practice.model.reading.text import features, words

HERE = Path(__file__).parents[3] / "examples" / "support_intents"


def rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


TRAIN, HELDOUT = rows("train.jsonl"), rows("heldout.jsonl")


def test_there_are_enough_rows_of_every_intent() -> None:
    for part, least in ((TRAIN, 25), (HELDOUT, 15)):
        assert all(set(row) == {"message", "intent"} for row in part)
        counts = Counter(row["intent"] for row in part)
        assert len(counts) == 10
        assert min(counts.values()) >= least


def test_no_message_appears_twice_in_or_across_the_sets() -> None:
    said = Counter(" ".join(words(row["message"])) for row in [*TRAIN, *HELDOUT])
    assert [message for message, count in said.items() if count > 1] == []


def test_no_heldout_message_is_a_training_message_reworded_slightly() -> None:
    index = SimilarityIndex([features(row["message"]) for row in TRAIN])
    nearest = [max(index.similarities(features(row["message"]))) for row in HELDOUT]
    assert max(nearest) < 0.85


def test_the_program_offers_exactly_the_intents_of_the_data() -> None:
    intents = {row["intent"] for row in [*TRAIN, *HELDOUT]}
    example = runpy.run_path(str(HERE / "program.py"))
    assert set(get_args(example["Intent"])) == intents
    assert set(example["program"].signature.output_fields) == {"intent"}
    gold, wrong = SimpleNamespace(intent="payout"), SimpleNamespace(intent="supply")
    assert (example["metric"](gold, gold), example["metric"](gold, wrong)) == (True, False)


def test_the_labels_alone_carry_half_way_and_examples_ten_points_further() -> None:
    head = choosing(sorted({row["intent"] for row in TRAIN}), "Name the desk of a bike hire company.")
    without = share_right(head, HELDOUT, [])
    few = share_right(head, HELDOUT, random.Random(0).sample(TRAIN, 16))
    many = share_right(head, HELDOUT, random.Random(0).sample(TRAIN, 80))
    assert 0.4 <= without <= 0.6
    assert few >= without + 0.1
    assert many > few
