"""A program that writes code and runs it, and two ways of comparing several answers."""

import os

import dspy

SCRIPT = [
    {
        "reasoning": "Write it.",
        "generated_code": "```python\nresult = 2 + 3 * 4\nfinal_answer({'answer': result})\n```",
    },
    {"reasoning": "It printed 14.", "answer": "14"},
    {"rationale": "The second is right.", "answer": "blue"},
    {"reasoning": "Perhaps.", "answer": "red"},
]


def main():
    dspy.configure(lm=dspy.LM("openai/scripted", api_base=os.environ["SCRIPTED_LM"], api_key="none", cache=False))
    attempts = [
        dspy.Prediction(reasoning="It is the sky.", answer="blue"),
        dspy.Prediction(reasoning="It is the sea.", answer="green"),
        dspy.Prediction(reasoning="It is the sky at noon.", answer="blue"),
    ]
    compared = dspy.MultiChainComparison("question -> answer")(attempts, question="What colour is the sky?")
    voted = dspy.majority(attempts)
    return {"compared": compared.toDict(), "voted": voted.answer}
