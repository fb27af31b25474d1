"""A conversation: the turns so far are part of the prompt."""

import os

import dspy

SCRIPT = [
    {"answer": "Tokyo.", "when": "Japan"},
    {"answer": "About 14 million.", "when": "people"},
    {"answer": "It is large."},
]


class QA(dspy.Signature):
    question: str = dspy.InputField()
    history: dspy.History = dspy.InputField()
    answer: str = dspy.OutputField()


def main():
    lm = dspy.LM("openai/scripted", api_base=os.environ["SCRIPTED_LM"], api_key="none", cache=False)
    dspy.configure(lm=lm)
    predict = dspy.Predict(QA)
    history = dspy.History(messages=[])
    answers = []
    for question in ("What is the capital of Japan?", "How many people live there?", "Is that a lot?"):
        outputs = predict(question=question, history=history)
        history.messages.append({"question": question, **outputs})
        answers.append(outputs.answer)
    predict.demos = [dspy.Example(question="Who?", history=history, answer="Nobody.")]
    answers.append(predict(question="And now, are people there?", history=dspy.History(messages=[])).answer)
    return answers
