"""Best of several answers, and answers refined with advice."""

import os

import dspy

SCRIPT = [
    {"answer": "The capital of Belgium is Brussels"},
    {"answer": "Brussels, of course"},
    {"answer": "Brussels"},
    {
        "discussion": "The answer was too long.",
        "advice": {"qa": "Answer with one word.", "self": "Answer with one word."},
    },
]


def one_word(args, pred: dspy.Prediction) -> float:
    return 1.0 if len(pred.answer.split()) == 1 else 0.0


def main():
    dspy.configure(lm=dspy.LM("openai/scripted", api_base=os.environ["SCRIPTED_LM"], api_key="none", cache=False))
    qa = dspy.Predict("question -> answer")
    best = dspy.BestOfN(module=qa, N=3, reward_fn=one_word, threshold=1.0)
    refined = dspy.Refine(module=qa, N=3, reward_fn=one_word, threshold=1.0)
    question = "What is the capital of Belgium?"
    return {"best": best(question=question).answer, "refined": refined(question=question).answer}
