"""Prompts in the layouts that adapters write, put together by hand so that these tests depend on no adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dspex_practice.model.in_context_learner import Learner, Question
from dspex_practice.model.reading.prompt import Turn

INTENTS = ("refund", "broken_light", "lost_bag")


def system(note: str = "", instruction: str = "Say what it is about.", kind: str = "str", name: str = "intent") -> str:
    """The system message of a chat prompt with the input `message` and one output."""
    note = f"        # note: the value you produce {note}" if note else ""
    return (
        f"Your input fields are:\n1. `message` (str): \nYour output fields are:\n1. `{name}` ({kind}):\n"
        "All interactions will be structured in the following way, with the appropriate values filled in.\n\n"
        f"[[ ## message ## ]]\n{{message}}\n\n[[ ## {name} ## ]]\n{{{name}}}{note}\n\n[[ ## completed ## ]]\n"
        f"In adhering to this structure, your objective is: \n        {instruction}"
    )


def choosing(labels: Sequence[str] = INTENTS, instruction: str = "Say what it is about.") -> str:
    """A system message whose output must be one of `labels`."""
    kind = f"Literal[{', '.join(map(repr, labels))}]"
    return system(f"must exactly match (no extra characters) one of: {'; '.join(labels)}", instruction, kind)


def asked(message: str) -> Turn:
    return Turn(
        "user", f"[[ ## message ## ]]\n{message}\n\nRespond with the corresponding output fields, starting with …"
    )


def shown(message: str, **outputs: str) -> list[Turn]:
    """An example: a user turn and its answer."""
    blocks = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in outputs.items())
    return [
        Turn("user", f"[[ ## message ## ]]\n{message}"),
        Turn("assistant", f"{blocks}\n\n[[ ## completed ## ]]\n"),
    ]


def answer(head: str, query: str, demos: Sequence[tuple[str, str]] = (), field: str = "intent") -> str:
    """The value of `field` that the learner gives for `query`."""
    turns = [Turn("system", head), *(turn for text, value in demos for turn in shown(text, **{field: value}))]
    [text] = Learner().answers(Question([*turns, asked(query)]))
    return block(text, field)


def block(text: str, field: str) -> str:
    """The text of one block of an answer."""
    return text.split(f"[[ ## {field} ## ]]\n", 1)[1].split("\n\n[[ ## ", 1)[0]


def share_right(head: str, rows: Sequence[Mapping[str, str]], demos: Sequence[Mapping[str, str]]) -> float:
    """The share of support messages in `rows` that the learner gets right with `demos`."""
    learner = Learner()
    turns = [Turn("system", head), *(turn for demo in demos for turn in shown(demo["message"], intent=demo["intent"]))]
    answers = (learner.answers(Question([*turns, asked(row["message"])]))[0] for row in rows)
    right = [block(text, "intent") == row["intent"] for text, row in zip(answers, rows, strict=True)]
    return sum(right) / len(right)
