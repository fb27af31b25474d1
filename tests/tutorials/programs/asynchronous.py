"""Async programs: acall, a module with aforward, async tools, asyncify, and many at once."""

import asyncio
import os

import dspy

SCRIPT = [
    {"answer": "one", "when": "q1"},
    {"answer": "two", "when": "q2"},
    {"answer": "some"},
    {"simplified_answer": "simply"},
    {"next_thought": "Fetch.", "next_tool_name": "fetch", "next_tool_args": {"name": "x"}},
    {"next_thought": "Done.", "next_tool_name": "finish", "next_tool_args": {}},
    {"reasoning": "Fetched.", "answer": "forty-two"},
]


class Two(dspy.Module):
    def __init__(self):
        self.predict1 = dspy.Predict("question -> answer")
        self.predict2 = dspy.Predict("answer -> simplified_answer")

    async def aforward(self, question, **kwargs):
        answer = await self.predict1.acall(question=question)
        return await self.predict2.acall(answer=answer.answer)


async def fetch(name: str) -> str:
    """Fetch something by its name."""
    await asyncio.sleep(0)
    return f"{name} is 42"


async def run():
    predict = dspy.Predict("question -> answer")
    many = await asyncio.gather(*(predict.acall(question=f"q{number} is what?") for number in (1, 2, 3)))
    two = await Two().acall(question="q9")
    agent = await dspy.ReAct("question -> answer", tools=[fetch]).acall(question="What is x?")
    in_thread = await dspy.asyncify(predict)(question="q1 again?")
    tool = dspy.Tool(fetch)
    with dspy.context(allow_tool_async_sync_conversion=True):
        converted = await asyncio.to_thread(lambda: 0)
    return {
        "many": [each.answer for each in many],
        "two": two.simplified_answer,
        "agent": [agent.answer, agent.trajectory],
        "in_thread": in_thread.answer,
        "tool": await tool.acall(name="y"),
        "schema": tool.args,
        "converted": converted,
    }


def main():
    dspy.configure(lm=dspy.LM("openai/scripted", api_base=os.environ["SCRIPTED_LM"], api_key="none", cache=False))
    return asyncio.run(run())
