#!/usr/bin/env python
# /// script
# dependencies = [
#   "dspy>=2.6",
# ]
# ///
import importlib

import dspy as d
import dspy.utils.dummies

from app.rag import main

ANSWERS = {"Which river": "Seine", "What is": "Paris"}

if __name__ == "__main__":
    fields = {"reasoning": "as it says", "certainty": "high"}
    lm = dspy.utils.dummies.DummyLM({key: {**fields, "answer": value} for key, value in ANSWERS.items()})
    score, demos = main(lm)
    again = importlib.import_module("dspy.predict").Predict("question -> answer")
    print(score, demos, type(again) is d.Predict)
