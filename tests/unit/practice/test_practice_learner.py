"""Examples and instructions change what the practice model answers, and nothing else does."""

from __future__ import annotations

import random

import orjson
import pytest
from practice_prompts import INTENTS, answer, asked, block, choosing, shown, system

from dspex_practice.model.in_context_learner import Learner, Question
from dspex_practice.model.reading.prompt import Turn

DEMOS = [
    ("the parcel never came", "a1"),
    ("my screen is cracked", "b2"),
    ("where is my delivery", "a1"),
    ("the glass of the display broke", "b2"),
]


@pytest.mark.parametrize(
    ("query", "label"),
    [("I want a refund", "refund"), ("the light's broken", "broken_light"), ("lost my bags", "lost_bag")],
)
def test_without_examples_the_words_of_the_labels_decide(query: str, label: str) -> None:
    assert answer(choosing(), query) == label


@pytest.mark.parametrize(("query", "label"), [("has the parcel come?", "a1"), ("crack in my display", "b2")])
def test_examples_teach_labels_that_mean_nothing(query: str, label: str) -> None:
    assert answer(choosing(("b2", "a1")), query, DEMOS) == label
    assert answer(system(), query, DEMOS) == label


def test_opposite_examples_teach_the_opposite() -> None:
    opposite = [(text, "b2" if label == "a1" else "a1") for text, label in DEMOS]
    assert answer(choosing(("a1", "b2")), "has the parcel come?", opposite) == "b2"


def test_rules_in_the_instruction_teach_labels() -> None:
    rule = 'Words such as "parcel", "delivery" mean b2. Words such as "screen", "crack" mean a1.'
    assert answer(choosing(("a1", "b2"), rule), "my parcel!") == "b2"
    assert answer(choosing(("a1", "b2"), rule), "a cracked screen") == "a1"
    assert answer(system(instruction=rule), "my parcel!") == "b2"


def test_plain_definitions_in_the_instruction_teach_labels() -> None:
    definitions = "Labels:\n- a1: anything about a parcel or its delivery\n- b2: a screen that is damaged"
    assert answer(choosing(("b2", "a1"), definitions), "the delivery is late") == "a1"


def test_an_answer_is_always_one_of_the_labels() -> None:
    words = ["the", "of", "lamp", "river", "quantum", "3", "!!!", "ümlaut"]
    draw = random.Random(0)
    answers = {answer(choosing(), " ".join(draw.choices(words, k=4))) for _ in range(20)}
    assert answers <= set(INTENTS)


def test_reasoning_names_the_words_that_decided() -> None:
    head = choosing().replace("1. `intent`", "1. `reasoning` (str): \n2. `intent`")
    [text] = Learner().answers(Question([Turn("system", head), asked("I want a refund now")]))
    assert '"refund"' in block(text, "reasoning")
    assert block(text, "intent") == "refund"


def question(temperature: float, seed: int, n: int = 1) -> Question:
    return Question([Turn("system", choosing()), asked("hm")], temperature=temperature, seed=seed, n=n)


def test_identical_questions_have_identical_answers_in_any_process_state() -> None:
    once = Learner().answers(question(1.0, 7, 20))
    used = Learner()
    used.answers(question(0.5, 3))
    assert used.answers(question(1.0, 7, 20)) == once


def test_samples_vary_with_temperature_and_seed() -> None:
    learner = Learner()
    assert len(set(learner.answers(question(0.0, 7, 20)))) == 1
    assert len(set(learner.answers(question(1.5, 7, 20)))) > 1
    assert len({learner.answers(question(1.5, seed))[0] for seed in range(20)}) > 1


def test_lessons_of_many_prompts_are_not_all_kept() -> None:
    learner = Learner(kept_indexes=2)
    heads = [choosing(instruction=f"Task {i}.") for i in range(5)]
    answers = [learner.answers(Question([Turn("system", head), asked("refund")])) for head in [*heads, *heads]]
    assert answers[:5] == answers[5:]
    assert len(learner._indexes) == 2


@pytest.mark.parametrize(
    ("kind", "note", "query", "value"),
    [
        ("int", "must be a single int value", "what is 7 plus 5", "12"),
        ("float", "must be a single float value", "what is 7 / 2", "3.5"),
        ("int", "must be a single int value", "nothing to count", "0"),
        ("bool", "must be True or False", "of no account", "False"),
        ("dict[str, int]", 'must adhere to the JSON schema: {"type": "object"}', "x", "{}"),
    ],
)
def test_typed_fields_get_values_of_their_type(kind: str, note: str, query: str, value: str) -> None:
    assert answer(system(note, kind=kind), query) == value


def test_a_number_is_learnt_from_the_nearest_example() -> None:
    head = system("must be a single int value", kind="int", name="stars")
    demos = [("awful service", "1"), ("wonderful service", "5")]
    assert answer(head, "it was wonderful", demos, "stars") == "5"


def test_a_question_about_a_text_is_answered_with_its_sentence() -> None:
    head = system(name="answer").replace("1. `message`", "1. `context` (str): \n2. `message`")
    turn = Turn("user", "[[ ## context ## ]]\nOslo is cold. Rome is warm.\n\n[[ ## message ## ]]\nWhich is warm?")
    [text] = Learner().answers(Question([Turn("system", head), turn]))
    assert block(text, "answer") == "Rome is warm."


def test_a_schema_is_answered_with_json_of_it() -> None:
    schema = {
        "type": "object",
        "properties": {"intent": {"enum": [*INTENTS]}, "who": {"$ref": "#/$defs/Who"}, "n": {"type": "integer"}},
        "required": ["intent", "who", "n"],
        "$defs": {"Who": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    }
    [text] = Learner().answers(Question([Turn("user", "I lost a bag")], schema=schema, json_only=True))
    found = orjson.loads(text)
    assert (found["intent"], found["n"]) == ("lost_bag", 0)
    assert isinstance(found["who"]["name"], str)


def test_json_and_xml_prompts_are_answered_in_kind() -> None:
    demos = [Turn("user", "[[ ## message ## ]]\nparcel"), Turn("assistant", '{"intent": "a1"}')]
    [text] = Learner().answers(
        Question([Turn("system", choosing(("b2", "a1"))), *demos, asked("parcel")], json_only=True)
    )
    assert orjson.loads(text) == {"intent": "a1"}
    head = "Your input fields are:\n1. `q` (str):\nYour output fields are:\n1. `tags` (list[str]):\n<q>\n{q}\n</q>"
    [text] = Learner().answers(Question([Turn("system", head), Turn("user", "<q>\nred car\n</q>")]))
    assert text == "<tags>\n<item>red</item>\n</tags>"


def test_unknown_layouts_of_examples_do_not_matter() -> None:
    turns = [Turn("system", choosing()), *shown("x", other="y"), Turn("assistant", "stray"), asked("a refund")]
    [text] = Learner().answers(Question(turns))
    assert block(text, "intent") == "refund"
