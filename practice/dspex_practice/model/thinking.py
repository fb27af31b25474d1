"""The thinking text of a reasoning model. It follows from the question and the answer."""

from __future__ import annotations

from collections.abc import Sequence

from dspex_practice.model.reading.prompt import Turn, read_inputs, read_task, sort_turns
from dspex_practice.model.reading.text import carries_meaning, words

_MOST_WORDS = 5


def think(turns: Sequence[Turn], answer: str) -> str:
    """The thoughts that lead to `answer`."""
    prompt = sort_turns(turns)
    task = read_task(prompt.head or prompt.question)
    query = "\n".join(read_inputs(prompt.question, task).values())
    said = list(dict.fromkeys(word for word in words(query) if carries_meaning(word)))[:_MOST_WORDS]
    about = f"The question is about {', '.join(said)}." if said else "The question says nothing that I know."
    shown = f"I am shown {len(prompt.shown)} examples." if prompt.shown else "I am shown no examples."
    found = " The tools have answered." if prompt.found else ""
    first = next((line for line in answer.splitlines() if line and "[[ ##" not in line), "a call of a tool")
    return f"{about} {shown}{found} What fits best: {first}"
