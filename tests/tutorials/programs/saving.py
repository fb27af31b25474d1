"""Saving: the state as JSON and as pickle, and a whole program."""

import os
import tempfile

import dspy

SCRIPT = [{"reasoning": "By rule.", "answer": "yes"}]


def main():
    lm = dspy.LM("openai/scripted", api_base=os.environ["SCRIPTED_LM"], api_key="none", cache=False)
    dspy.configure(lm=lm)
    program = dspy.ChainOfThought(dspy.Signature("question -> answer", "Say yes or no."))
    program.predict.demos = [dspy.Example(question="Is it?", reasoning="It is.", answer="yes")]
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        program.save(f"{folder}/program.json", save_program=False)
        program.save(f"{folder}/program.pkl", save_program=False)
        program.save(f"{folder}/whole/", save_program=True)
        for name in ("program.json", "program.pkl"):
            loaded = dspy.ChainOfThought("question -> answer")
            loaded.load(path=f"{folder}/{name}", allow_pickle=True)
            answers.append(loaded(question="Is that so?").answer)
        whole = dspy.load(f"{folder}/whole/", allow_pickle=True)
        answers.append(whole(question="Is that so?").answer)
        files = sorted(os.listdir(f"{folder}/whole"))
    return {"answers": answers, "files": files, "instructions": whole.predict.signature.instructions}
