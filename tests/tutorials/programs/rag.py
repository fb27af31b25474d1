"""Retrieval-augmented answers over an embedded corpus, scored by SemanticF1, saved and loaded."""

import os
import tempfile

import dspy
from dspy.evaluate import SemanticF1

CORPUS = [
    "cron runs commands at given times.",
    "tar packs many files into one archive.",
    "grep finds lines that match a pattern.",
    "chmod changes who may read a file.",
]
SCRIPT = [
    {"reasoning": "The context says so.", "response": "Use grep.", "when": "pattern"},
    {"reasoning": "The context says so.", "response": "Use tar.", "when": "archive"},
    {"reasoning": "They agree.", "recall": 1.0, "precision": 0.5},
    {"reasoning": "They do not.", "recall": 0.0, "precision": 0.0},
]


class RAG(dspy.Module):
    def __init__(self, search):
        self.search = search
        self.respond = dspy.ChainOfThought("context, question -> response")

    def forward(self, question):
        context = self.search(question).passages
        return self.respond(context=context, question=question)


def main():
    url = os.environ["SCRIPTED_LM"]
    dspy.configure(lm=dspy.LM("openai/scripted", api_base=url, api_key="none", cache=False))
    embedder = dspy.Embedder("openai/embedding", api_base=url, api_key="none", caching=False)
    search = dspy.retrievers.Embeddings(embedder=embedder, corpus=CORPUS, k=2)
    rag = RAG(search)
    questions = [
        ("Which command finds a pattern in lines?", "grep"),
        ("Which command makes an archive of many files?", "tar"),
    ]
    devset = [dspy.Example(question=asked, response=answer).with_inputs("question") for asked, answer in questions]
    metric = SemanticF1(decompositional=False)
    evaluate = dspy.Evaluate(devset=devset, metric=metric, num_threads=1, display_progress=False)
    result = evaluate(rag)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rag.json")
        rag.save(path)
        loaded = RAG(search)
        loaded.load(path)
    return {
        "score": result.score,
        "scores": [score for _, _, score in result.results],
        "responses": [prediction.response for _, prediction, _ in result.results],
        "passages": search(questions[0][0]).passages,
        "loaded": loaded.respond.predict.signature.instructions,
    }
