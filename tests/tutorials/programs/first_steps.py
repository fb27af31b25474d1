"""First steps: math, retrieval by a function, classification, extraction, and an agent with two tools."""

import os
from typing import Literal

import dspy

SCRIPT = [
    {"reasoning": "There are 36 outcomes, one of them is two ones.", "answer": 0.0277776},
    {"reasoning": "The context names the castle.", "response": "It is in Brechin, Scotland."},
    {"sentiment": "positive", "confidence": 0.75},
    {
        "title": "Apple announces a phone",
        "headings": ["Introduction", "CEO's words"],
        "entity_info": [{"name": "Apple", "type": "Organization"}, {"name": "Tim Cook", "type": "Person"}],
    },
    {"next_thought": "Look it up.", "next_tool_name": "lookup", "next_tool_args": {"query": "castle"}},
    {"next_thought": "Divide.", "next_tool_name": "evaluate_math", "next_tool_args": {"expression": "9362158 / 2"}},
    {"next_thought": "Done.", "next_tool_name": "finish", "next_tool_args": {}},
    {"reasoning": "As computed.", "answer": 4681079.0},
]


def main():
    lm = dspy.LM("openai/scripted", api_base=os.environ["SCRIPTED_LM"], api_key="none", cache=False)
    dspy.configure(lm=lm)

    math = dspy.ChainOfThought("question -> answer: float")
    dice = math(question="Two dice are tossed. What is the probability that the sum equals two?")

    def search(query: str) -> list[str]:
        return [f"{query}: David Gregory inherited Kinnairdy Castle in 1664.", "It stands in Brechin."]

    rag = dspy.ChainOfThought("context, question -> response")
    question = "Where is the castle David Gregory inherited?"
    castle = rag(context=search(question), question=question)

    class Classify(dspy.Signature):
        """Classify sentiment of a given sentence."""

        sentence: str = dspy.InputField()
        sentiment: Literal["positive", "negative", "neutral"] = dspy.OutputField()
        confidence: float = dspy.OutputField()

    mood = dspy.Predict(Classify)(sentence="This book was super fun to read, though not the last chapter.")

    class ExtractInfo(dspy.Signature):
        """Extract structured information from text."""

        text: str = dspy.InputField()
        title: str = dspy.OutputField()
        headings: list[str] = dspy.OutputField()
        entity_info: list[dict[str, str]] = dspy.OutputField(desc="a list of entities and their metadata")

    info = dspy.Predict(ExtractInfo)(text="Apple Inc. announced its latest phone today. The CEO, Tim Cook, said ...")

    def evaluate_math(expression: str) -> float:
        left, right = expression.split(" / ")
        return float(left) / float(right)

    def lookup(query: str) -> str:
        """Look a thing up."""
        return "David Gregory was born in 1625."

    agent = dspy.ReAct("question -> answer: float", tools=[evaluate_math, lookup])
    year = agent(question="What is 9362158 divided by the number of people who inherited the castle?")
    return {
        "dice": dice.toDict(),
        "castle": castle.response,
        "mood": [mood.sentiment, mood.confidence],
        "info": info.toDict(),
        "year": year.answer,
        "trajectory": year.trajectory,
        "calls": len(lm.history),
    }
