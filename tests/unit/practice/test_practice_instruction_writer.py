"""Asked for an instruction, the practice model writes one that helps it afterwards."""

from __future__ import annotations

import json
import random

import pytest
from practice_prompts import answer, asked, block, choosing, system

from dspex_practice.model.in_context_learner import Learner, Question
from dspex_practice.model.reading.example_extraction import LabeledText, read_labeled_texts
from dspex_practice.model.reading.prompt import Turn

ROWS = [
    ("the parcel never came", "a1"),
    ("where is my parcel", "a1"),
    ("my screen is cracked", "b2"),
    ("this screen has a crack", "b2"),
]
LINES = "\n\n".join(
    f"Input Fields:\nmessage: {text}\n\n=========\nOutput Fields:\nintent: {label}" for text, label in ROWS
)
REPRS = str([f"Example({{'message': {t!r}, 'intent': {v!r}}}) (input_keys={{'message'}})" for t, v in ROWS])
RECORDS = json.dumps(
    [
        {"Inputs": {"message": t}, "Generated Outputs": {"intent": "b2"}, "Feedback": f"The correct intent is '{v}'."}
        for t, v in ROWS
    ]
)
SECTIONS = "\n".join(
    f"# Example {i}\n## Inputs\n### message\n{t}\n\n## Generated Outputs\n### intent\n{v}\n\n## Feedback\nCorrect.\n"
    for i, (t, v) in enumerate(ROWS)
)


@pytest.mark.parametrize("text", [LINES, REPRS.replace('"', ""), RECORDS, SECTIONS])
def test_examples_are_found_however_they_are_written(text: str) -> None:
    assert read_labeled_texts({"examples": text}) == [LabeledText(text, label) for text, label in ROWS]


def test_a_refused_answer_without_the_right_one_is_no_evidence() -> None:
    record = [
        {"message": "hi", "intent": "a1", "feedback": "Wrong."},
        {"message": "ho", "intent": "a1", "feedback": "ok"},
    ]
    assert read_labeled_texts({"x": json.dumps(record)}) == [LabeledText("ho", "a1")]


def propose(field: str, examples: str, base: str = "Route it.", temperature: float = 0.0, seed: int = 0) -> str:
    head = system(name=field).replace("1. `message`", "1. `examples` (str): \n2. `basic_instruction`")
    turn = Turn("user", f"[[ ## examples ## ]]\n{examples}\n\n[[ ## basic_instruction ## ]]\n{base}")
    [text] = Learner().answers(Question([Turn("system", head), turn], temperature=temperature, seed=seed))
    return block(text, field)


@pytest.mark.parametrize(
    "field",
    ["proposed_instruction", "new_instruction", "improved_instruction", "natural_language_rules", "observations"],
)
def test_a_proposed_instruction_helps_where_the_old_one_did_not(field: str) -> None:
    labels = ("b2", "a1")
    assert answer(choosing(labels, "Route it."), "a parcel for me") == "b2"
    proposed = propose(field, LINES)
    assert answer(choosing(labels, proposed), "a parcel for me") == "a1"
    assert answer(choosing(labels, proposed), "screen gone") == "b2"


def test_a_proposal_keeps_the_basic_instruction_and_the_rules_it_has() -> None:
    base = 'Route it well.\nWords such as "lamp" mean c3.'
    proposed = propose("new_instruction", LINES, base)
    assert proposed.startswith("Route it well.")
    assert 'Words such as "lamp" mean c3.' in proposed
    assert propose("new_instruction", LINES, proposed) == proposed


def test_proposals_vary_with_temperature_and_only_then() -> None:
    assert len({propose("new_instruction", LINES, seed=seed) for seed in range(8)}) == 1
    assert len({propose("new_instruction", LINES, temperature=1.0, seed=seed) for seed in range(8)}) > 1


def test_a_reflection_prompt_without_fields_is_answered_within_a_fence() -> None:
    text = (
        f"Instructions so far:\n```\nRoute it.\n```\nExamples:\n```\n{SECTIONS}\n```\nWrite a new instruction for it."
    )
    text = text.replace("Write a new", "Your task is to write a new")
    [reply] = Learner().answers(Question([Turn("user", text)]))
    assert reply.startswith("```\nRoute it.")
    assert '"parcel"' in reply
    assert reply.endswith("```")


def test_advice_is_given_for_each_module_by_name() -> None:
    head = system('must adhere to the JSON schema: {"type": "object", "additionalProperties": {"type": "string"}}')
    head = head.replace("`intent`", "`module_advice`").replace("## intent ##", "## module_advice ##")
    head = head.replace("{intent}", "{module_advice}").replace("`message`", "`module_names`")
    turn = Turn("user", f'[[ ## module_names ## ]]\n["triage"]\n\n[[ ## examples ## ]]\n{LINES}')
    [text] = Learner().answers(Question([Turn("system", head), turn]))
    assert list(json.loads(block(text, "module_advice"))) == ["triage"]


def test_without_examples_the_instruction_stays() -> None:
    assert propose("proposed_instruction", "none") == "Route it."


def test_a_users_field_is_not_taken_for_a_proposal() -> None:
    [text] = Learner().answers(Question([Turn("system", system(name="summary")), asked("It rains. It pours.")]))
    assert block(text, "summary") == "It rains."


def test_rules_from_many_examples_stay_short() -> None:
    draw = random.Random(1)
    words = [f"w{chr(97 + i)}{chr(97 + j)}x" for i in range(20) for j in range(20)]
    rows = [f"message: {' '.join(draw.choices(words, k=8))}\nintent: l{i % 3}" for i in range(300)]
    assert len(propose("new_instruction", "\n".join(rows))) < 800
