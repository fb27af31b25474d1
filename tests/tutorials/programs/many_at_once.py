"""Many at once: Parallel, batch, DataLoader, and an evaluation with a table saved as CSV and JSON."""

import csv
import json
import os
import tempfile

import dspy
import pandas
from dspy.datasets import DataLoader

SCRIPT = [
    {"answer": "yes", "when": "even"},
    {"answer": "no"},
]


def exact(example, pred, trace=None, pred_name=None, pred_trace=None):
    return dspy.evaluate.answer_exact_match(example, pred)


def main():
    dspy.configure(lm=dspy.LM("openai/scripted", api_base=os.environ["SCRIPTED_LM"], api_key="none", cache=False))
    predict = dspy.Predict("question -> answer")
    with tempfile.TemporaryDirectory() as folder:
        table = pandas.DataFrame(
            [{"question": f"Is {n} {'even' if n % 2 else 'odd'}?", "answer": "yes"} for n in range(6)]
        )
        rows = DataLoader().from_pandas(table, fields=("question", "answer"), input_keys=("question",))
        split = DataLoader().train_test_split(rows, train_size=0.5, random_state=1)
        evaluate = dspy.Evaluate(
            devset=rows,
            metric=exact,
            num_threads=2,
            save_as_csv=f"{folder}/out.csv",
            save_as_json=f"{folder}/out.json",
        )
        result = evaluate(predict)
        with open(f"{folder}/out.csv") as file:
            table = list(csv.reader(file))
        with open(f"{folder}/out.json") as file:
            saved = json.load(file)
    knn = dspy.KNN(k=2, trainset=rows, vectorizer=dspy.Embedder(lambda texts: [[len(text)] for text in texts]))
    batch = predict.batch([row.without("answer") for row in rows[:3]], num_threads=2, disable_progress_bar=True)
    pairs = [(predict, {"question": "Is it even?"}), (predict, dspy.Example(question="odd?").with_inputs("question"))]
    parallel = dspy.Parallel(num_threads=2, disable_progress_bar=True)(pairs)
    return {
        "score": result.score,
        "table": table,
        "saved": saved,
        "split": [len(split["train"]), [row.question for row in split["test"]]],
        "near": [row.question for row in knn(question="Is 1 even?")],
        "batch": [each.answer for each in batch],
        "parallel": [each.answer for each in parallel],
    }
