"""Prompts are read as they are written by the chat, JSON and XML adapters, and as free text."""

from __future__ import annotations

from practice_prompts import INTENTS, asked, choosing, shown, system

from dspex_practice.model.reading.prompt import ANSWER, Layout, Turn, read_frame, read_inputs, read_task, sort_turns

JSON_HEAD = """Your input fields are:
1. `message` (str): from a customer
Your output fields are:
1. `intent` (Literal['refund', 'lost_bag']): what about
2. `urgency` (int): how soon
Constraints: greater than or equal to: 1, less than or equal to: 5
3. `tags` (list[str]):
All interactions will be structured in the following way, with the appropriate values filled in.

Inputs will have the following structure:

[[ ## message ## ]]
{message}

Outputs will be a JSON object with the following fields.

{
  "intent": "{intent}        # note: the value you produce must exactly match (no extra characters) one of: refund; lost_bag",
  "urgency": "{urgency}        # note: the value you produce must be a single int value",
  "tags": "{tags}        # note: the value you produce must adhere to the JSON schema: {\\"type\\": \\"array\\", \\"items\\": {\\"type\\": \\"string\\"}}"
}
In adhering to this structure, your objective is:
        Route the message.
        Be careful."""  # noqa: E501

XML_HEAD = """Your input fields are:
1. `message` (str):
Your output fields are:
1. `urgent` (bool):
All interactions will be structured in the following way, with the appropriate values filled in.

<message>
{message}
</message>

<urgent>
{urgent}        # note: the value you produce must be True or False
</urgent>
In adhering to this structure, your objective is:
        Decide."""


def test_chat_prompt_gives_fields_labels_and_instruction() -> None:
    task = read_task(choosing(instruction="Route it."))
    assert (task.layout, task.inputs, task.instruction) == (Layout.BLOCKS, ("message",), "Route it.")
    assert [(field.name, field.schema) for field in task.outputs] == [("intent", {"enum": [*INTENTS]})]


def test_json_prompt_gives_types_bounds_and_descriptions() -> None:
    task = read_task(JSON_HEAD)
    assert task.layout is Layout.JSON
    assert task.instruction == "Route the message.\nBe careful."
    intent, urgency, tags = task.outputs
    assert intent.schema == {"enum": ["refund", "lost_bag"]}
    assert urgency.schema == {"type": "integer", "minimum": 1, "maximum": 5}
    assert tags.schema == {"type": "array", "items": {"type": "string"}}
    assert urgency.description.startswith("how soon")


def test_xml_prompt_is_read() -> None:
    task = read_task(XML_HEAD)
    assert (task.layout, task.outputs[0].schema) == (Layout.XML, {"type": "boolean"})
    turns = [Turn("system", XML_HEAD), Turn("user", "<message>\nquick!\n</message>")]
    assert read_inputs(sort_turns(turns).question, task) == {"message": "quick!"}


def test_enum_class_takes_its_values_from_the_note() -> None:
    task = read_task(system("must be one of: high; low", kind="Urgency"))
    assert task.outputs[0].schema == {"enum": ["high", "low"]}


def test_last_user_turn_is_the_query_and_earlier_turns_are_examples() -> None:
    turns = [Turn("system", choosing()), *shown("my money", intent="refund"), asked("the lamp")]
    prompt = sort_turns(turns)
    frame = read_frame(prompt)
    assert [(demo.text, dict(demo.outputs)) for demo in frame.demos] == [("my money", {"intent": "refund"})]
    assert read_inputs(prompt.question, frame.task) == {"message": "the lamp"}


def test_what_an_incomplete_example_does_not_supply_is_left_out() -> None:
    partial = "This is an example of the task, though some input or output fields are not supplied.\n\n"
    turns = [
        Turn("system", choosing()),
        Turn("user", f"{partial}[[ ## message ## ]]\nhello"),
        Turn("assistant", "[[ ## intent ## ]]\nNot supplied for this particular example. \n\n[[ ## completed ## ]]"),
        asked("?"),
    ]
    [demo] = read_frame(sort_turns(turns)).demos
    assert (demo.text, demo.outputs) == ("hello", {})


def test_a_schema_of_the_caller_wins_over_the_text() -> None:
    schema = {"type": "object", "properties": {"intent": {"enum": ["x"]}, "n": {"type": "integer"}}}
    task = read_frame(sort_turns([Turn("system", choosing()), asked("?")]), schema).task
    assert task.layout is Layout.JSON
    assert {field.name: field.schema for field in task.outputs} == schema["properties"]


def test_fields_are_found_in_the_reminder_when_no_list_names_them() -> None:
    last = (
        "[[ ## q ## ]]\nhi\n\nRespond with the corresponding output fields, starting with the field `[[ ## a ## ]]`, "
    )
    last += "then `[[ ## b ## ]]`, and then ending with the marker for `[[ ## completed ## ]]`."
    task = read_frame(sort_turns([Turn("user", last)])).task
    assert (task.layout, [field.name for field in task.outputs]) == (Layout.BLOCKS, ["a", "b"])


def test_free_text_has_one_answer() -> None:
    task = read_frame(sort_turns([Turn("user", "What is 2 + 2?")])).task
    assert (task.layout, [field.name for field in task.outputs]) == (Layout.FREE, [ANSWER])
